"""Formats of API keys, from the documentation of their providers."""

FORMATS: tuple[str, ...] = (
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}|LTAI[A-Za-z0-9]{20}",  # Amazon Web Services, Alibaba
    r"ABSK[A-Za-z0-9+/]{100,}|bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",  # Amazon Bedrock
    r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}",  # Microsoft Entra
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",  # GitHub
    r"gl(?:pat|dt|ft|ffct|soat|ptt|rt|agent|imt|cbt|oas)-[A-Za-z0-9_=.-]{20,}|GR1348941[A-Za-z0-9_-]{20}",
    r"_gitlab_session=[0-9a-z]{32}",  # GitLab
    r"sk-ant-(?:api03|admin01)-[A-Za-z0-9_-]{93}AA",  # Anthropic
    r"sk-ant-(?:oat|ort|sid)\d\d-[A-Za-z0-9_-]{40,}",
    # OpenAI, OpenRouter, Langfuse, Helicone, LiteLLM, DeepSeek and others after them
    r"sk-(?:proj|svcacct|admin|None|or-v1|lf|helicone|litellm|kimi)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9.-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}",  # Slack
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,60}",
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",  # Google
    r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}",  # Stripe
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JSON Web Token
    r"npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}|rubygems_[a-f0-9]{48}|CLOJARS_[A-Za-z0-9]{60}",
    r"do[opr]_v1_[a-f0-9]{64}|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",  # DigitalOcean, Docker
    r"HRKU-[A-Za-z0-9_-]{36,}|rdme_[a-z0-9]{70}|pnu_[A-Za-z0-9]{36}",  # Heroku, ReadMe, Prefect
    r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|shippo_(?:live|test)_[a-fA-F0-9]{40}",  # Shopify, Shippo
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",  # SendGrid, Brevo
    r"(?:pub)?key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}",  # Mailgun, Mailchimp
    r"(?:hf|api_org)_[A-Za-z0-9]{34}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9_-]{37}",
    r"xai-[A-Za-z0-9_]{70,}",  # Hugging Face, Groq, Perplexity, Replicate, xAI
    r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|ls__[a-f0-9]{32}|pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{40,}",
    r"nvapi-[A-Za-z0-9_-]{60,70}|tgp_v1_[A-Za-z0-9_-]{40,}|wandb_v1_[A-Za-z0-9_]{60,}",  # also Together
    r"tvly-(?:dev-|prod-)?[A-Za-z0-9-]{28,}|csk-[A-Za-z0-9]{40,}|jina_[A-Za-z0-9]{60}|llx-[A-Za-z0-9]{40,}",
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,30}|vck_[A-Za-z0-9]{50,}",  # Azure, Vercel
    r"bce-v3/ALTAK-[A-Za-z0-9]{16,32}/[a-f0-9]{40}|AKID[A-Za-z0-9]{32}",  # Baidu, Tencent
    r"hv[sb]\.[A-Za-z0-9_-]{24,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}",  # HashiCorp
    r"(?:dapi|dkea|dose)[a-f0-9]{32}(?:-\d)?|dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9.]{30,}|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pul-[a-f0-9]{40}|sbp_[a-f0-9]{40}",
    r"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|glc_[A-Za-z0-9+/]{32,}|eyJrIjoi[A-Za-z0-9]{70,}",  # Grafana
    r"NR(?:AK|II|JS|RA)-[A-Za-z0-9-]{19,42}",  # New Relic
    r"sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}|slk_[a-f0-9]{64}",  # Sourcegraph
    r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}|sntry[su]_[A-Za-z0-9+/=_]{40,}",  # PlanetScale, Sentry
    r"tskey-[a-z]+-[A-Za-z0-9-]{20,}|fo1_[A-Za-z0-9_-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{80,}",  # Tailscale, Fly
    r"sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}|sq[upa]_[A-Za-z0-9_=-]{40}",
    r"EAA[MC][A-Za-z0-9]{20,}|\d{15,16}\|[A-Za-z0-9_-]{27}|A{20,}[A-Za-z0-9%]{60,}",  # Meta, X
    r"ATATT3[A-Za-z0-9_=-]{180,}|ATCTT3[A-Za-z0-9_=-]{60,}|fig[dou]_[A-Za-z0-9_-]{40,}",  # Atlassian, Figma
    r"EZ[AT]K[A-Za-z0-9]{54}|FLW(?:SEC|PUB)K?_TEST-[A-Za-z0-9-]{12,}|duffel_(?:test|live)_[A-Za-z0-9_=-]{43}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}|ops_eyJ[A-Za-z0-9+/=]{50,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}",  # 1Password
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}",  # Telegram
    r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}",  # Discord
    r"SK[0-9a-f]{32}|ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}",  # Twilio, Notion
    r"sha256~[A-Za-z0-9_-]{43}|API-[A-Z0-9]{26}|p8e-[a-z0-9]{32}",  # OpenShift, Octopus Deploy, Adobe
    r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}",  # Airtable, Artifactory
    r"(?:pat|sat)\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}|ico-[A-Za-z0-9]{32}",  # Harness
    r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,}",
    r"dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}|4b1d[A-Za-z0-9]{38}",  # Defined Networking, ClickHouse
    r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}|fio-u-[A-Za-z0-9_=-]{64}|tfp_[A-Za-z0-9_.=-]{59}",  # Cloudflare
    r"[pst]k\.eyJ[A-Za-z0-9_-]{50,}\.[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",  # Mapbox
    r"sm_(?:aat|pat|sat)_[A-Za-z0-9]{16}|tk-us-[A-Za-z0-9_-]{48}|s-s4t2(?:ud|af)-[a-f0-9]{64}",
    r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",  # Plaid
    r"AQVN[A-Za-z0-9_-]{35,38}|t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{86}={0,2}",  # Yandex
    r"[a-z0-9]+\.webhook\.office\.com/webhookb2/[a-z0-9@-]{60,}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36}",
    r"vercel_blob_rw_[A-Za-z0-9]{12,}_[A-Za-z0-9]{24,}|sb_secret_[A-Za-z0-9_-]{20,}|phx_[A-Za-z0-9]{40,}",
    r"apify_api_[A-Za-z0-9]{34,}|CFPAT-[A-Za-z0-9_-]{40,}|nfp_[A-Za-z0-9]{36,}|napi_[a-z0-9]{60,}|npg_[A-Za-z0-9]{12}",
    r"CCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}|bkua_[a-f0-9]{40}|pat-(?:na|eu)\d-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}",
    r"amzn\.mws\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|1//0[A-Za-z0-9_-]{40,}|xprv[1-9A-HJ-NP-Za-km-z]{100,}",
    r"pi_[A-Za-z0-9]{24}_secret_[A-Za-z0-9]{25}|[as]k_live_[A-Za-z0-9]{24,}|syt_[A-Za-z0-9]{4,60}_[A-Za-z]{20}_[A-Za-z0-9]{6}",
    r"sk_[a-f0-9]{40,64}|fc-[a-f0-9]{32}|e2b_[a-f0-9]{40}|key_[a-f0-9]{64}",  # ElevenLabs, Firecrawl, Cursor
    r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,}",
)
"""Regular expressions that begin and end at a word boundary."""

