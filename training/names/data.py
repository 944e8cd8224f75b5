"""Puts the training data together, with a part left out to be measured on."""

import random
import re
from pathlib import Path
from zlib import crc32

from training.names.generated import TEMPLATES, Drawer, recased
from training.names.rows import COLLECTIONS, Labelled, Span, prompts, read, sentences
from training.names.values import HELD_OUT, LATIN, OTHER, Pool, pools

FOLDS = 4
"""Parts of a collection's groups: presidio_research:2 leaves out the third."""
WEIGHTS = {"presidio_research": 3, "wnut17": 4, "pl_pii_bench": 3, "scrubadub": 4, "datafog": 8}
"""How often each row of a collection is drawn, with other values where its own may not be used."""
PROMPT_CHARS = 600


def is_left_out(row: Labelled, left_out: str) -> bool:
    """Whether a row is of a collection, or of a part of its groups, that is left out."""
    for part in left_out.split(","):
        collection, _, fold = part.partition(":")
        if row.group.split(":")[0] == collection and (
            not fold or crc32(row.group.encode()) % FOLDS == int(fold)
        ):
            return True
    return False


def drawer(folder: Path, *, seed: int, is_whole: bool, is_held_out: bool = False) -> Drawer:
    """Return who draws generated texts: of all locales and templates, of most of them, or of the rest."""
    dice = random.Random(seed)
    drawn = pools([*LATIN, *OTHER], seed)
    if not is_whole:
        drawn = {name: pool for name, pool in drawn.items() if (name in HELD_OUT) == is_held_out}
    templates = [t for at, t in enumerate(TEMPLATES) if is_whole or (at % 5 == 2) == is_held_out]
    weighted: list[Pool] = []
    for name, pool in drawn.items():
        weighted += [pool] * (5 if name.startswith("en") else 2 if name in LATIN else 1)
    return Drawer(dice, weighted, sentences(prompts(folder, is_held_out=is_held_out)), templates)


def training_rows(folder: Path, *, left_out: str, seed: int, drawn: int) -> list[Labelled]:
    """Return all rows to train on; `left_out` names what is not, "" nothing."""
    dice = random.Random(seed)
    draws = drawer(folder, seed=seed, is_whole=not left_out)
    rows: list[Labelled] = []
    for collection in COLLECTIONS:
        for row in read(folder, collection):
            if not is_left_out(row, left_out):
                for turn in range(WEIGHTS[collection]):
                    again = refilled(row, draws, dice) if collection == "presidio_research" else row
                    rows.append(recased(dice, again) if turn else again)
    rows += [draws.draw() for _ in range(drawn)]
    rows += [
        Labelled(text[:PROMPT_CHARS], [], "prompts", True) for text in prompts(folder, is_held_out=False)
    ]
    return rows


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
