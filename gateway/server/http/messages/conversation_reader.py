"""The conversation of a request: its system text and its turns, as messages of the domain.

A turn of the user with results of tools becomes two messages: the results, which answer the calls before
them, and the rest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.domain.conversation import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from gateway.errors import InvalidRequest
from gateway.server.http.members import Members
from gateway.server.http.messages.content_blocks import (
    CALL_MARK,
    Placed,
    assistant_block,
    text_block,
    user_block,
)

BILLING_LINE: Final = re.compile(r"\Ax-anthropic-billing-header:[^\n]*\n*")
"""Claude Code begins its system text so. The line is another one in every request: behind it no prompt would
have the beginning of the one before, and nothing could be read from a cache."""
_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


class PlacedMessage(NamedTuple):
    """A message, and where in the request it was written."""

    message: Message
    place: str
    parts: tuple[str, ...] = ()
    """The place of each part."""


def conversation_of(request: Members, *, drops_hosted: bool) -> list[PlacedMessage]:
    """Return the messages of a request, the system text first; raises InvalidRequest."""
    turns = list(request.objects("messages"))
    if not turns:
        raise InvalidRequest("messages", "must have at least one message")
    messages = list(_system(request))
    for i, turn in enumerate(turns):
        found = list(_turn(turn, drops_hosted=drops_hosted))
        turn.refuse_rest()
        is_last = i == len(turns) - 1
        if is_last and len(found) == 1 and _is_empty_answer(found[0].message):
            continue
        messages += found
    return messages


def _system(request: Members) -> Iterator[PlacedMessage]:
    value = request.value("system")
    if value is None:
        return
    texts = [value] if isinstance(value, str) else [text_block(each) for each in request.objects("system")]
    text = "\n\n".join(kept for each in texts if (kept := BILLING_LINE.sub("", each)))
    if text.strip():
        yield PlacedMessage(Message(role=Role.SYSTEM, content=text), request.at("system"))


def _turn(turn: Members, *, drops_hosted: bool) -> Iterator[PlacedMessage]:
    role = turn.needed("role", _ROLES)
    content, place = turn.value("content"), turn.at("content")
    if content is None:
        raise InvalidRequest(place, "must be there, a string or a list of blocks")
    if isinstance(content, str):
        yield PlacedMessage(Message(role=role, content=content), place)
        return
    blocks = turn.objects("content")
    if role is Role.SYSTEM:
        text = "\n\n".join(text_block(each) for each in blocks)
        yield PlacedMessage(Message(role=role, content=text), place)
    elif role is Role.ASSISTANT:
        said = [each for block in blocks for each in assistant_block(block, drops_hosted=drops_hosted)]
        yield _message(role, _with_signatures(said), place)
    else:
        parts = [each for block in blocks for each in user_block(block)]
        results = [each for each in parts if isinstance(each[0], ToolResult)]
        others = [each for each in parts if not isinstance(each[0], ToolResult)]
        if results:
            yield _message(Role.TOOL, results, place)
        if others or not results:
            yield _message(role, others, place)


def _message(role: Role, placed: list[Placed], place: str) -> PlacedMessage:
    parts, places = tuple(part for part, _ in placed), tuple(each for _, each in placed)
    if not parts:
        return PlacedMessage(Message(role=role), place)
    if len(parts) == 1 and isinstance(parts[0], Text):
        return PlacedMessage(Message(role=role, content=parts[0].text), places[0])
    return PlacedMessage(Message(role=role, parts=parts), place, places)


def _with_signatures(placed: Iterable[Placed]) -> list[Placed]:
    """Return the parts, with the signatures of calls, which travel as thoughts, in their calls."""
    signatures: dict[str, tuple[str, bytes]] = {}
    others: list[Placed] = []
    for part, place in placed:
        if isinstance(part, Reasoning) and part.opaque.startswith(CALL_MARK):
            call_id, _, opaque = part.opaque.removeprefix(CALL_MARK).partition(b"\0")
            signatures[call_id.decode("utf-8", "replace")] = part.model, opaque
        else:
            others.append((part, place))
    return [(_signed(part, signatures) if signatures else part, place) for part, place in others]


def _signed(part: Part, signatures: Mapping[str, tuple[str, bytes]]) -> Part:
    if not isinstance(part, ToolCall) or part.id not in signatures:
        return part
    model, opaque = signatures[part.id]
    return replace(part, model=model, opaque=opaque)


def _is_empty_answer(message: Message) -> bool:
    """Say whether it begins the answer with nothing, which Anthropic allows."""
    return message.role is Role.ASSISTANT and not message.parts and not message.content.strip()
