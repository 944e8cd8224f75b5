"""From messages to the tokens of a prompt, with the model's own template and vocabulary.

A caller's words never become control tokens: a message that spells one ("<|im_end|>") would end its
turn and could speak in the system's name. Such a message goes through the template as a placeholder,
and its words are tokenized as plain text.
"""

import secrets
from collections.abc import Sequence
from typing import Protocol

from gateway.engine.template import ChatTemplate, TemplateBroken


class Vocabulary(Protocol):
    """What is needed of a model here; safe to call from any thread."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special` control tokens may be written out."""
        ...

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens with the one that begins every text, where the model wants it."""
        ...

    def control_texts(self) -> tuple[str, ...]:
        """Return how control tokens are written."""
        ...


class PromptMaker:
    """Makes prompts for one model; used by the server, off its event loop."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._control_texts = vocabulary.control_texts()

    def tokens(
        self, messages: Sequence[tuple[str, str]], *, continue_final_message: bool = False
    ) -> tuple[int, ...]:
        """Return the prompt's tokens; raises TemplateBroken.

        With `continue_final_message` the last message stands after the words that begin an answer, as plain
        text, so that the model goes on from it.
        """
        begun = [(messages[-1][1], True)] if continue_final_message else []
        tokens: list[int] = []
        for text, is_plain in [*self._segments(messages[: len(messages) - len(begun)]), *begun]:
            tokens += self._vocabulary.tokenize(text, parse_special=not is_plain)
        return tuple(self._vocabulary.begin(tokens))

    def _segments(self, messages: Sequence[tuple[str, str]]) -> list[tuple[str, bool]]:
        """Return the prompt in pieces of (text, whether control tokens in it are a caller's words)."""
        quoted: dict[str, str] = {}
        turns = []
        for role, content in messages:
            if any(control in content for control in self._control_texts):
                placeholder = f"placeholder{secrets.token_hex(16)}"
                quoted[placeholder] = content
                turns.append((role, placeholder))
            else:
                turns.append((role, content))
        segments = [(self._template.render(turns), False)]
        for placeholder, content in quoted.items():
            segments = [
                part
                for text, is_plain in segments
                for part in ([(text, True)] if is_plain else _split(text, placeholder, content))
            ]
        if not all(
            any(text == content for text, is_plain in segments if is_plain) for content in quoted.values()
        ):
            raise TemplateBroken("changes a message that spells a control token")
        return [(text, is_plain) for text, is_plain in segments if text]


def _split(text: str, placeholder: str, content: str) -> list[tuple[str, bool]]:
    first, *others = text.split(placeholder)
    parts = [(first, False)]
    for other in others:
        parts += [(content, True), (other, False)]
    return parts
