"""The turns of Anthropic's Messages API: strict parsing into messages, one for each turn and each result."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from gateway.simulate.apis.sealed import signature_of_thought, unsealed
from gateway.simulate.chat_error import ChatError, object_of
from gateway.simulate.messages import MadeCall, SentMessage

MOST_MARKS: Final = 4
"""Most places of a prompt that may be marked for the cache."""
THOUGHTS: Final = ("thinking", "redacted_thinking")
_ID: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset(("text", "citations")),
    "image": frozenset(("source",)),
    "document": frozenset(("source", "title", "context", "citations")),
    "tool_use": frozenset(("id", "name", "input", "caller")),
    "tool_result": frozenset(("tool_use_id", "content", "is_error")),
    "thinking": frozenset(("thinking", "signature")),
    "redacted_thinking": frozenset(("data",)),
}
"""The types of blocks, and the fields of each beside type and cache_control."""
_OF_USER: Final = ("text", "image", "document", "tool_result")
_OF_ASSISTANT: Final = ("text", "tool_use", *THOUGHTS)
_SOURCES: Final = {"base64": "data", "url": "url", "text": "data", "file": "file_id"}


def refuse(at: str, rule: str) -> ChatError:
    """Return the error for a field, in Anthropic's words: its place comes first."""
    return ChatError(400, f"{at}: {rule}")


def check(holds: bool, at: str, rule: str) -> None:
    """Raise ChatError unless the rule of a field holds."""
    if not holds:
        raise refuse(at, rule)


@dataclass(slots=True)
class SentTurns:
    """The messages of a request, and which of them end at a mark for the cache."""

    model: str
    messages: list[SentMessage] = field(default_factory=list)
    marked: set[int] = field(default_factory=set)
    marks: int = 0
    """How many marks there are, also those inside messages."""
    first_kinds: list[tuple[str, str]] = field(default_factory=list)
    """The role of each turn, and the type of its first block."""

    def add_system(self, value: object) -> None:
        """Add the system text; raises ChatError."""
        if value is None:
            return
        blocks = _blocks(value, "system")
        for i, block in enumerate(blocks):
            check(block.get("type") == "text", f"system.{i}.type", "Input should be 'text'")
        text = "".join(self._text(block, f"system.{i}") for i, block in enumerate(blocks))
        self._append([SentMessage(role="system", content=text)], blocks)

    def add(self, value: object) -> None:
        """Add `messages`; raises ChatError for the first that Anthropic would refuse."""
        check(isinstance(value, list) and bool(value), "messages", "at least one message is required")
        turns = [object_of(turn) for turn in cast(list[object], value)]
        waiting: tuple[str, ...] = ()
        for i, turn in enumerate(turns):
            at = f"messages.{i}"
            role = turn.get("role")
            check(role in ("user", "assistant"), f"{at}.role", "Input should be 'user' or 'assistant'")
            check(set(turn) == {"role", "content"}, at, "Extra inputs are not permitted")
            check(i > 0 or role == "user", at, 'first message must use the "user" role')
            blocks = _blocks(turn["content"], f"{at}.content")
            is_last = i == len(turns) - 1
            check(bool(blocks) or (is_last and role == "assistant"), at, "all messages must have content")
            self._check_results(blocks, waiting, i)
            if role == "user":
                self._append(self._user(blocks, at), blocks)
            else:
                self._append([self._assistant(blocks, at)], blocks)
            waiting = tuple(str(block["id"]) for block in blocks if block["type"] == "tool_use")
            self.first_kinds.append((str(role), str(blocks[0]["type"]) if blocks else ""))
        if waiting:
            raise _unanswered(len(turns) - 1, waiting)
        last = self.messages[-1]
        is_begun = last.role == "assistant"
        end = "final assistant content cannot end with trailing whitespace"
        check(not is_begun or last.content == last.content.rstrip(), "messages", end)

    def _append(self, messages: list[SentMessage], blocks: Sequence[Mapping[str, object]]) -> None:
        marked = [i for i, block in enumerate(blocks) if block.get("cache_control") is not None]
        self.marks += len(marked)
        if marked and self.messages and marked != [len(blocks) - 1]:
            self.marked.add(len(self.messages) - 1)  # Of a mark inside a message, what is before it.
        self.messages += messages
        if marked and marked[-1] == len(blocks) - 1:
            self.marked.add(len(self.messages) - 1)

    def _check_results(
        self, blocks: Sequence[Mapping[str, object]], waiting: tuple[str, ...], i: int
    ) -> None:
        """Check that the results of a turn are those of the calls in the turn before it, and come first."""
        results = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
        if unknown := [each for each in results if each not in waiting]:
            at = f"messages.{i}.content.0"
            raise refuse(at, f"unexpected `tool_use_id` found in `tool_result` blocks: {unknown[0][:64]}")
        if missing := tuple(each for each in waiting if each not in results):
            raise _unanswered(i - 1, missing)
        check(len(set(results)) == len(results), f"messages.{i}", "each tool_use must have a single result")
        are_first = all(block.get("type") == "tool_result" for block in blocks[: len(results)])
        check(are_first, f"messages.{i}", "tool_result blocks must come before all other content")

    def _user(self, blocks: Sequence[Mapping[str, object]], at: str) -> list[SentMessage]:
        results: list[SentMessage] = []
        said = SentMessage(role="user", content="")
        for i, block in enumerate(blocks):
            place = f"{at}.content.{i}"
            kind = block["type"]
            check(kind in _OF_USER, f"{place}.type", f"Input should be one of {', '.join(_OF_USER)}")
            if kind == "text":
                said = replace(said, content=said.content + self._text(block, place))
            elif kind == "tool_result":
                results.append(self._result(block, place))
            else:
                _check_source(block, place)
                said = replace(said, attachments=said.attachments + 1)
        return results if len(results) == len(blocks) else [*results, said]

    def _result(self, block: Mapping[str, object], at: str) -> SentMessage:
        inner = _blocks(block.get("content", ""), f"{at}.content") if block.get("content") else []
        texts = [self._text(each, f"{at}.content.{i}") for i, each in enumerate(inner) if "text" in each]
        for i, each in enumerate(inner):
            if each["type"] != "text":
                _check_source(each, f"{at}.content.{i}")
        attachments = len(inner) - len(texts)
        call_id = str(block["tool_use_id"])
        return SentMessage(role="tool", content="".join(texts), call_id=call_id, attachments=attachments)

    def _assistant(self, blocks: Sequence[Mapping[str, object]], at: str) -> SentMessage:
        texts, thoughts, calls = "", "", list[MadeCall]()
        for i, block in enumerate(blocks):
            place = f"{at}.content.{i}"
            kind = block["type"]
            check(
                kind in _OF_ASSISTANT, f"{place}.type", f"Input should be one of {', '.join(_OF_ASSISTANT)}"
            )
            if kind == "text":
                texts += self._text(block, place)
            elif kind == "tool_use":
                calls.append(_call(block, place))
            else:
                thoughts += self._thought(block, place)
        ids = [call.id for call in calls]
        check(len(set(ids)) == len(ids), at, "`tool_use` ids must be unique")
        ends = not blocks or blocks[-1]["type"] not in THOUGHTS
        check(ends, f"{at}.content", "The final block in an assistant message cannot be `thinking`.")
        return SentMessage(role="assistant", content=texts, thought=thoughts, calls=tuple(calls))

    def _thought(self, block: Mapping[str, object], at: str) -> str:
        if block["type"] == "redacted_thinking":
            thought = unsealed(self.model, str(block.get("data")))
            if thought is None:
                raise refuse(at, "Invalid `data` in `redacted_thinking` block")
            return thought
        text, signature = block.get("thinking"), block.get("signature")
        check(isinstance(signature, str), f"{at}.thinking.signature", "Field required")
        # Of a thought that was not shown, the signature holds all of it.
        thought = unsealed(self.model, str(signature)) if text == "" else None
        if thought is None and signature != signature_of_thought(self.model, str(text)):
            raise refuse(at, "Invalid `signature` in `thinking` block")
        return thought or str(text)

    def _text(self, block: Mapping[str, object], at: str) -> str:
        text = block.get("text")
        check(isinstance(text, str), f"{at}.text", "Input should be a valid string")
        check(bool(text), at, "text content blocks must be non-empty")
        check(bool(str(text).strip()), at, "text content blocks must contain non-whitespace text")
        return str(text)


