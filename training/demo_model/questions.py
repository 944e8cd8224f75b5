"""Questions and answers of the demo model's training, and those that are held out from it."""

import random
import zlib
from dataclasses import dataclass

from training.demo_model.cases import Case
from training.demo_model.kinds import KINDS, Kind
from training.demo_model.sentences import unknown_word
from training.demo_model.talk import TALK, UNKNOWN

ALL_KINDS = (*KINDS, *TALK)
_WEIGHTS = [kind.weight for kind in ALL_KINDS]
HELD_SHARE = 8
"""One of so many combinations is held out."""

_BEFORE = (
    "please", "please tell me", "can you tell me", "could you tell me", "hey,", "hello,", "hi,", "quick question:", "tell me",
    "I would like to know", "question:", "so,", "and", "ok,", "now", "do you know",
)  # fmt: skip
_HELD_BEFORE = ("would you tell me", "one more question:", "I have a question:", "well,")
_AFTER = ("please", "thanks", "thank you", ", please")
_SYSTEMS = (
    "You are a helpful assistant.", "Be brief.", "Answer in English.", "You are a friendly assistant. Answer in one sentence.",
    "You answer questions.", "Answer the question of the user.", "You are a model at the edge.", "Keep your answers short.",
)  # fmt: skip
_KEYS = (
    "answer", "result", "value", "text", "name", "city", "reply", "capital", "sum", "colour", "reason", "title", "id", "note",
    "summary", "label", "category", "word", "date", "email", "country", "output",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One conversation and its answer."""

    kind: str
    messages: tuple[tuple[str, str], ...]
    """Role and content of each message."""
    answer: str
    is_unknown: bool
    """Whether any of `UNKNOWN` is as good as the answer."""
    forced: str = ""
    """What a grammar would have written of the answer; the model does not learn to say it."""


def draw_training(dice: random.Random) -> Question:
    """Return a question to train on: often alone, at times after a system message, a turn, or a forced JSON."""
    question = _draw(dice, is_held=False)
    chance = dice.random()
    if chance < 0.06:
        return _with(question, (("system", dice.choice(_SYSTEMS)), *question.messages))
    if chance < 0.13:
        before = _draw(dice, is_held=False)
        return _with(question, (*before.messages, ("assistant", before.answer), *question.messages))
    return question


def draw_forced(dice: random.Random) -> Question:
    """Return a question whose answer is forced into JSON, for a model under a grammar."""
    kind, case = _training_case(dice)
    wording = _wording(dice, kind, case, is_held=False)
    pieces = []
    for key in dice.sample(_KEYS, dice.choice((1, 1, 2))):
        shown = key if dice.random() < 0.8 else unknown_word(dice)
        pieces.append((f'"{shown}":{dice.choice(("", " "))}', _json_value(dice, case.short)))
    first, value = pieces[0]
    rest = "".join(f", {key}{value}" for key, value in pieces[1:])
    return Question(kind=kind.name, messages=(("user", _asked(dice, kind, case, wording, is_held=False)),),
                    answer=f"{value}{rest}}}", is_unknown=False, forced="{" + first)  # fmt: skip


def draw_held(dice: random.Random, kind: Kind, *, is_new_wording: bool) -> Question:
    """Return a question of a kind that training never showed: a new wording, or a new combination."""
    while True:
        case = kind.draw(dice)
        if case.wordings or (is_new_wording and kind.held_wordings):
            return _question(dice, kind, case, _wording(dice, kind, case, is_held=True), is_held=True)
        held = [each for each in kind.wordings if _is_held(kind, case, each)]
        if held:
            return _question(dice, kind, case, dice.choice(held), is_held=False)


def _with(question: Question, messages: tuple[tuple[str, str], ...]) -> Question:
    return Question(
        kind=question.kind, messages=messages, answer=question.answer, is_unknown=question.is_unknown
    )


def _draw(dice: random.Random, *, is_held: bool) -> Question:
    kind, case = _training_case(dice)
    return _question(dice, kind, case, _wording(dice, kind, case, is_held=is_held), is_held=is_held)


def _training_case(dice: random.Random) -> tuple[Kind, Case]:
    while True:
        kind = dice.choices(ALL_KINDS, weights=_WEIGHTS)[0]
        case = kind.draw(dice)
        if not (kind.is_whole and _is_held(kind, case, "")):
            return kind, case


def _wording(dice: random.Random, kind: Kind, case: Case, *, is_held: bool) -> str:
    """Return a wording; of those that a training case may have, none whose combination is held out."""
    if case.wordings:
        return case.wordings[-1] if is_held else dice.choice(case.wordings[:-1])
    if is_held:
        return dice.choice(kind.held_wordings)
    free = [each for each in kind.wordings if kind.is_whole or not _is_held(kind, case, each)]
    return dice.choice(free or kind.wordings[:1])


def _is_held(kind: Kind, case: Case, wording: str) -> bool:
    key = "|".join(case.slots[name] for name in sorted(case.slots))
    if kind.is_whole:
        key = case.slots.get("", key)
        wording = ""
    elif case.wordings:
        return False
    return zlib.crc32(f"{kind.name}|{wording}|{key}".encode()) % HELD_SHARE == 0


def _question(dice: random.Random, kind: Kind, case: Case, wording: str, *, is_held: bool) -> Question:
    return Question(kind=kind.name, messages=(("user", _asked(dice, kind, case, wording, is_held=is_held)),),
                    answer=case.said, is_unknown=case.said in UNKNOWN)  # fmt: skip


def _asked(dice: random.Random, kind: Kind, case: Case, wording: str, *, is_held: bool) -> str:
    """Return the text of a question, in one of the ways in which people type."""
    has_sentence = kind.is_copied or kind.name.startswith("sentiment")
    asked = wording
    if not has_sentence and kind.wordings and dice.random() < 0.3:
        before = dice.choice(_HELD_BEFORE if is_held and dice.random() < 0.5 else _BEFORE)
        asked = f"{before} {asked[:1].lower()}{asked[1:]}"
    if not has_sentence and dice.random() < 0.08:
        after = dice.choice(_AFTER)
        asked = f"{asked}{after}" if after[0] == "," else f"{asked} {after}"
    if not has_sentence:
        asked += dice.choices(("?", "", ".", " ?", "??", "!"), weights=(50, 36, 6, 4, 2, 2))[0]
    case_of = dice.choices(("as it is", "lower", "UPPER", "First"), weights=(42, 36, 9, 13))[0]
    slots = {
        name: value if kind.is_copied else _cased(value, case_of, is_slot=True)
        for name, value in case.slots.items()
    }
    return "".join(_filled(part, slots) for part in _split(asked, case_of))


def _split(asked: str, case_of: str) -> list[str]:
    """Return the pieces of a wording: slots in braces, and what is between them in its case."""
    pieces: list[str] = []
    for number, part in enumerate(asked.replace("}", "{").split("{")):
        pieces.append("{" + part if number % 2 else _cased(part, case_of, is_slot=number > 0))
    return pieces


def _filled(part: str, slots: dict[str, str]) -> str:
    return slots[part[1:]] if part.startswith("{") else part


def _cased(text: str, case_of: str, *, is_slot: bool) -> str:
    if case_of == "lower":
        return text.lower()
    if case_of == "UPPER":
        return text.upper()
    if case_of == "First" and not is_slot:
        return text[:1].upper() + text[1:]
    return text


def _json_value(dice: random.Random, short: str) -> str:
    if short.isdigit() and dice.random() < 0.7:
        return short
    return '"' + short.replace("\\", "").replace('"', "") + '"'
