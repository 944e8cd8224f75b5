"""Credentials: keys that their makers gave a prefix, private keys, logins in URLs, and passwords that are assigned."""

import math
from collections import Counter
from collections.abc import Iterator

from gateway.scoring.pattern import Pattern
from gateway.scoring.privacy.detector import CHECKED, LIKELY, PROBABLE, Match

# The formats that the makers document, one a line.
_KNOWN = Pattern(
    r"\b(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}"  # Amazon Web Services
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"  # GitHub
    r"|gl(?:pat|dt|ft|soat|ptt|rt|agent|imt|cbt|oas)-[A-Za-z0-9_=-]{20,}"  # GitLab
    r"|sk-(?:proj|svcacct|admin|ant|or|lf)?-?[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"  # Google
    r"|(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}"  # Stripe
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # JSON Web Token
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}|rubygems_[a-f0-9]{48}"  # package registries
    r"|do[opr]_v1_[a-f0-9]{64}"  # DigitalOcean
    r"|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"  # Shopify
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"  # SendGrid, Brevo
    r"|key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}"  # Mailgun, Mailchimp
    r"|hf_[A-Za-z]{34}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|xai-[A-Za-z0-9]{70,}"  # models
    r"|hv[sb]\.[A-Za-z0-9_-]{24,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"  # HashiCorp
    r"|dckr_pat_[A-Za-z0-9_-]{20,}|dop_[A-Za-z0-9_]{40,}|dapi[a-f0-9]{32}|dp\.(?:pt|st|ct)\.[A-Za-z0-9.]{30,}"
    r"|lin_(?:api|oauth)_[A-Za-z0-9]{32,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pul-[a-f0-9]{40}|sbp_[a-f0-9]{40}"
    r"|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|glc_[A-Za-z0-9+/]{32,}|NRAK-[A-Z0-9]{27}|NRJS-[a-f0-9]{19}"
    r"|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}|sntry[su]_[A-Za-z0-9+/=_]{40,}|tskey-[a-z]+-[A-Za-z0-9-]{20,}"
    r"|sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}|ATATT3[A-Za-z0-9_=-]{180,}|fig[dou]_[A-Za-z0-9_-]{40,}"
    r"|fo1_[A-Za-z0-9_-]{43}|shippo_(?:live|test)_[a-f0-9]{40}|EZ[AT]K[A-Za-z0-9]{54}|FLW(?:SEC|PUB)K?_TEST-[A-Za-z0-9-]{12,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{58}|\d{8,10}:AA[A-Za-z0-9_-]{33}|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"
    r"|SK[0-9a-f]{32}|ops_eyJ[A-Za-z0-9+/=]{50,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}|ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}"
    r")"
)
_PRIVATE_KEY = Pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LOGIN = Pattern(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/\"'<>]{0,64}:([^\s@/\"'<>]{1,128})@[A-Za-z0-9\[]")
_NAMES = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|passwort|contrase[nñ]a|mot de passe|has[l?]o|secret|token|credentials?"
    r"|api[ _-]?key|app[ _-]?key|access[ _-]?key(?:[ _-]?id)?|auth(?:entication)?[ _-]?key|private[ _-]?key|client[ _-]?secret"
    r"|secret[ _-]?key|account[ _-]?key|encryption[ _-]?key|signing[ _-]?key|shared[ _-]?key|master[ _-]?key|bearer|apikey)"
)
_ASSIGNED = Pattern(
    r"(?:^|[^A-Za-z0-9])((?:[A-Za-z0-9]+[._-]){0,6}[A-Za-z0-9]*" + _NAMES + r"(?:[._-][A-Za-z0-9_.-]{0,30})?)"
    r"[\"'\]]{0,2}[ \t]{0,8}(?::=|=>|\|\|:|<=|={1,3}|:|,|\bis\b)[ \t]{0,8}(?:[\"'`]|\\\")?"
    r"([^\s\"'`\\,;<>(){}]{6,200})([(\[.]?)",
    ignore_case=True,
)
_HEADER = Pattern(
    r"\b(?:authorization|x-api-key|x-auth-token)[\"']?[ \t]*[:=][ \t]*[\"']?(?:(?:bearer|basic|token|apikey)[ \t]+)?"
    r"([A-Za-z0-9._~+/=-]{12,})|\bbearer[ \t]+([A-Za-z0-9._~+/=-]{20,})",
    ignore_case=True,
)
_COMMAND = Pattern(
    r"\bcurl\b[^\n]{0,400}?[ \t](?:-u|--user)[ =]?[ \t]*[\"']?[^\s:\"']{1,64}:([^\s\"'@]{4,128})"
)
_PLACEHOLDER = Pattern(
    r"^(?:x{3,}|\*{3,}|\.{3,}|-{3,}|<.*>|\$.*|%.*%|\{.*|#\{.*|your.*|my[-_ ]?.*|example.*|changeme|change[-_]me.*|placeholder.*"
    r"|todo|none|null|nil|undefined|true|false|string|required|optional|secret|password|passwd|token|test(?:ing)?"
    r"|redacted|hidden|foo|bar|dummy.*|sample.*|os\.|process\.|env\.|config\.|settings\.|self\.|this\.|args\.|request\..*)$",
    ignore_case=True,
)
_WORDLIKE = Pattern(r"^[A-Za-z]+(?:[._/-][A-Za-z]+)*$")
_TOKEN_BITS = 3.0
"""Shannon entropy, in bits a character, under which a long value is a word or a path rather than a key."""
_PASSWORD_BITS = 2.2


