"""The blocks that an answer consists of, each put together from its pieces. Nothing here knows a stream."""

import json
from collections.abc import Mapping
from typing import Final

from gateway.backends.anthropic.tools import INPUT, ReplyForm
from gateway.backends.anthropic.turns import REDACTED
from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.text_joiner import TextJoiner
from gateway.domain.answer import Chunk, ReasoningDelta, ToolCallDelta

_OTHER_BLOCKS: Final = frozenset({"server_tool_use", "container_upload", "fallback", "compaction"})
"""Blocks that are no part of the answer, beside the results of the provider's own tools."""
NO_JSON: Final = object()
"""In the place of the value of a text that is no JSON."""


class Block:
    """A block that is no part of the answer."""

    takes: frozenset[str] | None = None
    """The kinds of pieces that belong to it; None: any."""

    def add(self, kind: str, piece: str) -> Chunk:
        """Return what can be given out after one piece more."""
        return Chunk()

    def end(self) -> Chunk:
        """Return what was held back when the block has ended."""
        return Chunk()

    @property
    def is_cut(self) -> bool:
        """Whether something lacks of what it should be."""
        return False


class TextBlock(Block):
    """Text."""

    takes = frozenset({"text"})

    def __init__(self) -> None:
        self._joiner = TextJoiner()

    def add(self, kind: str, piece: str) -> Chunk:
        """Return the text of whole characters."""
        return Chunk(text=self._joiner.add(piece))

    def end(self) -> Chunk:
        """Return the rest of it."""
        return Chunk(text=self._joiner.end(is_cut=False))


class ThoughtBlock(Block):
    """A thought, and the signature that ends it."""

    takes = frozenset({"thinking", "signature"})

    def __init__(self) -> None:
        self._joiner = TextJoiner()
        self._signature: list[str] = []

    def add(self, kind: str, piece: str) -> Chunk:
        """Return the text of the thought; its signature is given out when it is whole."""
        if kind == "signature":
            self._signature.append(piece)
            return Chunk()
        return _thought(self._joiner.add(piece))

    def end(self) -> Chunk:
        """Return the rest, and the signature."""
        signature = "".join(self._signature).encode("utf-8", "replace")
        return _thought(self._joiner.end(is_cut=False), signature)


class RedactedBlock(Block):
    """A thought that came encrypted."""

    takes = frozenset()

    def __init__(self, data: str) -> None:
        self._data = data

    def end(self) -> Chunk:
        """Return it."""
        return _thought("", REDACTED + self._data.encode("utf-8", "replace"))


