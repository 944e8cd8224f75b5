"""Credentials: keys of known form, private keys, logins in URLs and headers, and what a name assigns."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

from gateway.scoring.pattern import Pattern, PatternSet
from gateway.scoring.privacy.detector import CERTAIN, CHECKED, LIKELY, PROBABLE, Match, end_of_paragraph
from gateway.scoring.privacy.secret_formats import FORMATS, HASHES

_KNOWN = Pattern(r"\b(?:" + "|".join(FORMATS) + ")")
_HASH = Pattern(HASHES)
_PRIVATE_KEY = Pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LOGIN_URL = Pattern(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/\"'<>]{0,64}:([^\s/\"'<>]{1,128})@[A-Za-z0-9\[$]"
)
# The configuration files of PostgreSQL (.pgpass), Bundler and netrc.
_LOGIN_LINE = Pattern(
    r"(?m)^[^\s:#]{1,64}:(?:\d{1,5}|\*):[^\s:]{1,64}:[^\s:]{1,64}:(\S{4,64})$"
    r"|\bBUNDLE_[A-Z0-9_]+__[A-Z]+[\"']?[ \t]*[:=][ \t]*[\"']?([^\s:\"'$]{4,64}:[^\s\"';$]{4,64})"
    r"|\bmachine[ \t\n]+\S+[ \t\n]+login[ \t\n]+\S+[ \t\n]+password[ \t\n]+(\S{4,64})"
)
_LOGIN_WORDS = r"pass(?:word|wd|phrase|code|\b)|pwd|passwort|contrase[n\xf1]a|mot de passe|has[l?]o"
_NAME = (
    rf"(?:{_LOGIN_WORDS}|secret|token|credentials?|bearer|api[ _-]?key|app[ _-]?key|access[ _-]?key"
    r"|auth(?:entication)?[ _-]?key|private[ _-]?key|secret[ _-]?key|account[ _-]?key|encryption[ _-]?key"
    r"|signing[ _-]?key|shared[ _-]?key|master[ _-]?key|license[ _-]?key|[_-](?:key|salt)|_auth)"
)
_OPERATOR = (
    r"(?: [a-z]{3,12})?[ \t]{0,8}"
    r"(?:[?.:|+~]{0,3}=>?|={2,3}|: ?&?(?:'static )?[a-z]{3,12}[ \t]{0,8}=|:|<=|\bis\b)[ \t]{0,8}"
)
_ASSIGNED = Pattern(
    rf"((?:[a-z0-9]+[._-]){{0,6}}[a-z0-9]*{_NAME}(?:[._-]?[a-z0-9_.-]{{0,30}})?)"
    rf"(?:(?:\\?[\"'\]]){{0,2}}{_OPERATOR}(?:[\"'`]|\\\")?|[\"'],[ \t]{{0,20}}[\"'])"
    r"([^\s\"'`\\,;<>(){}]{5,200})",
    ignore_case=True,
)
_QUOTED = Pattern(
    rf"([a-z0-9_.-]{{0,30}}(?:{_LOGIN_WORDS}|_key|_salt|secret)[a-z0-9_.-]{{0,30}})[\"']?"
    r"(?:[ \t]{0,8}(?:=>?|:)|,)[ \t]{0,20}(?:\"([^\"\n\\]{5,128})\"|'([^'\n\\]{5,128})')",
    ignore_case=True,
)
_LINE = Pattern(
    rf"(?m)^[ \t]*(?:export )?([a-z0-9_.-]{{0,40}}(?:{_LOGIN_WORDS}))[ \t]*[:=][ \t]*"
    r"([^\s\"'<>(){}\[\]$%]{5,64})$",
    ignore_case=True,
)
_ELEMENT = Pattern(
    rf"<([a-z0-9._-]*{_NAME}[a-z0-9._-]*)(?: [^<>\n]{{0,60}})?>[ \t]*\n?[ \t]*"
    r"([^\s<>]{5,200})[ \t]*\n?[ \t]*</",
    ignore_case=True,
)
_MAKERS = (
    "adafruit|adobe|airtable|algolia|alibaba|amplitude|asana|atlassian|auth0|azure|beamer|bitbucket|bittrex"
    "|circleci|clickhouse|cloudflare|codecov|cohere|coinbase|confluent|contentful|databricks|datadog|digitalocean"
    "|discord|docusign|droneci|dropbox|dynatrace|easypost|elastic|etsy|facebook|fastly|figma|finicity|finnhub|flickr"
    "|flutterwave|freshbooks|github|gitlab|gitter|gocardless|grafana|heroku|hubspot|infracost|intercom|jenkins|jfrog"
    "|kraken|kucoin|launchdarkly|linear|linkedin|lob|looker|mailchimp|mailgun|mapbox|mattermost|meraki|messagebird"
    "|mixpanel|netlify|newrelic|notion|nytimes|okta|openai|pagerduty|paypal|pinecone|plaid|postman|rapidapi|salesforce"
    "|segment|sendbird|sendgrid|sentry|shopify|slack|snyk|sonar|sourcegraph|square|squarespace|stripe|sumologic"
    "|supabase|telegram|travis|trello|twilio|twitch|twitter|typeform|vault|vercel|wakatime|yandex|zendesk|zoom"
)
_MAKER = Pattern(
    rf"\b(?:{_MAKERS})[ \t\"']*[:=]=?[ \t\"'`]*([A-Za-z0-9_-]{{24,128}}={{0,2}})(?:[\"'`;,\s]|$)",
    ignore_case=True,
)
_MADE = Pattern(rf"(?:{_MAKERS})", ignore_case=True)
_HEADER = Pattern(
    r"\b(?:authorization|x-api-key|x-auth-token)[\"']?[ \t]*[:=][ \t]*[\"']?"
    r"(?:(?:bearer|basic|token|apikey)[ \t]+)?([A-Za-z0-9._~+/=-]{12,})"
    r"|\bbearer[ \t]+([A-Za-z0-9._~+/=-]{20,})",
    ignore_case=True,
)
_COMMAND = Pattern(
    r"\bcurl\b[^\n]{0,400}?[ \t](?:-u|--user)[ =]?[ \t]*[\"']?[^\s:\"']{1,64}:([^\s\"'@]{4,128})"
)
_PLACEHOLDER = Pattern(
    r"^(?:<.*>|[\[$%{#@&].*|\\.*|your.*|my[-_ ].*|(?:example|sample|dummy|fake|mock|test)(?:[^a-z].*)?"
    r"|change[-_]?(?:me|it|this).*|placeholder.*|to[-_]?do|none|null|nil|undefined|true|false|string|number"
    r"|integer|boolean|text|varchar|required|optional|secret|passw(?:or)?d|pwd|token|testing?|redacted|hidden"
    r"|masked|foo(?:bar)?|bar|baz|insert.*|enter.*|input|value|default|bearer|basic|unset|empty|unknown|n/a"
    r"|(?:os|process|env|environ|config|conf|settings|self|this|args|request|req|params|options|opts|user|var"
    r"|data|local|secrets|vault|module|resource|ctx|context)[.\[].*)$"
    r"|x{6}|\*{3}|\.{3}|(?:put|insert|enter|add)_?your|your[-_](?:\w{2,12}[-_])?(?:key|token|secret|password)|_here\b"
    r"|(?-i:EXAMPLE)|\$\{|\{\{|%\(|<%",
    ignore_case=True,
)
_TEST_KEY = Pattern(
    r"^(?:test|mock|sample)[_-][A-Za-z0-9_-]*[0-9][A-Za-z][A-Za-z0-9_-]{20,}$", ignore_case=True
)
"""A key that its maker gave out for tests; it lets in, too."""
_MOST_SIGNS_AROUND_A_RUN = 20
"""Different characters of a value that is a run of one and a name; real keys may have such a run in them."""
_ABOUT = Pattern(
    r"(?:[_.-]?(?:id|ids|name|names|path|file|filename|dir|url|uri|type|hash|hint|count|counts|length|len|size|field"
    r"|prefix|suffix|header|policy|expiry|expires|expiration|ttl|version|label|format|class|method|endpoint|ref"
    r"|index|usage|limit|budget|status|state|error|algorithm|encoding|column|table|arn|fingerprint|checksum)"
    r"|reisepass|public[_-]?key(?:[_-]?token)?|tokeniz\w*)$",
    ignore_case=True,
)
"""How names end that speak about a credential and do not hold one."""
_NO_KEY = Pattern(
    r"^(?:https?://|s3://|file:|/|\./|\.\./|[A-Za-z]:\\)|^v?\d+(?:\.\d+){1,3}$|^\d{4}-\d\d-\d\d|\.(?:json|ya?ml|pem|crt"
    r"|key|txt|py|js|ts|go|java|rb|php|md|html|png|jpg|svg|gif|css|exe|dll|so|zip|tar|gz)$|^[a-z0-9]+(?:-[a-z]+)+$"
    r"|^[A-Za-z]+(?:[._/:-][A-Za-z]+)*\d{0,2}$|::|->"
    # Words and numbers that are joined, as in names of tables and rows; words in capitals and small letters.
    r"|^(?:[a-z]+|\d{1,8})(?:[_:#./-](?:[a-z]+|\d{1,8}|[a-z]\d{1,3}|[a-z]{3,}\d|\d{1,2}T\d{2}))+Z?$"
    r"|^(?:[a-z]+\d{0,2})?(?:[A-Z][a-z]+\d{0,2})+$",
)
"""Addresses, paths, versions, dates and names of things."""
_KEY_BITS = 2.8
"""Bits a character (Shannon) that a random key has and a word, a path or a counter has not."""
_PASSWORD_BITS = 2.2
_LEAST_KEY = 18
"""Shorter than what most makers give out; as long as names, numbers of orders and builds are."""
_LEAST_MIXED = 14
_CHANGES = Pattern(r"^(?:[a-zA-Z]+[0-9]+){2,}[a-zA-Z]*$|^(?:[0-9]+[a-zA-Z]+){2,}[0-9]*$|^\d{15,24}$")
"""Letters and digits that change places too often for a name with a number in it, or a long number."""
_COMPOUND = Pattern(r"^[A-Za-z]+(?:[._-][A-Za-z]+)+$")
_LONG_KEY = 30
_LONG_KEY_BITS = 2.5
_LONG_LITERAL = 32
_LITERAL_BITS = 4.5
_PROSE = Pattern(r"[A-Za-z]{3,} [A-Za-z]{2,} [A-Za-z]{2,}")
_LEAST_BODY = 20
_LONGEST_BODY = 8192


class SecretDetector:
    """Finds credentials: what would let somebody in."""

    types = ("SECRET",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the credentials, without the names and quotes around them."""
        for index in _SIGNS.matching(text):
            yield from _KINDS[index][1](text)


