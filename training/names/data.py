"""Puts the training data together, with a part left out to be measured on."""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from training.names.catalogs import Messages, messages_in
from training.names.documents import PIECES, pieces
from training.names.forms import FormDrawer
from training.names.generated import TEMPLATES, Drawer, recased
from training.names.rows import COLLECTIONS, Labelled, Span, prompts, read, sentences
from training.names.values import HELD_OUT, LATIN, OTHER, Pool, pools

FOLDS = 4
"""Parts of a collection's groups: presidio_research:2 leaves out the third."""
WEIGHTS = {"presidio_research": 3, "wnut17": 4, "pl_pii_bench": 3, "scrubadub": 4, "datafog": 8}
"""How often each row of a collection is drawn, with other values where its own may not be used."""
PROMPT_CHARS = 600
SENTENCES, FORMS, MESSAGES = 26_000, 34_000, 12_000
"""Texts that are drawn."""
MANY = frozenset({"en_US", "en_GB", "en_AU", "en_CA", "en_IN"})
"""Locales that are drawn from more often than others."""


def is_left_out(row: Labelled, left_out: str) -> bool:
    """Whether a row is of a collection, or of a part of its groups, that is left out."""
    for part in left_out.split(","):
        collection, _, fold = part.partition(":")
        if row.group.split(":")[0] == collection and (
            not fold or crc32(row.group.encode()) % FOLDS == int(fold)
        ):
            return True
    return False


class Sources(NamedTuple):
    """Folders of what is trained on."""

    labelled: Path
    """Labelled texts and prompts, in the format that `benchmarks.privacy` reads."""
    catalogs: Path
    """Catalogs of messages in many languages."""
    packages: Path
    """Installed packages, with their code and documentation."""


class Drawers(NamedTuple):
    """Who draws generated texts."""

    sentences: Drawer
    forms: FormDrawer
    messages: Sequence[str]
    """What programs say, which names nobody."""


def drawers(sources: Sources, *, seed: int, is_whole: bool, is_held_out: bool = False) -> Drawers:
    """Return who draws texts: of all locales and templates, of most of them, or of the rest."""
    dice = random.Random(seed)
    drawn = pools([*LATIN, *OTHER], seed)
    messages = messages_in(sources.catalogs)
    if not is_whole:
        drawn = {name: pool for name, pool in drawn.items() if (name in HELD_OUT) == is_held_out}
        left_out = {name.split("_")[0] for name in HELD_OUT} - {"ar"}
        messages = {lang: found for lang, found in messages.items() if (lang in left_out) <= is_held_out}
    templates = [t for at, t in enumerate(TEMPLATES) if is_whole or (at % 5 == 2) == is_held_out]
    weighted: dict[str, list[Pool]] = {
        name: [pool] * (4 if name in MANY else 2) for name, pool in drawn.items()
    }
    plain = sentences(prompts(sources.labelled, is_held_out=is_held_out))
    of_sentences = Drawer(dice, [pool for found in weighted.values() for pool in found], plain, templates)
    evenly = {name: pools[:2] for name, pools in weighted.items()}
    return Drawers(of_sentences, FormDrawer(dice, evenly, of_sentences, messages), _said(messages))


def _said(messages: Mapping[str, Messages]) -> list[str]:
    return [text for found in messages.values() for text in (*found.sentences, *found.labels)]


def training_rows(sources: Sources, *, left_out: str, seed: int) -> list[Labelled]:
    """Return all rows to train on; `left_out` names the collections that are not, "" nothing."""
    dice = random.Random(seed)
    draws = drawers(sources, seed=seed, is_whole=not left_out)
    rows: list[Labelled] = []
    for collection in COLLECTIONS:
        for row in read(sources.labelled, collection):
            if not is_left_out(row, left_out):
                for turn in range(WEIGHTS[collection]):
                    again = refilled(row, draws.sentences, dice) if collection == "presidio_research" else row
                    rows.append(recased(dice, again) if turn else again)
    rows += [draws.sentences.draw() for _ in range(SENTENCES)]
    rows += [draws.forms.draw() for _ in range(FORMS)]
    rows += [Labelled(said(draws, dice), []) for _ in range(MESSAGES)]
    found = [*pieces(sources.packages, dice)]
    rows += dice.sample(found, min(PIECES, len(found)))
    rows += [
        Labelled(text[:PROMPT_CHARS], [], "prompts", True)
        for text in prompts(sources.labelled, is_held_out=False)
    ]
    return rows


def said(draws: Drawers, dice: random.Random) -> str:
    """Return some messages, half of them with numbers, amounts and dates between words."""
    text = dice.choice((" ", "\n", ". ")).join(dice.choices(draws.messages, k=dice.choice((1, 1, 2, 3))))
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        places = [at for at, char in enumerate(text) if char == " " or "\u3000" < char < "\ud800"]
        at = dice.choice(places) if places else len(text)
        text = f"{text[:at]} {draws.sentences.quantity()}{text[at:]}"
    return text[:PROMPT_CHARS]


def refilled(row: Labelled, draws: Drawer, dice: random.Random) -> Labelled:
    """Return a template's text with other values in place of its own, which may not be used."""
    parts: list[str] = []
    spans: list[Span] = []
    size = done = 0
    for start, end, kind in sorted(row.spans):
        if start < done:
            continue
        value = row.text[start:end]
        if kind == "ADDRESS":
            value = reworded(value, draws, dice) if dice.random() < 0.6 else draws.value(kind)
        elif kind in ("PERSON", "LOCATION", "ORG"):
            value = draws.value(kind)
        else:
            value = re.sub(r"\d", lambda _: str(dice.randrange(10)), value)
        before = row.text[done:start]
        done = end
        spans.append(Span(size + len(before), size + len(before) + len(value), kind))
        parts += [before, value]
        size += len(before) + len(value)
    parts.append(row.text[done:])
    return Labelled("".join(parts), spans, row.group)


_WORD = re.compile(r"\w+")


def reworded(value: str, draws: Drawer, dice: random.Random) -> str:
    """Return an address of the same form: other digits, other words in place of capitalised long ones."""

    def other(found: re.Match[str]) -> str:
        word = found.group()
        if word.isdigit():
            return "".join(str(dice.randrange(1, 10)) for _ in word)
        return draws.place_word() if len(word) > 3 and word[0].isupper() and word[-1].islower() else word

    return _WORD.sub(other, value)
