"""One piece of a call as a provider sends it, and one call while its pieces come."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.text_joiner import TextJoiner
from gateway.backends.openai.json_prefix import is_object, may_become_object
from gateway.backends.openai.thoughts import google_signature
from gateway.domain.answer import ToolCallDelta

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""The name of a tool, as callers may give it."""
NO_IDS = frozenset({"null", "none", "undefined"})
"""Words that stand for no id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPiece:
    """What one delta says of a call, its fields made plain."""

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    input: str = ""
    is_custom: bool = False
    opaque: bytes = b""

    @classmethod
    def of(cls, entry: object) -> Self:
        """Return an element of `tool_calls`; raises UnreadableAnswer."""
        if not isinstance(entry, dict):
            raise UnreadableAnswer("a call is not an object")
        is_custom = isinstance(entry.get("custom"), dict) or entry.get("type") == "custom"
        called = entry.get("custom" if is_custom else "function")
        if called is None and not is_custom:
            called = entry if "arguments" in entry else {}
        if not isinstance(called, dict):
            called = {}
        index = entry.get("index")
        return cls(
            index=index if isinstance(index, int) and not isinstance(index, bool) else None,
            id=_id(entry.get("id")),
            name=_text(called.get("name"), "the name of a call"),
            arguments="" if is_custom else arguments_text(called.get("arguments")),
            input=_text(called.get("input"), "the input of a call") if is_custom else "",
            is_custom=is_custom,
            opaque=google_signature(entry),
        )


def _id(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and text.lower() not in NO_IDS else ""


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableAnswer(f"{what} is not a string")
    return value


def arguments_text(value: object) -> str:
    """Return arguments as JSON text: some providers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("the arguments of a call cannot be written as JSON") from None


class PartialCall:
    """A call whose pieces come; what of it can be told is `tell`."""

    def __init__(self, piece: CallPiece, id_ahead: str = "") -> None:
        self.index = piece.index
        self.provider_id = piece.id or id_ahead
        self.name = piece.name
        self.is_custom = piece.is_custom
        self.is_closed = False
        self.is_invalid = False
        self.has_arguments = False
        """Whether it has any but blanks."""
        self._texts: list[str] = []
        self._chars = 0
        self._last_character = ""
        """That is no blank."""
        self._is_cumulative = False
        self._held = ""
        """Of the arguments or the input, what was not told yet."""
        self._opaque = b""
        self._has_begun = False
        self._is_whole: bool | None = None
        self._joiner = TextJoiner()

    @property
    def arguments(self) -> str:
        """All of them so far."""
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a JSON object, or none; of text nobody knows."""
        if self._is_whole is None:
            # To parse them at every piece would take a time that grows with the square of their length.
            is_closed = self._last_character == "}" and is_object(self.arguments)
            self._is_whole = self.is_custom or is_closed or self._is_nothing()
        return self._is_whole

    def join(self, piece: CallPiece, names: frozenset[str]) -> None:
        """Take id and name of a further piece, repeated, late, or the rest; raises UnreadableAnswer."""
        self.provider_id = self.provider_id or piece.id
        if not piece.name or piece.name == self.name:
            return
        if self.has_arguments or self._has_begun:
            if self.name not in names and piece.name not in names:
                raise UnreadableAnswer("the name of a call changed")
            return
        self.name = piece.name if piece.name.startswith(self.name) else self.name + piece.name

    def add(self, piece: CallPiece) -> None:
        """Take what a piece has of arguments, input and signature; raises UnreadableAnswer behind its end."""
        self._opaque += piece.opaque
        text = piece.input if self.is_custom else self._new_arguments(piece.arguments)
        if not text:
            return
        if self.is_closed:
            if text.strip():
                raise UnreadableAnswer("a call went on after its end")
            return
        self._is_whole = None
        self._texts.append(text)
        self._chars += len(text)
        self._last_character = text.rstrip()[-1:] or self._last_character
        self._held += self._joiner.add(text)
        self.has_arguments = self.has_arguments or bool(text.strip())

    def _new_arguments(self, text: str) -> str:
        """Return what a piece adds: some providers send all so far in each."""
        if not self.has_arguments or len(text) < self._chars:
            return text
        so_far = self.arguments
        if not text.startswith(so_far):
            return text
        if not self._is_cumulative and may_become_object(so_far + text):
            return text
        self._is_cumulative = True
        return text[self._chars :]

    def tell(self, index: int, id_of: Callable[[str], str], *, is_settled: bool) -> ToolCallDelta | None:
        """Return what can be told now; the first time with the name, once nothing can be added to it."""
        text = self._ready_text()
        is_first = not self._has_begun
        if is_first and not (text or is_settled or self.is_closed):
            return None
        if not (is_first or text or self._opaque or self.is_invalid):
            return None
        if is_first and not NAME.fullmatch(self.name):
            raise UnreadableAnswer("the name of a call is none that a tool can have")
        self._has_begun = True
        opaque, self._opaque = self._opaque, b""
        return ToolCallDelta(
            index=index,
            id=id_of(self.provider_id) if is_first else "",
            name=self.name if is_first else "",
            arguments_json="" if self.is_custom else text,
            input=text if self.is_custom else "",
            is_custom=self.is_custom and is_first,
            arguments_invalid=self.is_invalid,
            opaque=opaque,
        )

    def _ready_text(self) -> str:
        """Return the arguments or the input that were not told yet, where they are no word for none."""
        if not self.is_closed:
            if not self.is_custom and self._may_be_null():
                return ""
        elif not (self.is_custom or self.is_invalid) and self._is_nothing():
            return "{}"
        text, self._held = self._held, ""
        return text + self._joiner.end(is_cut=self.is_invalid) if self.is_closed else text

    def _is_nothing(self) -> bool:
        return self._chars < _LONGEST_NOTHING and self.arguments.strip() in ("", "null")

    def _may_be_null(self) -> bool:
        """Whether all so far may be the word for no arguments."""
        return self._chars < _LONGEST_NOTHING and "null".startswith(self.arguments.strip())


_LONGEST_NOTHING = 64
"""Characters of arguments that may be the word null among blanks."""