SHORT_FORMATS: tuple[str, ...] = (
    r"fw_[A-Za-z0-9]{20,32}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}|re_[A-Za-z0-9]{32}",  # Fireworks, Resend
    r"pa-[A-Za-z0-9_-]{40,50}|rpa_[A-Z0-9]{40,}|sk_car_[A-Za-z0-9_-]{20,}|m0-[A-Za-z0-9]{40}|nk-[A-Za-z0-9_-]{40,}|BSA[A-Za-z0-9_-]{27}",
    r"esecret_[A-Za-z0-9]{20,}|[a-f0-9]{32}\.[A-Za-z0-9]{16}|rnd_[A-Za-z0-9]{28,}",  # Anyscale, Zhipu, Render
)
"""Formats that are short or ambiguous, so that the rest must also pass `is_random`."""

HASHES = (
    r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$(?:1|apr1)\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
    r"|\$[56y7]\$(?:rounds=\d+\$)?[./A-Za-z0-9$]{1,60}\$[./A-Za-z0-9]{43,86}|\$argon2(?:id|i|d)\$[^\s\"']{20,}"
    r"|\$[PH]\$[./A-Za-z0-9]{31}|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{28,}|pbkdf2[_:-]sha\d+[$:][^\s\"']{30,}"
)
"""Formats of stored passwords: crypt(5), PHC strings, LDAP and others. Short passwords can be guessed."""

MAKERS = (
    "adafruit|adobe|airtable|algolia|alibaba|anthropic|assemblyai|amplitude|asana|atlassian|auth0|azure|beamer|bitbucket|bittrex"
    "|circleci|clickhouse|cloudflare|codecov|cohere|coinbase|confluent|contentful|databricks|datadog|deepgram|deepseek|digitalocean"
    "|discord|docusign|droneci|dropbox|dynatrace|easypost|elastic|elevenlabs|etsy|facebook|fastly|figma|finicity|finnhub|fireworks|flickr"
    "|flutterwave|freshbooks|github|gitlab|gitter|gocardless|grafana|groq|heroku|hubspot|infracost|intercom|jenkins|jfrog"
    "|kraken|kucoin|launchdarkly|linear|linkedin|lob|looker|mailchimp|mailgun|mapbox|mattermost|meraki|messagebird"
    "|mistral|mixpanel|netlify|newrelic|notion|nytimes|nvidia|okta|openai|openrouter|pagerduty|paypal|pinecone|plaid|postman|rapidapi|salesforce"
    "|segment|sendbird|sendgrid|sentry|shopify|slack|snyk|sonar|sourcegraph|square|squarespace|stripe|sumologic"
    "|supabase|tavily|telegram|together_ai|travis|trello|twilio|twitch|twitter|typeform|vault|vercel|wakatime|yandex|zendesk|zoom"
)
