"""How the keys look that their makers gave a recognisable form, by the makers' own documentation."""

FORMATS: tuple[str, ...] = (
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}",  # Amazon Web Services
    r"ABSK[A-Za-z0-9+/]{100,}",  # Amazon Bedrock
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",  # GitHub
    r"gl(?:pat|dt|ft|soat|ptt|rt|agent|imt|cbt|oas)-[A-Za-z0-9_=-]{20,}",  # GitLab
    r"sk-[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter and those who follow them
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}",  # Slack
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",  # Google
    r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}",  # Stripe
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JSON Web Token
    r"npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}|rubygems_[a-f0-9]{48}",
    r"do[opr]_v1_[a-f0-9]{64}|dckr_pat_[A-Za-z0-9_-]{20,}",
    r"HRKU-[A-Za-z0-9_-]{36,}",  # DigitalOcean, Docker
    r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|shippo_(?:live|test)_[a-f0-9]{40}",  # Shopify, Shippo
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",  # SendGrid, Brevo
    r"key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}",  # Mailgun, Mailchimp
    r"hf_[A-Za-z]{34}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|xai-[A-Za-z0-9]{70,}",
    r"hv[sb]\.[A-Za-z0-9_-]{24,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}",  # HashiCorp
    r"dapi[a-f0-9]{32}|dp\.(?:pt|st|ct)\.[A-Za-z0-9.]{30,}",  # Databricks, Doppler
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pul-[a-f0-9]{40}|sbp_[a-f0-9]{40}",
    r"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|glc_[A-Za-z0-9+/]{32,}",  # Grafana
    r"NR(?:AK|II|JS|RA)-[A-Za-z0-9]{19,42}",  # New Relic
    r"sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}",  # Sourcegraph
    r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}|sntry[su]_[A-Za-z0-9+/=_]{40,}",  # PlanetScale, Sentry
    r"tskey-[a-z]+-[A-Za-z0-9-]{20,}|fo1_[A-Za-z0-9_-]{43}",  # Tailscale, Fly.io
    r"sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}",  # Square
    r"EAA[MC][A-Za-z0-9]{20,}|ATATT3[A-Za-z0-9_=-]{180,}|fig[dou]_[A-Za-z0-9_-]{40,}",  # Meta, Atlassian
    r"EZ[AT]K[A-Za-z0-9]{54}|FLW(?:SEC|PUB)K?_TEST-[A-Za-z0-9-]{12,}",  # EasyPost, Flutterwave
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}|ops_eyJ[A-Za-z0-9+/=]{50,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}",  # 1Password
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}",  # Telegram
    r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}",  # Discord
    r"SK[0-9a-f]{32}|ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}",  # Twilio, Notion
    r"sha256~[A-Za-z0-9_-]{43}",  # OpenShift
)
"""Regular expressions that begin and end at a word's edge; names in front of none are many makers'."""
