"""Labelled questions: how they are read, and whether an answer is right."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import InputRefused

_WORDS = re.compile(r"\w+(?:[.,]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuestion:
    """A question, and every answer that counts as right; without any, every reply is wrong."""

    text: str = field(repr=False)
    answers: tuple[str, ...] = field(repr=False)

    def is_right(self, reply: str) -> bool:
        """Return whether a reply contains one of the answers as whole words, regardless of case."""
        text = f" {words(reply)} "
        return any(f" {words(answer)} " in text for answer in self.answers)


def words(text: str) -> str:
    """Return the words of a text in lower case, without surrounding punctuation."""
    return " ".join(_WORDS.findall(text.casefold()))


def read_questions(path: Path) -> list[LabelledQuestion]:
    """Return the questions of a file of JSON lines; raises InputRefused with file and line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputRefused(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputRefused(f"{path}: is not UTF-8 (byte {error.start})") from None
    return [_question(line, f"{path}:{n}") for n, line in enumerate(lines, start=1) if line.strip()]


def _question(line: str, location: str) -> LabelledQuestion:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise InputRefused(f"{location}: is not JSON") from None
    text = fields.get("text") if isinstance(fields, dict) else None
    answer = fields.get("answer") if isinstance(fields, dict) else None
    answers = answer if isinstance(answer, list) else [] if answer is None else [answer]
    if not isinstance(text, str) or not all(isinstance(each, str) and words(each) for each in answers):
        raise InputRefused(
            f'{location}: must be an object {{"text", "answer"}}; "answer" is a string, a list of strings,'
            " or null where no answer is right",
        )
    return LabelledQuestion(text=text, answers=tuple(answers))