class SecretDetector:
    """Finds credentials."""

    types = ("SECRET",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield what would let somebody in; a private key spans as far as its paragraph shows."""
        for span in _KNOWN.find(text):
            yield _match(span.start, span.end, CHECKED)
        if "PRIVATE KEY" in text:
            for span in _PRIVATE_KEY.find(text):
                yield _match(span.start, _end_of_key(text, span.end), CHECKED)
        if "://" in text:
            for span in _LOGIN.find(text):
                start, end = span.groups[0]
                if not is_placeholder(text[start:end]):
                    yield _match(start, end, CHECKED)
        yield from _assigned(text)
        for pattern in (_HEADER, _COMMAND):
            for span in pattern.find(text):
                start, end = max(span.groups)
                if not is_placeholder(text[start:end]) and entropy_bits(text[start:end]) >= _PASSWORD_BITS:
                    yield _match(start, end, LIKELY)


def _assigned(text: str) -> Iterator[Match]:
    for span in _ASSIGNED.find(text):
        (name_start, name_end), (start, end), (after, _) = span.groups
        value = text[start:end].rstrip(".:!?")
        if not is_placeholder(value) and _is_secret(
            text[name_start:name_end].lower(), value, text[after : after + 1]
        ):
            yield _match(start, start + len(value), PROBABLE if len(value) < 16 else LIKELY)


def _is_secret(name: str, value: str, follows: str) -> bool:
    if follows == "(" or len(value) < 6:
        return False
    has_digit = any(char.isdigit() for char in value)
    if "pass" in name or "pwd" in name:
        has_mark = any(not char.isalnum() and char not in "._/" for char in value)
        return (has_digit or has_mark) and entropy_bits(value) >= _PASSWORD_BITS
    return (
        len(value) >= 10 and has_digit and not _WORDLIKE.is_in(value) and entropy_bits(value) >= _TOKEN_BITS
    )


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret, as in documentation, rather than being one."""
    return len(set(value)) < 4 or _PLACEHOLDER.is_in(value)


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters of `text`, in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def _end_of_key(text: str, body: int) -> int:
    """Return where the armour of a private key ends, or its paragraph."""
    blank = text.find("\n\n", body)
    limit = len(text) if blank < 0 else blank
    armour = text.find("-----END", body, limit)
    if armour < 0:
        return limit
    end = text.find("-----", armour + 8, limit)
    return limit if end < 0 else end + 5


def _match(start: int, end: int, confidence: float) -> Match:
    return Match(type="SECRET", start=start, end=end, confidence=confidence)
