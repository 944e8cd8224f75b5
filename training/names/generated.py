"""Draws labelled texts: templates filled with values of one locale."""

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from training.names.rows import Labelled, Span
from training.names.values import Pool, address, city, listed, org, person

TEMPLATES = [
    line.replace("\\n", "\n").replace("\\t", "\t")
    for line in Path(__file__).with_name("templates.txt").read_text(encoding="utf-8").splitlines()
]
_SLOT = re.compile(r"\{\{|\}\}|\{([A-Za-z]+)(?:\[0\])?\}")

TERMS = listed(
    """
    Python Java JavaScript Docker Kubernetes Linux Windows Ubuntu Debian Postgres Redis Excel Word
    PowerPoint Android Bluetooth Internet Wikipedia YouTube Photoshop Minecraft Fortnite PlayStation
    Xbox Bitcoin Ethereum Christmas Easter Ramadan Hanukkah Thanksgiving Halloween Bible Quran
    Olympics Oscar Eurovision God Earth Moon Mars Jupiter Monday Sunday January March May June
    August Spring Renaissance Baroque Holocaust Bluebird Covid Ebola Alzheimer Parkinson Celsius
    Fahrenheit Newton Kelvin Pascal Euler Fourier Laplace Bayes Gaussian React Angular Django Flask
    Rust Go Swift Kotlin Ruby Perl Scala Julia Pandas Spark Hadoop Kafka Terraform Jenkins Ansible
    Prometheus Grafana Jira Confluence Slack Teams Zoom Outlook Gmail Chrome Firefox Safari Tesla
    Aspirin Ibuprofen Paracetamol Vitamin Omega Prozac Wifi Ethernet Mac iPhone iPad Galaxy Pixel
    Kindle Alexa Siri Cortana Claude Gemini Llama Mistral Falcon Phoenix Titan Camry Corolla Golf
    Mustang Civic Team Support Service Customer Manager Director Invoice Summary Note Warning Admin
    Guest Unknown None True False JSON XML HTTP API SQL CPU GPU RAM USB PDF CSV URL DNA RNA MRI FAQ
    VAT CEO CFO PhD MBA GDP AI ML NLP HTML CSS
    """
)
LANGUAGES = listed(
    """
    English German French Spanish Italian Portuguese Dutch Polish Czech Russian Ukrainian Turkish
    Arabic Hebrew Greek Hindi Chinese Japanese Korean Swedish Danish Finnish American British
    European Mexican Canadian Indian Latin Roman Christian Muslim Jewish Buddhist Catholic Victorian
    """
)
HEADS = listed(
    """
    Order Number | Status | Total | Amount | Date | Due Date | Reference | Description | Quantity |
    Unit Price | Customer Id | Account Number | Phone Number | Date Of Birth | Start Time | End Time
    | Product Name | Category | Priority | Subject | Message | Notes | Payment Method | Tax |
    Version | Language | Time Zone | User Name | Password | Serial Number | Model | Type | Size |
    Color | Weight
    """,
    "|",
)
_MONTHS = listed(
    """
    January February March April May June July August September October November December Jan Feb
    Mar Apr Aug Sep Oct Nov Dec
    """
)
_DAYS = listed(
    """
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Fri
    """
)
_KIN = [
    "mother",
    "father",
    "sister",
    "brother",
    "wife",
    "husband",
    "daughter",
    "son",
    "aunt",
    "uncle",
    "cousin",
    "friend",
    "boss",
    "colleague",
]
_GREEK = ["The sum", "The product", "The difference", "Half", "The average", "The ratio"]


_ROLES = {
    kind: re.compile(source)
    for kind, source in {
        "person": r"\b(?:[Tt]he|[Aa]n?|[Hh]is|[Hh]er|[Mm]y) (?:\w+ )?"
        r"(?:man|woman|boy|girl|student"
        r"|teacher|patient|doctor"
        r"|lawyer|defendant|plaintiff|buyer|seller|owner|farmer|driver|employee|worker|researcher"
        r"|scientist|president"
        r"|king|queen|author|mother|father|wife|husband|brother|sister|friend|neighbor|client|customer|physician"
        r"|nurse|manager|officer|witness|victim|child|person|landlord|tenant|contractor|investor|professor|judge|player)\b"
        r"|\b(?:[Hh]e|[Ss]he|him)\b",
        "persons": r"\b(?:[Hh]is|[Hh]er)\b(?= [a-z])",
        "city": r"\b(?:the|a) (?:city|town|village|country|region|area|island"
        r"|capital|state|park|world|nation)\b",
        "org": r"\b(?:[Tt]he|[Aa]n?) (?:company|corporation|firm|bank|school|university|government"
        r"|court|hospital"
        r"|agency|police|department|store|club|team|church|council|manufacturer|organization|court"
        r"|industry)\b",
        "address": r"\b(?:the|a) (?:house|building|property|farm|land|office|apartment"
        r"|hotel|street|road|lot|room)\b",
    }.items()
}
"""Words of plain sentences in whose place a name, a place, a firm or an address may stand."""