def _known(text: str) -> Iterator[Match]:
    for span in _KNOWN.find(text):
        written, follows = text[span.start : span.end], text[span.end : span.end + 1]
        if is_placeholder(written) or (follows.isalnum() and follows.isascii()):
            continue
        if text[span.start - 1 : span.start] == "." and text[span.start - 2 : span.start - 1].isalnum():
            continue  # The ending of a file's name, in which a hash follows.
        if any(map(str.isdigit, written)) or not written.startswith("sk-"):
            yield _match(span.start, span.end, CERTAIN)


def _hashes(text: str) -> Iterator[Match]:
    for span in _HASH.find(text):
        yield _match(span.start, span.end, LIKELY)


def _private_keys(text: str) -> Iterator[Match]:
    found_to = 0
    for span in _PRIVATE_KEY.find(text):
        if span.start < found_to:
            continue
        limit = end_of_paragraph(text, span.end, span.end + _LONGEST_BODY)
        armour = text.find("-----END", span.end, limit)
        if 0 <= armour < span.end + _LEAST_BODY:
            continue
        dashes = text.find("-----", armour + 8, limit) if armour >= 0 else -1
        found_to = dashes + 5 if dashes >= 0 else limit
        yield _match(span.start, found_to, CERTAIN)


def _logins(text: str) -> Iterator[Match]:
    for span in _LOGIN_URL.find(text):
        start, end = span.groups[0]
        if not is_placeholder(text[start:end]):
            yield _match(start, end, CHECKED)