class _JsonBlock(Block):
    """A block whose pieces make a JSON text."""

    takes = frozenset({"partial_json"})

    def __init__(self) -> None:
        self._joiner = TextJoiner()
        self._pieces: list[str] = []

    @property
    def json_text(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    @property
    def value(self) -> object:
        """What it says; NO_JSON if that cannot be read."""
        try:
            return json.loads(self.json_text)
        except (ValueError, RecursionError):
            return NO_JSON

    @property
    def is_cut(self) -> bool:
        """Whether it is no JSON."""
        return self.value is NO_JSON

    def _take(self, piece: str) -> str:
        text = self._joiner.add(piece)
        self._pieces.append(text)
        return text

    def _rest(self) -> str:
        text = self._joiner.end(is_cut=False)
        self._pieces.append(text)
        return text


class AnswerBlock(_JsonBlock):
    """The answer in JSON: the input of a tool that stands for it."""

    def add(self, kind: str, piece: str) -> Chunk:
        """Return the text of the answer."""
        return Chunk(text=self._take(piece))

    def end(self) -> Chunk:
        """Return the rest of it."""
        return Chunk(text=self._rest())


class CallBlock(_JsonBlock):
    """A call of a function."""

    def __init__(self, index: int, call_id: str, name: str) -> None:
        super().__init__()
        self._index = index
        self._call_id = call_id
        self._name = name
        self.is_invalid = False
        """Whether it was closed as one whose arguments cannot be used."""

    def begin(self) -> Chunk:
        """Return the piece that names it."""
        return _call(ToolCallDelta(index=self._index, id=self._call_id, name=self._name))

    def add(self, kind: str, piece: str) -> Chunk:
        """Return a piece of its arguments."""
        text = self._take(piece)
        return _call(ToolCallDelta(index=self._index, arguments_json=text)) if text else Chunk()

    def end(self) -> Chunk:
        """Return the rest of them."""
        text = self._rest()
        return _call(ToolCallDelta(index=self._index, arguments_json=text)) if text else Chunk()

    def close(self, *, is_cut: bool) -> Chunk:
        """Return the last piece, if it needs one; `is_cut`: it may lack a part, though it looks whole.

        A call without arguments comes without a piece of them.
        """
        is_empty = not self.json_text
        self.is_invalid = is_cut or (self.is_cut and not is_empty)
        if self.is_invalid:
            return _call(ToolCallDelta(index=self._index, arguments_invalid=True))
        return _call(ToolCallDelta(index=self._index, arguments_json="{}")) if is_empty else Chunk()


class CustomCallBlock(CallBlock):
    """A call of a tool of free text, which the model wrote as the one argument of a function."""

    def begin(self) -> Chunk:
        """Return the piece that names it."""
        return _call(ToolCallDelta(index=self._index, id=self._call_id, name=self._name, is_custom=True))

    def add(self, kind: str, piece: str) -> Chunk:
        """Return nothing yet: the text is known when it is whole."""
        self._take(piece)
        return Chunk()

    def end(self) -> Chunk:
        """Return nothing yet."""
        self._rest()
        return Chunk()

    def close(self, *, is_cut: bool) -> Chunk:
        """Return the text, or what came in its place."""
        value = self.value
        text = value.get(INPUT) if isinstance(value, dict) else None
        self.is_invalid = is_cut or not isinstance(text, str)
        said = text if isinstance(text, str) else self.json_text
        return _call(ToolCallDelta(index=self._index, input=said, arguments_invalid=self.is_invalid))


def block_of(block: Mapping[str, object], form: ReplyForm, calls: int) -> Block:
    """Return the block that begins, after so many calls; raises UnreadableAnswer for what may be any part."""
    kind = text_of(block, "type")
    match kind:
        case "text":
            return TextBlock()
        case "thinking":
            return ThoughtBlock()
        case "redacted_thinking":
            return RedactedBlock(text_of(block, "data"))
        case "tool_use":
            return _call_of(block, form, calls)
    if kind in _OTHER_BLOCKS or kind.endswith("_tool_result"):
        return Block()
    raise UnreadableAnswer("a block is of a type that is not known")


def _call_of(block: Mapping[str, object], form: ReplyForm, calls: int) -> Block:
    name, call_id = text_of(block, "name"), text_of(block, "id")
    if not name or not call_id:
        raise UnreadableAnswer("a call has no name or no id")
    if name == form.answer_tool:
        return AnswerBlock()
    of_kind = CustomCallBlock if name in form.custom_tools else CallBlock
    return of_kind(calls, call_id, name)


def text_of(holder: object, key: str) -> str:
    """Return a text that may be absent; raises UnreadableAnswer for what is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableAnswer(f"{key} is not a string")
    return value


def _thought(text: str, opaque: bytes = b"") -> Chunk:
    return Chunk(reasoning=(ReasoningDelta(text=text, opaque=opaque),)) if text or opaque else Chunk()


def _call(delta: ToolCallDelta) -> Chunk:
    return Chunk(tool_calls=(delta,))


def joined(*chunks: Chunk) -> Chunk:
    """Return all that several chunks hold as one."""
    held = [chunk for chunk in chunks if chunk.has_output]
    if len(held) == 1:
        return held[0]
    return Chunk(
        text="".join(chunk.text for chunk in held),
        reasoning=tuple(each for chunk in held for each in chunk.reasoning),
        tool_calls=tuple(each for chunk in held for each in chunk.tool_calls),
    )
