"""Formats of the keys of providers, as they document and issue them: exact lengths where they are fixed."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

FORMATS: tuple[str, ...] = (
    # Clouds
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}|ABSK[A-Za-z0-9+/]{100,}"
    r"|bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",
    rf"amzn\.mws\.{_UUID}|amzn1\.oa2-cs\.v1\.[a-f0-9]{{64}}",  # Amazon
    # Google
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}|1//0[A-Za-z0-9_-]{40,}",
    r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}|[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,30}",  # Microsoft
    # Alibaba, Baidu, Tencent
    r"LTAI[A-Za-z0-9]{20}|bce-v3/ALTAK-[A-Za-z0-9]{16,32}/[a-f0-9]{40}|AKID[A-Za-z0-9]{32}",
    # Yandex
    r"AQVN[A-Za-z0-9_-]{35,38}|t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{86}={0,2}"
    r"|y[0-3]_[A-Za-z0-9_-]{55}",
    # DigitalOcean and others
    r"do[opr]_v1_[a-f0-9]{64}|HRKU-[A-Za-z0-9_-]{36,}|SCW[A-Z0-9]{17}|tk-us-[A-Za-z0-9_-]{48}",
    # Fly, Netlify, Vercel
    r"fo1_[A-Za-z0-9_-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{80,}|nfp_[A-Za-z0-9]{36,}|vck_[A-Za-z0-9]{50,}",
    r"vercel_blob_rw_[A-Za-z0-9]{12,}_[A-Za-z0-9]{24,}|v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"
    r"|qstash_[A-Za-z0-9+/=_-]{36,}",
    # Source code and packages
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    r"gl(?:pat|dt|ft|ffct|soat|ptt|rt|agent|imt|cbt|oas|wt)-[A-Za-z0-9_=.-]{20,}"
    r"|GR1348941[A-Za-z0-9_-]{20}|_gitlab_session=[0-9a-z]{32}",
    # Atlassian
    r"ATATT3[A-Za-z0-9_=-]{180,}|ATCTT3[A-Za-z0-9_=-]{60,}|ATBB[A-Za-z0-9]{32}|BBDC-[A-Za-z0-9+/]{40,}",
    r"npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}|rubygems_[a-f0-9]{48}|CLOJARS_[A-Za-z0-9]{60}"
    r"|cio[A-Za-z0-9]{32}|oy2[a-z0-9]{43}",
    # also SonarQube
    r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}|AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}"
    r"|sq[upa]_[A-Za-z0-9_=-]{40}",
    r"sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}|slk_[a-f0-9]{64}|pul-[a-f0-9]{40}"
    r"|pnu_[A-Za-z0-9]{36}",
    r"CCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}|bkua_[a-f0-9]{40}|API-[A-Z0-9]{26}"
    rf"|snyk_(?:uat|sat)\.[A-Za-z0-9]{{8}}\.[A-Za-z0-9_.-]{{60,}}|waka_{_UUID}",
    # Harness, Infracost, Endor
    r"(?:pat|sat)\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}|ico-[A-Za-z0-9]{32}"
    r"|endr\+[A-Za-z0-9-]{16}",
    # Models
    # Anthropic
    r"sk-ant-(?:api03|admin01)-[A-Za-z0-9_-]{93}AA|sk-ant-(?:oat|ort|sid)\d\d-[A-Za-z0-9_-]{40,}",
    # OpenAI, OpenRouter, Langfuse, Helicone, LiteLLM, DeepSeek, Moonshot and others after them
    r"sk-(?:proj|svcacct|admin|None|or-v1|lf|helicone|litellm|kimi)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{20,}",
    r"(?:hf|api_org)_[A-Za-z0-9]{34}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9_-]{37}"
    r"|xai-[A-Za-z0-9_]{70,}",
    r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|ls__[a-f0-9]{32}|pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{40,}"
    r"|nvapi-[A-Za-z0-9_-]{60,70}",
    r"tgp_v1_[A-Za-z0-9_-]{40,}|wandb_v1_[A-Za-z0-9_]{60,}|tvly-(?:dev-|prod-)?[A-Za-z0-9-]{28,}"
    r"|csk-[A-Za-z0-9]{40,}|jina_[A-Za-z0-9_-]{60}",
    r"llx-[A-Za-z0-9]{40,}|sk_[a-f0-9]{40,64}|fc-[a-f0-9]{32}|e2b_[a-f0-9]{40}|key_[a-f0-9]{64}"
    r"|dg_[a-f0-9]{40}",
    r"tok_[a-f0-9]{40}|gai_[A-Za-z0-9]{40,}|bb_live_[A-Za-z0-9_-]{20,}|cog_[a-z0-9]{40,}"
    r"|exa_[A-Za-z0-9]{32,}",
    # Messages
    r"xox[abeoprs]-[A-Za-z0-9.-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}|hooks\.slack\.com/(?:services"
    r"|workflows|triggers)/[A-Za-z0-9+/]{30,60}",
    r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"
    r"|discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,}",
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}|SK[0-9a-f]{32}|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"
    r"|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",
    # Mailgun, Mailchimp, Matrix
    r"(?:pub)?key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|syt_[A-Za-z0-9]{4,60}_[A-Za-z]{20}_[A-Za-z0-9]{6}",
    r"[a-z0-9]+\.webhook\.office\.com/webhookb2/[a-z0-9@-]{60,}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36}",
    # Meta, X
    r"EAA[MC][A-Za-z0-9]{20,}|EAA[A-Za-z0-9]{100,}|\d{15,16}\|[A-Za-z0-9_-]{27}"
    r"|A{20,24}[A-Za-z0-9%]{60,150}",
    # Payments and shops
    r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}"
    r"|pi_[A-Za-z0-9]{24}_secret_[A-Za-z0-9]{25}|[as]k_live_[A-Za-z0-9]{24,}",
    r"sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}|shp(?:at|ss|ca|pa"
    r"|ua)_[a-fA-F0-9]{32}|shippo_(?:live|test)_[a-fA-F0-9]{40}",
    r"EZ[AT]K[A-Za-z0-9]{54}|FLW(?:SEC|PUB)K?(?:_TEST)?-[A-Za-z0-9-]{12,}|duffel_(?:test"
    r"|live)_[A-Za-z0-9_=-]{43}|rzp_(?:live|test)_[A-Za-z0-9]{14}",
    # Plaid, Braintree
    rf"access-(?:sandbox|development|production)-{_UUID}|access_token\$(?:production"
    r"|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
    # Stytch, Adyen, Lob, GoCardless
    r"secret-(?:live|test)-[A-Za-z0-9_-]{36}=?|AQE[A-Za-z0-9+/]{100,}={0,2}|live_[a-f0-9]{35}"
    r"|live_[A-Za-z0-9_-]{40}",
    # Secrets and identity
    r"hv[sbr]\.[A-Za-z0-9_-]{24,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}|dp\.(?:pt|st|ct|sa"
    r"|scim|audit)\.[A-Za-z0-9._-]{30,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}|ops_eyJ[A-Za-z0-9+/=]{50,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}"
    r"|st\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}",
    r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\."
    r"[A-Za-z0-9+/_=-]{30,}|ory_(?:at|rt|st|pat)_[A-Za-z0-9_-]{30,}",
    # JWT, OpenShift, Rancher
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|sha256~[A-Za-z0-9_-]{43}"
    r"|token-[a-z0-9]{5}:[a-z0-9]{54}",
    r"tskey-[a-z]+-[A-Za-z0-9-]{20,}|dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}"
    r"|xprv[1-9A-HJ-NP-Za-km-z]{100,}",
    # Data and monitoring
    r"(?:dapi|dkea|dose)[a-f0-9]{32}(?:-\d)?|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"
    r"|4b1d[A-Za-z0-9]{38}|aivenv1[A-Za-z0-9+/]{40,}",
    r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}|napi_[a-z0-9]{60,}|npg_[A-Za-z0-9]{12}"
    r"|sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,}",
    r"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|glc_[A-Za-z0-9+/]{32,}|eyJrIjoi[A-Za-z0-9]{70,}"
    r"|sntry[su]_[A-Za-z0-9+/=_]{40,}|ph[xs]_[A-Za-z0-9]{40,}",
    # New Relic, Honeycomb, LaunchDarkly
    r"NR(?:AK|II|JS|RA)-[A-Za-z0-9_-]{19,42}|[a-f0-9]{32}FFFFNRAL|hca[il]k_[a-z0-9]{50,}|(?:sdk"
    rf"|api|mob)-{_UUID}",
    r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|[pst]k\.eyJ[A-Za-z0-9_-]{50,}\.[A-Za-z0-9_-]{20,}"
    r"|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",
    # Work
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}"
    rf"|fig[dou]_[A-Za-z0-9_-]{{40,}}|pat-(?:na|eu)\d-{_UUID}|CFPAT-[A-Za-z0-9_-]{{40,}}",
    r"ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}|rdme_[a-z0-9]{70}|apify_api_[A-Za-z0-9]{34,}"
    r"|fio-u-[A-Za-z0-9_=-]{64}|tfp_[A-Za-z0-9_.=-]{59}",
    r"p8e-[a-z0-9]{32}|sm_(?:aat|pat|sat)_[A-Za-z0-9]{16}|s-s4t2(?:ud|af)-[a-f0-9]{64}"
    r"|sl\.(?:u\.)?[A-Za-z0-9_-]{100,}|[12]/\d{10,20}(?:/\d{10,20})?:[a-f0-9]{32}",
)
"""Regular expressions that begin and end at a word boundary."""

SHORT_FORMATS: tuple[str, ...] = (
    r"fw_[A-Za-z0-9]{20,32}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}|re_[A-Za-z0-9]{32}",  # Fireworks, Resend
    r"pa-[A-Za-z0-9_-]{40,50}|rpa_[A-Z0-9]{40,}|sk_car_[A-Za-z0-9_-]{20,}|m0-[A-Za-z0-9]{40}"
    r"|nk-[A-Za-z0-9_-]{40,}|BSA[A-Za-z0-9_-]{27}",
    r"esecret_[A-Za-z0-9]{20,}|[a-f0-9]{32}\.[A-Za-z0-9]{16}|rnd_[A-Za-z0-9]{28,}",  # Anyscale, Zhipu, Render
    # Mollie, Hashnode, ngrok, Beamer
    r"live_[A-Za-z0-9]{30}|test_[A-Za-z0-9]{30}|hn_[A-Za-z0-9]{40}|ak_[A-Za-z0-9]{27}"
    r"|b_[A-Za-z0-9=_-]{44}",
    r"00[A-Za-z0-9_-]{40}",  # Okta
)
"""Formats that are short or ambiguous, so that the rest must also pass `is_random`."""

HASHES = (
    r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$(?:1|apr1)\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
    r"|\$[56y7]\$(?:rounds=\d+\$)?[./A-Za-z0-9$]{1,60}\$[./A-Za-z0-9]{43,86}|\$argon2(?:id|i"
    r"|d)\$[^\s\"']{20,}"
    r"|\$[PH]\$[./A-Za-z0-9]{31}|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{28,}|pbkdf2[_:-]sha\d+[$:][^\s\"']{30,}"
)
"""Formats of stored passwords: crypt(5), PHC strings, LDAP and others. Short passwords can be guessed."""

MAKERS = (
    "abstractapi|adafruit|adobe|airtable|algolia|alibaba|anthropic|assemblyai|amplitude|asana"
    "|atlassian|auth0|azure|beamer|bitbucket|bittrex"
    "|circleci|clickhouse|cloudflare|codecov|cohere|coinbase|confluent|contentful|databricks|datadog"
    "|deepgram|deepinfra|deepseek|digitalocean"
    "|discord|docusign|droneci|dropbox|dynatrace|easypost|elastic|elevenlabs|etherscan|etsy|facebook"
    "|fal|fastly|figma|finicity|finnhub|fireworks|flickr"
    "|flutterwave|freshbooks|github|gitlab|gitter|gocardless|grafana|groq|heroku|hubspot|infracost"
    "|intercom|intra42|jenkins|jfrog"
    "|infura|kraken|kucoin|launchdarkly|linear|linkedin|lob|looker|mailchimp|mailgun|mapbox|mattermost"
    "|meraki|messagebird"
    "|mistral|mixpanel|mongodb[_ -]?atlas|moonshot|netlify|newrelic|notion|nytimes|nvidia|okta|openai"
    "|openrouter|openweather(?:map)?|pagerduty|paypal|pinecone|plaid|postman|perplexity|pusher"
    "|replicate|rollbar|rapidapi|salesforce"
    "|segment|sendbird|sendgrid|sentry|shopify|slack|snowflake|snyk|spotify|sonar|sourcegraph|square"
    "|squarespace|stripe|sumologic"
    "|supabase|stability|tavily|telegram|together_ai|travis|trello|twilio|twitch|twitter|typeform"
    "|vault|vercel|wakatime|yandex|zendesk|zoom"
)
