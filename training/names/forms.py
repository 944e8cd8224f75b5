"""Draws labelled forms, tables, data and code: names and addresses among values that are nobody's."""

import random
import string
from collections.abc import Mapping, Sequence

from training.names.catalogs import Messages
from training.names.generated import HEADS, LANGUAGES, TERMS, Drawer, recased
from training.names.nobodys import EXPRESSIONS, NOTHING_SAID, SOFTWARE, STATUS, number_of_thing
from training.names.rows import Labelled
from training.names.shapes import SHAPES, TABLES, Item, case_of, shaped, table
from training.names.values import Pool

KINDS = ("PERSON", "ADDRESS", "LOCATION", "ORG")
_SHARES = (0.42, 0.26, 0.14, 0.18)
"""How often a value that is somebody's is of each kind."""
NOBODYS = 0.5
"""Share of values that are nobody's, and of forms that hold nothing else."""
STREETS = 0.3
"""Share of addresses that are a street with its number and no more, beside those that are so anyway."""
TABLE_SHARE, NO_LABELS = 0.28, 0.35
_LOCAL, _OTHER_LABEL = 0.6, 0.08
"""How often a label is in the language of its value, and that of another kind, or says nothing."""
_CODES = {"no": "nb", "dk": "da"}
ENGLISH = {
    "PERSON": "name full_name customer client patient employee contact user author owner assignee tenant "
    "passenger student teacher doctor nurse driver holder beneficiary sender recipient manager created_by "
    "signed_by reported_by first_name last_name surname forename given_name family_name nickname",
    "ADDRESS": "address street street_address home_address mailing_address billing_address location addr "
    "residence domicile address_line_1 ship_to postal_address delivery_address",
    "LOCATION": "city town place country state region location birthplace destination origin",
    "ORG": "company employer organization organisation firm vendor supplier bank school university client "
    "publisher brand institution",
}


class FormDrawer:
    """Draws forms with the values of one locale each, and labels of its language."""

    def __init__(
        self,
        dice: random.Random,
        pools: Mapping[str, Sequence[Pool]],
        drawer: Drawer,
        messages: Mapping[str, Messages],
    ) -> None:
        self._dice = dice
        self._pools = [(name.split("_")[0], pool) for name, found in pools.items() for pool in found]
        self._drawer = drawer
        self._messages = messages
        self._labels = [label for found in messages.values() for label in found.labels]
        self._labels_of = {
            kind: [label for found in messages.values() for label in found.labels_of.get(kind, ())]
            for kind in KINDS
        }

    def draw(self) -> Labelled:
        """Return one form, table or statement."""
        dice = self._dice
        lang, pool = dice.choice(self._pools)
        lang = _CODES.get(lang, lang)
        case = case_of(dice)
        nobodys = 1.0 if dice.random() < NOBODYS else NOBODYS
        kinds = [self._kind(nobodys) for _ in range(dice.choice((1, 1, 2, 3, 4, 6)))]
        labels = [case(self._label(kind, lang)) for kind in kinds]
        if dice.random() < TABLE_SHARE:
            rows = [
                [
                    Item(label, *self._value(kind, lang, pool))
                    for label, kind in zip(labels, kinds, strict=True)
                ]
                for _ in range(dice.choice((1, 1, 2, 3)))
            ]
            made = table(rows, dice.choice(TABLES), has_labels=dice.random() > NO_LABELS)
        else:
            items = [
                Item(label, *self._value(kind, lang, pool)) for label, kind in zip(labels, kinds, strict=True)
            ]
            made = shaped(items, dice.choice(SHAPES))
        return recased(dice, made) if dice.random() < 0.4 else made

    def _kind(self, nobodys: float) -> str:
        if self._dice.random() < nobodys:
            return ""
        return self._dice.choices(KINDS, _SHARES)[0]

    def _label(self, kind: str, lang: str) -> str:
        dice = self._dice
        if not kind:
            return self._benign_label(lang)
        if dice.random() < _OTHER_LABEL:
            return dice.choice(NOTHING_SAID)
        own = self._messages.get(lang)
        local = own.labels_of.get(kind) if own else None
        if local and dice.random() < _LOCAL:
            return dice.choice(local)
        if self._labels_of[kind] and dice.random() < 0.2:
            return dice.choice(self._labels_of[kind])
        return dice.choice(ENGLISH[kind].split()).replace("_", " ")

    def _benign_label(self, lang: str) -> str:
        dice, drawn = self._dice, self._dice.random()
        own = self._messages.get(lang)
        if drawn < 0.06:
            return "name"
        if own and own.labels and drawn < 0.3:
            return dice.choice(own.labels)
        if self._labels and drawn < 0.5:
            return dice.choice(self._labels)
        if drawn < 0.75:
            word = dice.choice(SOFTWARE)
            return (word if dice.random() < 0.6 else word.upper()).replace("_", " ")
        if drawn < 0.85:
            return "".join(dice.choices(string.ascii_uppercase, k=dice.randrange(2, 7)))
        return dice.choice(HEADS) if drawn < 0.95 else self._drawer.word()

    def _value(self, kind: str, lang: str, pool: Pool) -> tuple[str, str]:
        dice = self._dice
        if not kind:
            return self._nobodys(lang, pool), ""
        value = (
            " ".join(self._drawer.value(kind, pool).split())
            if dice.random() < 0.9
            else self._drawer.value(kind, pool)
        )
        if kind == "PERSON" and dice.random() < 0.25:
            value = dice.choice(pool.whole)
        elif kind == "ADDRESS" and dice.random() < STREETS:
            value = " ".join(dice.choice(pool.street).split())
        written = dice.random()
        if written < 0.06:
            other = value.upper()
        elif written < 0.12:
            other = value.lower()
        else:
            return value, kind
        return (other if len(other) == len(value) else value), kind

    def _nobodys(self, lang: str, pool: Pool) -> str:
        dice = self._dice
        own = self._messages.get(lang)
        drawn = dice.random()
        if drawn < 0.12 and own:
            return dice.choice(own.labels or NOTHING_SAID)
        if drawn < 0.17:
            return dice.choice(self._labels or NOTHING_SAID)
        if drawn < 0.25:
            return dice.choice(STATUS)
        if drawn < 0.33:
            return dice.choice((*TERMS, *LANGUAGES))
        if drawn < 0.37:
            return dice.choice(EXPRESSIONS)
        if drawn < 0.42:
            return "_".join(self._drawer.word() for _ in range(dice.choice((1, 2, 3)))).upper()
        if drawn < 0.47:
            return "-".join(self._drawer.word() for _ in range(dice.choice((1, 2, 3))))
        if drawn < 0.7:
            return number_of_thing(dice)
        slots = (
            "num",
            "code",
            "email",
            "phone",
            "iban",
            "ip",
            "amount",
            "date",
            "stamp",
            "time",
            "job",
            "sentence",
            "Title",
            "tag",
        )
        return self._drawer.other(dice.choice(slots), pool)