def _blocks(value: object, at: str) -> list[dict[str, object]]:
    """Return content as blocks whose fields are known."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}] if value else []
    check(isinstance(value, list), at, "Input should be a valid string or list")
    blocks = [object_of(block) for block in cast(list[object], value)]
    for i, block in enumerate(blocks):
        kind = str(block.get("type"))
        check(kind in _FIELDS, f"{at}.{i}", f"Input tag '{kind[:32]}' found using 'type' does not match any")
        extra = sorted(set(block) - _FIELDS[kind] - {"type", "cache_control"})
        check(not extra, f"{at}.{i}.{extra[0][:64] if extra else ''}", "Extra inputs are not permitted")
        check_mark(block, f"{at}.{i}", is_taken=kind not in THOUGHTS)
    return blocks


def check_mark(block: Mapping[str, object], at: str, *, is_taken: bool = True) -> None:
    """Check the mark for the cache of a block, if it has one; raises ChatError."""
    mark = block.get("cache_control")
    is_right = mark is None or (is_taken and object_of(mark).get("type") == "ephemeral")
    check(is_right, f"{at}.cache_control", "must be of type ephemeral, and not on a thought")


def _check_source(block: Mapping[str, object], at: str) -> None:
    check(block["type"] in ("image", "document"), f"{at}.type", "Input should be text, image or document")
    source = object_of(block.get("source"))
    kind = str(source.get("type"))
    is_known = kind in _SOURCES and isinstance(source.get(_SOURCES[kind]), str)
    check(is_known, f"{at}.source", f"must be one of {', '.join(_SOURCES)}, with its value")


def _call(block: Mapping[str, object], at: str) -> MadeCall:
    call_id, name, given = block.get("id"), block.get("name"), block.get("input")
    is_id = isinstance(call_id, str) and _ID.fullmatch(call_id) is not None
    check(is_id, f"{at}.tool_use.id", f"String should match pattern '^{_ID.pattern}$'")
    check(isinstance(name, str) and bool(name), f"{at}.tool_use.name", "Input should be a valid string")
    check(isinstance(given, dict), f"{at}.tool_use.input", "Input should be a valid dictionary")
    return MadeCall(id=str(call_id), name=str(name), arguments=json.dumps(given))


def _unanswered(i: int, call_ids: tuple[str, ...]) -> ChatError:
    rule = "`tool_use` ids were found without `tool_result` blocks immediately after"
    return refuse(f"messages.{i + 1}", f"{rule}: {', '.join(call_ids)[:200]}")