def _login_lines(text: str) -> Iterator[Match]:
    for span in _LOGIN_LINE.find(text):
        start, end = max(span.groups)
        if len(set(text[start:end])) > 3:
            yield _match(start, end, LIKELY)


def _assigned(text: str) -> Iterator[Match]:
    for pattern in (_ASSIGNED, _ELEMENT):
        for span in pattern.find(text):
            (name_start, name_end), (start, end) = span.groups
            value = text[start:end].rstrip(".:!?")
            is_expression = text[end : end + 1] == "(" or value.endswith("[")
            if not is_expression and is_secret(text[name_start:name_end], value):
                yield _match(start, start + len(value), PROBABLE if len(value) < 16 else LIKELY)
    for span in _QUOTED.find(text):
        start, end = max(span.groups[1:])
        if is_secret_literal(text[slice(*span.groups[0])], text[start:end]):
            yield _match(start, end, PROBABLE)
    for span in _LINE.find(text):
        start, end = span.groups[1]
        value = text[start:end]
        is_word = _COMPOUND.is_in(value) or value.endswith((",", ";", ".", ":"))
        if not (is_word or is_placeholder(value) or _ABOUT.is_in(text[slice(*span.groups[0])])):
            yield _match(start, end, PROBABLE)


def _made(text: str) -> Iterator[Match]:
    for span in _MAKER.find(text):
        start, end = span.groups[0]
        if is_secret("api_key", text[start:end]):
            yield _match(start, end, PROBABLE)