class Drawer:
    """Draws texts from some templates and locales; `sentences` are plain text without names."""

    def __init__(
        self, dice: random.Random, pools: Sequence[Pool], sentences: Sequence[str], templates: Sequence[str]
    ) -> None:
        self._dice = dice
        self._pools = pools
        self._sentences = sentences
        self._templates = templates
        self._words = sorted(
            {w for s in sentences for w in s.split() if w.isalpha() and w.islower() and len(w) > 3}
        )
        self._named = [named for sentence in sentences if (named := _with_slots(dice, sentence))]
        self._labelled: dict[str, tuple[str, Callable[[random.Random, Pool], str]]] = {
            "person": ("PERSON", person),
            "first": ("PERSON", lambda dice, pool: dice.choice(pool.first)),
            "last": ("PERSON", lambda dice, pool: dice.choice(pool.last)),
            "address": ("ADDRESS", address),
            "street": ("ADDRESS", lambda dice, pool: " ".join(dice.choice(pool.street).split())),
            "city": ("LOCATION", city),
            "country": ("LOCATION", lambda dice, pool: dice.choice(pool.country)),
            "org": ("ORG", org),
        }

    def draw(self) -> Labelled:
        """Return one text; some are written in small letters or in capitals throughout."""
        pool = self._dice.choice(self._pools)
        if self._dice.random() < ROLE_SHARE:
            template = self._dice.choice(self._named)
        else:
            template = self._dice.choice(self._templates)
        text, spans = self.filled(template, pool)
        return recased(self._dice, Labelled(text, spans))

    def value(self, kind: str, pool: Pool | None = None) -> str:
        """Return a value of a type, of one locale or of any."""
        slot = {"PERSON": "person", "ADDRESS": "address", "LOCATION": "city", "ORG": "org"}[kind]
        return self._labelled[slot][1](self._dice, pool or self._dice.choice(self._pools))

    def word(self) -> str:
        """Return a word of plain text."""
        return self._dice.choice(self._words)

    def place_word(self) -> str:
        """Return a word of a street or a city."""
        pool = self._dice.choice(self._pools)
        words = [
            w
            for w in f"{self._dice.choice(pool.street)} {self._dice.choice(pool.city)}".split()
            if w.isalpha()
        ]
        return self._dice.choice(words or pool.last).capitalize()

    def quantity(self) -> str:
        """Return a number, an amount, a date or a time."""
        return self.other(self._dice.choice(("num", "num", "amount", "date", "time", "year")), self._pools[0])

    def filled(self, template: str, pool: Pool) -> tuple[str, list[Span]]:
        """Return a template with values in its slots, and where the labelled ones are."""
        parts: list[str] = []
        spans: list[Span] = []
        size = done = 0
        for slot in _SLOT.finditer(template):
            before = template[done : slot.start()]
            done = slot.end()
            name = slot.group(1)
            if name is None:
                value = slot.group()[0]
            elif name in self._labelled:
                kind, make = self._labelled[name]
                value = make(self._dice, pool)
                if slot.group().endswith("[0]}"):
                    value = value[:1]
                spans.append(Span(size + len(before), size + len(before) + len(value), kind))
            else:
                value = self.other(name, pool)
            parts += [before, value]
            size += len(before) + len(value)
        parts.append(template[done:])
        return "".join(parts), spans

    def other(self, name: str, pool: Pool) -> str:
        """Return a value of a slot without a label."""
        number = str(self._dice.randrange(10 ** self._dice.randrange(1, 8)))
        return _OTHERS[name](_Draw(self._dice, self._words, self._sentences, pool, number))


class _Draw(NamedTuple):
    """What an unlabelled value is drawn from."""

    dice: random.Random
    words: Sequence[str]
    sentences: Sequence[str]
    pool: Pool
    number: str


def _title(draw: _Draw) -> str:
    words = draw.dice.choice(draw.sentences).split()[: draw.dice.randrange(2, 7)]
    return " ".join(words).title()


def _term(draw: _Draw) -> str:
    if draw.dice.random() < 0.6:
        return draw.dice.choice(TERMS)
    return draw.dice.choice(draw.words).capitalize()


