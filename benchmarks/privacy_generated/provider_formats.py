"""The formats of keys as their providers publish them, in documentation and by what they issue.

A formula is literal text and {alphabet length}: see provider_keys.py. The last column says whether the value
tells whose it is; the others are known by what stands beside them.
"""

_PUBLISHED = """
AWS access key	AKIA{216}
AWS temporary key	ASIA{216}
Google Cloud	AIzaSy{u33}
Google OAuth client secret	GOCSPX-{u28}
Google OAuth token	ya29.{u120}
Google refresh token	1//0{u60}
GitHub personal token	ghp_{a36}
GitHub OAuth token	gho_{a36}
GitHub app token	ghs_{a36}
GitHub refresh token	ghr_{a76}
GitHub user token	ghu_{a36}
GitHub fine-grained token	github_pat_{a22}_{a59}
GitLab personal token	glpat-{u20}
GitLab runner token	glrt-{u20}
GitLab deploy token	gldt-{u20}
GitLab trigger token	glptt-{h40}
GitLab feed token	glft-{u20}
Slack bot token	xoxb-{n12}-{n12}-{a24}
Slack user token	xoxp-{n12}-{n12}-{n12}-{h32}
Slack app token	xapp-1-A{U10}-{n13}-{h64}
Slack webhook	https://hooks.slack.com/services/T{U10}/B{U10}/{a24}
Discord webhook	https://discord.com/api/webhooks/{n18}/{u68}
Stripe live key	sk_live_{a24}
Stripe test key	sk_test_{a24}
Stripe restricted key	rk_live_{a24}
Stripe webhook secret	whsec_{a32}
OpenAI project key	sk-proj-{u58}T3BlbkFJ{u58}
OpenAI legacy key	sk-{a20}T3BlbkFJ{a20}
OpenAI admin key	sk-admin-{u58}T3BlbkFJ{u58}
Anthropic	sk-ant-api03-{u93}AA
Anthropic admin	sk-ant-admin01-{u93}AA
Hugging Face	hf_{C34}
Replicate	r8_{a37}
Groq	gsk_{a52}
Perplexity	pplx-{a48}
xAI	xai-{a80}
OpenRouter	sk-or-v1-{h64}
Fireworks	fw_{a22}
LangSmith	lsv2_pt_{h32}_{h10}
LangSmith service	lsv2_sk_{h32}_{h10}
Langfuse	sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}
Cerebras	csk-{l48}
NVIDIA	nvapi-{u64}
Tavily	tvly-{a32}
Pinecone	pcsk_{a6}_{a63}
Databricks	dapi{h32}
Voyage	pa-{u43}
Jina	jina_{a32}{u28}
Together	tgp_v1_{u43}
ElevenLabs	sk_{h48}
E2B	e2b_{h40}
Firecrawl	fc-{h32}
SendGrid	SG.{u22}.{u43}
Mailgun	key-{h32}
Mailchimp	{h32}-us1{n1}
Brevo	xkeysib-{h64}-{a16}
Resend	re_{a8}_{a24}
Postman	PMAK-{h24}-{h34}
Twilio account	SK{h32}
npm	npm_{a36}
PyPI	pypi-AgEIcHlwaS5vcmc{u120}
RubyGems	rubygems_{h48}
crates.io	cio{a32}
NuGet	oy2{l43}
Docker Hub	dckr_pat_{u27}
Docker organisation	dckr_oat_{u32}
DigitalOcean personal	dop_v1_{h64}
DigitalOcean OAuth	doo_v1_{h64}
DigitalOcean refresh	dor_v1_{h64}
Fly.io	FlyV1 fm2_lJPE{b140}
Heroku	HRKU-AA{u58}
Vercel blob	vercel_blob_rw_{a16}_{a30}
Netlify	nfp_{a36}
Cloudflare origin	v1.0-{h24}-{h146}
Supabase personal	sbp_{h40}
Supabase secret	sb_secret_{u22}_{u8}
PlanetScale token	pscale_tkn_{u43}
PlanetScale password	pscale_pw_{u43}
PlanetScale OAuth	pscale_oauth_{u43}
Neon	napi_{l64}
Aiven	aivenv1{b44}
Prefect	pnu_{l36}
HashiCorp Vault service	hvs.{u92}
HashiCorp Vault batch	hvb.{u140}
Terraform Cloud	{a14}.atlasv1.{u64}
Pulumi	pul-{h40}
Doppler personal	dp.pt.{a43}
Doppler service	dp.st.prd.{a43}
1Password service	ops_eyJ{b250}
Infisical	st.{h24}.{h32}.{h32}
Age	AGE-SECRET-KEY-1{B58}
Grafana service	glsa_{a32}_{h8}
Grafana cloud	glc_eyJ{b80}
New Relic user	NRAK-{U27}
New Relic ingest	{h32}FFFFNRAL
New Relic browser	NRJS-{h19}
New Relic insights	NRII-{u32}
Dynatrace	dt0c01.{224}.{264}
Sentry user	sntryu_{h64}
Sentry organisation	sntrys_eyJ{b80}_{b43}
PostHog personal	phx_{a43}
Honeycomb	hcaik_01{l56}
LaunchDarkly SDK	sdk-{h8}-{h4}-{h4}-{h4}-{h12}
LaunchDarkly API	api-{h8}-{h4}-{h4}-{h4}-{h12}
Sourcegraph	sgp_{h16}_{h40}
Linear	lin_api_{a40}
Linear OAuth	lin_oauth_{h64}
Notion	ntn_{n11}{a35}
Notion legacy	secret_{a43}
Airtable	pat{a14}.{h64}
Figma	figd_{u40}
Asana	1/{n16}:{h32}
Atlassian	ATATT3xFfGF0{u180}
Bitbucket	ATBB{a32}
Shopify access token	shpat_{h32}
Shopify shared secret	shpss_{h32}
Shopify custom app	shpca_{h32}
Shopify private app	shppa_{h32}
Square access token	EAAA{u60}
Square secret	sq0csp-{u43}
Square legacy token	sq0atp-{u22}
Braintree	access_token$production${l16}${h32}
Plaid	access-production-{h8}-{h4}-{h4}-{h4}-{h12}
Flutterwave	FLWSECK-{h32}-X
Paystack	sk_live_{h40}
Mollie	live_{a30}
GoCardless	live_{u40}
Adyen	AQE{b124}
Lob	live_{h35}
EasyPost	EZAK{a54}
Shippo	shippo_live_{h40}
Duffel	duffel_live_{u43}
Mapbox secret	sk.eyJ1Ijoi{a80}.{u22}
Facebook	EAA{a180}
Telegram bot	{n10}:AA{u33}
Contentful	CFPAT-{u43}
Typeform	tfp_{u59}
HubSpot	pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}
Intra42	s-s4t2ud-{h64}
ReadMe	rdme_{l70}
Frame.io	fio-u-{u64}
Dropbox short	sl.{u136}
Clojars	CLOJARS_{l60}
Artifactory	AKCp{a69}
JFrog reference	cmVmdGtu{a56}
SonarQube	squ_{h40}
SonarQube project	sqp_{h40}
Snyk	snyk_uat.{h8}.{u86}
Buildkite	bkua_{h40}
CircleCI	CCIPAT_{a22}_{h40}
Azure DevOps	{a52}JQQJ99{a18}AAAAASAZDO{a4}
Azure Entra secret	{a3}8Q~{u34}
Azure storage	DefaultEndpointsProtocol=https;AccountName=store;AccountKey={b86}==;EndpointSuffix=core.windows.net
Alibaba Cloud	LTAI{a20}
Tencent Cloud	AKID{a32}
Yandex Cloud	AQVN{u36}
Yandex OAuth	y0_{u55}
OpenShift	sha256~{u43}
Rancher	token-{L5}:{l54}
Settlemint	sm_aat_{a16}
Tailscale	tskey-auth-{a16}-{a32}
ngrok	ak_{a27}
WakaTime	waka_{h8}-{h4}-{h4}-{h4}-{h12}
Ory	ory_at_{u43}
Clerk	sk_live_{a40}
Stytch	secret-live-{u36}
WorkOS	sk_live_{b60}
Beamer	b_{b44}
"""
_BARE = """
AWS secret key	{b40}
Deepgram	{h40}
Weights and Biases	{h40}
Kubernetes bootstrap	{l6}.{l16}
Okta	00{u40}
Datadog	{h32}
Cloudflare	{u40}
Algolia	{h32}
Mistral	{a32}
Cohere	{a40}
Twilio	{h32}
PagerDuty	u+{u18}
Trello	{h32}
Zendesk	{a40}
Freshdesk	{a20}
Fastly	{u32}
Vercel	{a24}
Rollbar	{h32}
Amplitude	{h32}
Segment	{a32}
Snowflake	{u36}
MongoDB Atlas	{h8}-{h4}-{h4}-{h4}-{h12}
Cloudinary	{u27}
Pusher	{h20}
OpenWeather	{h32}
Etherscan	{U34}
Alchemy	{u32}
Infura	{h32}
Spotify	{h32}
"""


def _rows(table: str) -> list[tuple[str, str]]:
    return [
        (name, formula) for name, _, formula in (line.partition("\t") for line in table.strip().splitlines())
    ]


FORMATS: tuple[tuple[str, str, bool], ...] = (
    *((name, formula, True) for name, formula in _rows(_PUBLISHED)),
    *((name, formula, False) for name, formula in _rows(_BARE)),
)
"""Name, formula, and whether the value is known by itself."""
