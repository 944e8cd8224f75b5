"""Examine the demo model: `python -m training.demo_model.exam [FILE.gguf] [--card CARD.md]`.

Questions of every kind that training keeps apart: in new wordings, and in new combinations. Where two ways
lead to the same words, so that training may have shown them all the same, they are left out. The rest is
asked as the gateway asks, through its own engine; an answer is right if it is the wanted sentence, word for
word.
`--card` puts the table into a model card, between its two marks.
"""

import argparse
import asyncio
import functools
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from gateway.cli.terminal import console
from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Role
from gateway.offline.model_probe import ModelProbe, ProbeAnswer
from gateway.policy.model import LlamaCppModel
from training.demo_model.kinds import Kind
from training.demo_model.questions import ALL_KINDS, Question, draw_held, draw_training
from training.demo_model.talk import UNKNOWN

SEED = 7
OF_EACH = 60
"""Questions of each kind in new wordings, and as many in new combinations."""
TRAINED = 200_000
"""Questions of the training that an exam is compared with; about one in five of all."""
_WORDS = re.compile(r"[\w@'+*/-]+(?:\.[\w@]+)*")
BEGIN, END = "<!-- exam -->", "<!-- end of exam -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of the exam, and what makes it new."""

    question: Question
    is_new_wording: bool

    def is_right(self, reply: str) -> bool:
        """Say whether a reply is the wanted sentence; of what it does not know, any that says so."""
        wanted = UNKNOWN if self.question.is_unknown else (self.question.answer,)
        return reply.strip() in wanted


@functools.cache
def trained(count: int = TRAINED) -> frozenset[str]:
    """Return the words of so many questions of the training."""
    dice = random.Random(SEED)
    return frozenset(_words_of(draw_training(dice)) for _ in range(count))


def _words_of(question: Question) -> str:
    return " ".join(_WORDS.findall(question.messages[-1][1].lower()))


def draw_exam(of_each: int = OF_EACH, *, seed: int = SEED) -> list[Asked]:
    """Return the questions of an exam, as many in new wordings as in new combinations of each kind."""
    dice = random.Random(seed)
    exam: list[Asked] = []
    for name in dict.fromkeys(kind.name for kind in ALL_KINDS):
        kinds = [kind for kind in ALL_KINDS if kind.name == name]
        for is_new_wording in (True, False):
            exam += [_fresh(dice, kinds, is_new_wording=is_new_wording) for _ in range(of_each)]
    return exam


def _fresh(dice: random.Random, kinds: Sequence[Kind], *, is_new_wording: bool) -> Asked:
    while True:
        question = draw_held(dice, dice.choice(kinds), is_new_wording=is_new_wording)
        if _words_of(question) not in trained():
            return Asked(question=question, is_new_wording=is_new_wording)


async def replies(path: str, questions: Sequence[Question]) -> list[ProbeAnswer]:
    """Return what a model answers, one after the other."""
    spec = LlamaCppModel(kind="llama_cpp", path=path, clearance="restricted", slots=1, context=1024)
    hearing = ModelProbe("demo", spec, clock=SystemClock())
    await hearing.start()
    try:
        bar = track(
            questions, description="asking", console=console(sys.stderr), disable=not sys.stderr.isatty()
        )
        return [heard async for heard in hearing.answers(_messages(each) for each in bar)]
    finally:
        await hearing.close()


def _messages(question: Question) -> list[Message]:
    return [Message(role=Role[role.upper()], content=content) for role, content in question.messages]


def table(exam: Sequence[Asked], heard: Sequence[ProbeAnswer]) -> str:
    """Return the share that is right, of each kind and in all, as Markdown."""
    lines = ["| kind | new wording | new combination | questions |", "|---|---|---|---|"]
    marked = [(each, each.is_right(reply.text)) for each, reply in zip(exam, heard, strict=True)]
    for name in (*dict.fromkeys(each.question.kind for each in exam), "all"):
        of = [(each, is_right) for each, is_right in marked if name in (each.question.kind, "all")]
        shares = [
            f"{sum(rights) / len(rights):.0%}"
            for is_new in (True, False)
            for rights in [[is_right for each, is_right in of if each.is_new_wording == is_new]]
        ]
        lines.append(f"| {name} | {' | '.join(shares)} | {len(of)} |")
    return "\n".join(lines)


def labelled(exam: Sequence[Asked]) -> str:
    """Return an exam as `gateway calibrate --labelled` reads it: what is not known has no right answer."""
    lines = [
        {
            "text": each.question.messages[-1][1],
            "answer": None if each.question.is_unknown else each.question.answer,
        }
        for each in exam
    ]
    return "\n".join([*map(json.dumps, lines), ""])


def put_into(card: str, text: str) -> str:
    """Return a card with another table between its marks; ValueError if it has none."""
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    """Read the command line, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="builtin:demo")
    parser.add_argument("--of-each", type=int, default=OF_EACH)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--wrong", type=Path, help="write what was answered wrongly, a line each")
    parser.add_argument(
        "--labelled", type=Path, help="write the questions for gateway calibrate; ask nothing"
    )
    options = parser.parse_args()
    exam = draw_exam(options.of_each, seed=options.seed)
    if options.labelled:
        options.labelled.write_text(labelled(exam), encoding="utf-8")
        return
    heard = asyncio.run(replies(options.model, [each.question for each in exam]))
    found = table(exam, heard)
    print(found)
    if options.card:
        card = options.card.read_text(encoding="utf-8")
        options.card.write_text(put_into(card, found), encoding="utf-8")
    if options.wrong:
        lines = [
            json.dumps({"kind": each.question.kind, "asked": each.question.messages[-1][1],
                        "wanted": each.question.answer, "said": reply.text})
            for each, reply in zip(exam, heard, strict=True) if not each.is_right(reply.text)
        ]  # fmt: skip
        options.wrong.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