def _sent(text: str) -> Iterator[Match]:
    for pattern in (_HEADER, _COMMAND):
        for span in pattern.find(text):
            start, end = max(span.groups)
            if not is_placeholder(text[start:end]) and entropy_bits(text[start:end]) >= _PASSWORD_BITS:
                yield _match(start, end, LIKELY)


# What a text must contain for a kind to be looked for, and how that is done: one pass decides for all.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[Match]]], ...] = (
    (r"(?-i:\b(?:" + "|".join(FORMATS) + "))", _known),
    (r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", _private_keys),
    (r"\$(?:2[abxy]?|1|apr1|[567y]|argon2[id]{1,2}|[ph])\$|\{s?sha|pbkdf2", _hashes),
    (r"://[^\s/:]*:[^\s/]+@", _logins),
    (r":(?:\d{1,5}|\*):\S+:\S+:\S|bundle_|\bmachine\s", _login_lines),
    (_NAME, _assigned),
    (r"authorization|x-api-key|x-auth-token|bearer|curl", _sent),
    (rf"\b(?:{_MAKERS})[ \t\"']*[:=]", _made),
)
_SIGNS = PatternSet([sign for sign, _ in _KINDS], ignore_case=True)
_LOGIN_NAME = Pattern(_LOGIN_WORDS, ignore_case=True)


def is_secret(name: str, value: str) -> bool:
    """Whether what `name` assigns looks chosen or drawn at random, rather than like a word or a variable."""
    if len(value) < 6 or is_placeholder(value) or _ABOUT.is_in(name):
        return False
    has_digit = any(map(str.isdigit, value))
    if _LOGIN_NAME.is_in(name):
        has_mark = any(not char.isalnum() and char not in "._/-" for char in value)
        return (has_digit or has_mark) and entropy_bits(value) >= _PASSWORD_BITS
    is_mixed = len(value) >= _LEAST_MIXED and _CHANGES.is_in(value) and _MADE.is_in(name)
    if not (len(value) >= _LEAST_KEY or is_mixed) or not has_digit or _NO_KEY.is_in(value):
        return False
    return entropy_bits(value) >= (_KEY_BITS if len(value) < _LONG_KEY else _LONG_KEY_BITS)


def is_secret_literal(name: str, value: str) -> bool:
    """Whether a quoted text is a password, though it may be a word, or a random key with spaces and marks."""
    if is_placeholder(value) or _ABOUT.is_in(name):
        return False
    if " " in value or "\t" in value or not _LOGIN_NAME.is_in(name):
        return (
            len(value) >= _LONG_LITERAL and entropy_bits(value) >= _LITERAL_BITS and not _PROSE.is_in(value)
        )
    return value.lower() not in name.lower() and "." not in value.strip(".") and ":" not in value


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret, as in documentation, rather than being one."""
    signs = set(value)
    if len(signs) < 4 or (len(signs) < _MOST_SIGNS_AROUND_A_RUN and any(char * 8 in value for char in signs)):
        return True
    return _PLACEHOLDER.is_in(value) and not _TEST_KEY.is_in(value)


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters of `text`, in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def _match(start: int, end: int, confidence: float) -> Match:
    return Match(type="SECRET", start=start, end=end, confidence=confidence)