def _job(draw: _Draw) -> str:
    return draw.dice.choice(draw.pool.job) if draw.dice.random() < 0.5 else draw.dice.choice(draw.words)


def _email(draw: _Draw) -> str:
    dice = draw.dice
    return f"{dice.choice(draw.words)}.{dice.choice(draw.words)}{draw.number[:2]}@example.org"


def _phone(draw: _Draw) -> str:
    dice = draw.dice
    digits = "".join(dice.choices("0123456789", k=10))
    shown = f"{digits[:3]}{dice.choice('- .')}{digits[3:6]}{dice.choice('- .')}{digits[6:]}"
    return dice.choice(("", "+", "(0)")) + shown


def _amount(draw: _Draw) -> str:
    dice = draw.dice
    amount = f"{dice.randrange(1, 9999)}{dice.choice(('.', ','))}{dice.randrange(100):02}"
    return dice.choice(("$", "EUR ", "")) + amount


def _date(draw: _Draw) -> str:
    dice = draw.dice
    day, month = dice.randrange(1, 29), dice.randrange(1, 13)
    year = dice.randrange(1930, 2030)
    name = dice.choice(_MONTHS)
    return dice.choice(
        (f"{year}-{month:02}-{day:02}", f"{day}/{month}/{year}", f"{day} {name} {year}", f"{name} {day}")
    )


def _stamp(draw: _Draw) -> str:
    dice = draw.dice
    day = f"20{dice.randrange(10, 30)}-0{dice.randrange(1, 10)}-{dice.randrange(10, 29)}"
    return f"{day}T10:{dice.randrange(10, 60)}:07Z"


_OTHERS: dict[str, Callable[[_Draw], str]] = {
    "sentence": lambda draw: draw.dice.choice(draw.sentences),
    "thing": lambda draw: draw.dice.choice(draw.words),
    "Title": _title,
    "Term": _term,
    "Head": lambda draw: draw.dice.choice(HEADS),
    "Language": lambda draw: draw.dice.choice(LANGUAGES),
    "Greek": lambda draw: draw.dice.choice(_GREEK),
    "kin": lambda draw: draw.dice.choice(_KIN),
    "weekday": lambda draw: draw.dice.choice(_DAYS),
    "month": lambda draw: draw.dice.choice(_MONTHS),
    "job": _job,
    "num": lambda draw: draw.number,
    "year": lambda draw: str(draw.dice.randrange(1900, 2030)),
    "code": lambda draw: draw.dice.choice(draw.pool.postcode),
    "email": _email,
    "handle": lambda draw: f"{draw.dice.choice(draw.words)}{draw.number[:2]}",
    "tag": lambda draw: draw.dice.choice(draw.words).capitalize() + draw.dice.choice(draw.words),
    "phone": _phone,
    "iban": lambda draw: f"DE{''.join(draw.dice.choices('0123456789', k=20))}",
    "ip": lambda draw: ".".join(str(draw.dice.randrange(256)) for _ in range(4)),
    "amount": _amount,
    "date": _date,
    "time": lambda draw: f"{draw.dice.randrange(24)}:{draw.dice.randrange(60):02}",
    "stamp": _stamp,
}
"""Values of slots that have no label."""

ROLE_SHARE = 0.7
"""Share of texts that are plain sentences with values in place of roles."""


def _with_slots(dice: random.Random, sentence: str) -> str | None:
    """Return a sentence as a template, with slots in place of roles; None where it has no role."""
    if "{" in sentence or "}" in sentence:
        return None
    made = sentence
    for kind, roles in _ROLES.items():
        slot = "{person}'s" if kind == "persons" else f"{{{kind}}}"

        def filled(found: re.Match[str], slot: str = slot) -> str:
            return slot if dice.random() < 0.75 else found.group()

        made = roles.sub(filled, made)
    return None if made == sentence else made


SMALL, CAPITALS, CAPITAL_VALUES = 0.16, 0.03, 0.04
"""Shares of texts that are written in small letters, in capitals, and with values in capitals."""


def recased(dice: random.Random, row: Labelled) -> Labelled:
    """Return a text as it is, or in small letters or capitals; the places stay."""
    kind = dice.random()
    if kind < SMALL:
        text = row.text.lower()
    elif kind < SMALL + CAPITALS:
        text = row.text.upper()
    elif kind < SMALL + CAPITALS + CAPITAL_VALUES:
        text = row.text
        for start, end, _ in row.spans:
            text = text[:start] + text[start:end].upper() + text[end:]
    else:
        return row
    return row._replace(text=text) if len(text) == len(row.text) else row
