"""Converts messages to prompt tokens, with the model's own template and vocabulary.

A caller's text never becomes a control token: a message that contains one ("<|im_end|>") would end its turn
and could forge a system turn. Such a message is rendered as a placeholder and tokenized as plain text.
"""

import itertools
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.engine.template import ChatTemplate, TemplateBroken
from gateway.engine.turns import RoleText


class Vocabulary(Protocol):
    """The vocabulary of a model; safe to call from any thread."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special`, texts of control tokens become control
        tokens."""
        ...

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens with the BOS token in front, if the model needs it."""
        ...

    def control_texts(self) -> tuple[str, ...]:
        """Return the texts of control tokens."""
        ...


class PromptMaker:
    """Makes the prompts of one model; used by the server outside its event loop."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._control = any_of(vocabulary.control_texts())

    def tokens(
        self, messages: Sequence[RoleText], *, continue_final_message: bool = False
    ) -> tuple[int, ...]:
        """Return the prompt's tokens; raises TemplateBroken.

        With `continue_final_message` the last message follows the start of the answer as plain text, so that
        the model continues it."""
        final = [(messages[-1][1], True)] if continue_final_message else []
        tokens: list[int] = []
        for text, is_plain in [*self._segments(messages[: len(messages) - len(final)]), *final]:
            tokens += self._vocabulary.tokenize(text, parse_special=not is_plain)
        return tuple(self._vocabulary.begin(tokens))

    def _segments(self, messages: Sequence[RoleText]) -> list[tuple[str, bool]]:
        """Return the prompt as pieces of (text, whether it is plain text of the caller)."""
        secret = secrets.token_hex(16)
        quoted: list[str] = []
        turns = []
        for role, text in self._template.fit(messages):
            if self._control.search(text):
                turns.append((role, f"placeholder{secret}n{len(quoted)}e"))
                quoted.append(text)
            else:
                turns.append((role, text))
        # Odd indexes hold the numbers of placeholders.
        parts = re.split(f"placeholder{secret}n([0-9]+)e", self._template.render(turns))
        if {int(number) for number in parts[1::2]} != set(range(len(quoted))):
            raise TemplateBroken("changes a message that contains a control token")
        segments = [
            (quoted[int(part)], True) if index % 2 else (part, False) for index, part in enumerate(parts)
        ]
        return [(text, is_plain) for text, is_plain in segments if text]


def any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of the texts, as a prefix tree: there may be thousands."""
    known = {text for text in texts if text}
    return re.compile(_alternatives(known) if known else r"(?!)")


def _alternatives(texts: set[str]) -> str:
    first, last = min(texts), max(texts)
    common = first[: next((at for at, letter in enumerate(first) if letter != last[at]), len(first))]
    rest = {text[len(common) :] for text in texts}
    if "" in rest:  # The shortest text finds all that begin with it.
        return re.escape(common)
    groups = itertools.groupby(sorted(rest), key=lambda text: text[0])
    return f"{re.escape(common)}(?:{'|'.join(_alternatives(set(group)) for _, group in groups)})"
