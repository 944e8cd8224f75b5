"""Reads what programs show to people, in some ninety languages, from catalogs of messages (gettext).

Such messages name nobody, and those that label a field say how names and addresses are labelled.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from gettext import GNUTranslations
from pathlib import Path
from typing import NamedTuple

LABELS_OF = {
    "PERSON": (
        "first name", "last name", "first name(s)", "name", "customer name", "bill to name",
        "deliver to name", "customer", "user", "author", "owner", "recipient", "username", "full name",
        "contact", "partner name",
    ),
    "ADDRESS": (
        "address", "first line of address", "shipping address", "billing address", "user address", "street",
        "partner address", "default shipping address",
    ),
    "LOCATION": ("city", "country", "country name", "state/county", "state"),
}  # fmt: skip
"""Messages, in small letters, that label a value of a type."""
_FIELD = re.compile(r"%(?:\([^)]*\))?[-0-9.]*[a-z%]|\{[^{}]*\}|<[^<>]*>|&[a-z]+;|[%{}]")
_MAX_LABEL, _MAX_WORDS = 30, 4


class Messages(NamedTuple):
    """The messages of one language."""

    sentences: list[str]
    labels: list[str]
    """Short ones, which may stand before a value that is no name."""
    labels_of: Mapping[str, list[str]]
    """Those that label a value of a type."""


def messages_in(folder: Path) -> dict[str, Messages]:
    """Return the messages of all catalogs in a folder by the code of their language."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(folder.rglob("*.mo")):
        with path.open("rb") as file:
            catalog: Mapping[object, object] = vars(GNUTranslations(file))["_catalog"]
        lang = path.parts[-3].split("_")[0].split("@")[0]
        for key, value in catalog.items():
            if isinstance(key, str) and isinstance(value, str) and key and value:
                texts[lang].setdefault(key.split("\4")[-1], value)
                texts["en"].setdefault(key.split("\4")[-1], key.split("\4")[-1])
    return {lang: _messages(found) for lang, found in sorted(texts.items())}


def _messages(found: Mapping[str, str]) -> Messages:
    labels_of: dict[str, list[str]] = {kind: [] for kind in LABELS_OF}
    labels, sentences = [], []
    for key, value in sorted(found.items()):
        text = " ".join(_FIELD.sub(" ", value).split())
        kind = next((k for k, names in LABELS_OF.items() if key.lower().rstrip(":") in names), None)
        if kind:
            labels_of[kind].append(text.rstrip(":"))
        elif text == value and len(text) <= _MAX_LABEL and len(text.split()) <= _MAX_WORDS:
            if text[-1].isalnum():
                labels.append(text)
        elif len(text) > 3:
            sentences.append(text)
    return Messages(sentences, labels, labels_of)
