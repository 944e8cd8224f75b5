"""What the head of a column or the name of a field says about its values, in some twenty languages.

Names of other scripts are translated before (`other_scripts`), those of passwords are marked (`marked`).
"""

from functools import lru_cache

from gateway.domain.text.pattern import Pattern, PatternSet
from gateway.privacy.detectors.birth import BIRTH_NAMES
from gateway.privacy.detectors.login_words import LOGIN_WORDS
from gateway.privacy.detectors.phone_words import NOUNS
from gateway.privacy.split_words import split_words

# Of each kind: the words that detectors know, and the words that people write.
_KINDS: tuple[tuple[str, str], ...] = (
    ("phone", rf"(?:{NOUNS}|portable|cep)"),
    (
        "date of birth",
        rf"(?:{BIRTH_NAMES}|birth|born|n[\xe9?]e?(?: le)?|geb(?:oren)?|naissance|nac(?:imiento)?|nascita"
        r"|nascimento|urodz\w*|f\xf6dd|f[o\xf8]dt|syntynyt|narozen\w*)",
    ),
    (
        "card number",
        r"(?:credit|debit|bank|payment)? ?card(?: ?(?:no|nr|num|number))?|cc ?(?:no|nr|num|number)?|pan"
        r"|kreditkarten?\w*|kartennummer|(?:num[e\xe9]ro de )?carte(?: (?:bancaire|bleue|de cr[e\xe9]dit))?"
        r"|(?:n[u\xfa]mero (?:de |da )?)?(?:tarjeta|cart[a\xe3]o)(?: de cr[e\xe9]dito)?|(?:numero )?carta"
        r"|(?:numer |nr )?karty|kaartnummer|kortnummer|korttinumero",
    ),
    ("ssn", r"ssn|soc sec|socials?(?: security(?: (?:no|nr|num|number))?)?"),
    ("iban", r"iban(?: ?(?:no|nr|number))?"),
    (
        "bank account number",
        r"(?:bank )?(?:account|acct)(?: (?:no|nr|num|number))|kontonummer|konto ?nr|numer (?:konta|rachunku)"
        r"|(?:n[u\xfa]mero de )?(?:cuenta|conta)|rekeningnummer|num[e\xe9]ro de compte|numero di conto",
    ),
    (
        "passport number",
        r"passports?(?: ?(?:no|nr|num|number))?|reisepass(?:nummer)?|passeport|pasaporte|passaporto"
        r"|paszport\w*|paspoort(?:nummer)?|passnummer|passaporte",
    ),
    ("password", rf"(?:{LOGIN_WORDS})|wachtwoord|parol[ae]?|clave|passwd"),
    ("api_key", r"api ?key|(?:access|auth|secret) ?(?:key|token)|token|secret|\x1c+"),
)
_AROUND = r"(?:[a-z]+ )?(?:no\.? |nr\.? |num\.? |number of )?"
_BEHIND = r"(?: (?:no|nr|num|number|nummer|numer|[0-9]{1,2}|home|work|main|private|mobile|str))?"
_NAMES = PatternSet([rf"^ ?{_AROUND}(?:{words}){_BEHIND} ?$" for _, words in _KINDS], ignore_case=True)
_NOT_A_VALUE = Pattern(
    r"\b(?:hash|salt|expir\w*|expires|valid|type|policy|reset|changed|length|status|country|verified|count"
    r"|updated|created|last|min|max|hint|brand|holder|model|price|cost|city|place|ort|lieu|luogo|lugar)\b",
    ignore_case=True,
)
_MARKS = str.maketrans("-/#()[]*:\"'`", " " * 12)


@lru_cache(maxsize=1024)
def labels_of(name: str) -> tuple[str, ...]:
    """Return the labels by which detectors know a value: its name, the name's words, and its kind."""
    words = split_words(name)
    # A question mark stands for a letter that patterns cannot see.
    plain = " ".join(words.translate(_MARKS).lower().split())
    labels = [name, words]
    if not _NOT_A_VALUE.is_in(plain):
        labels += [_KINDS[at][0] for at in _NAMES.matching(plain)[:1]]
    return tuple(dict.fromkeys(labels))
