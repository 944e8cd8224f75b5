"""Anthropic's Messages API: what it refuses, and how it writes an answer, whole or in events; pure."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]

MOST_BREAKPOINTS: Final = 4
"""Ends of parts of the prompt that are kept; the API refuses more."""


def text_block(text: str) -> Json:
    """Return a block of text."""
    return {"type": "text", "text": text}


def thinking_block(thinking: str, signature: str = "c2ln") -> Json:
    """Return a thought."""
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def tool_block(name: str, given: object, call_id: str = "toolu_01") -> Json:
    """Return a call of a tool."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def message(*content: Json, stop_reason: str | None = "end_turn", usage: object = None) -> Json:
    """Return an answer in one piece."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 40} if usage is None else usage,
    }


def events_of(answer: Mapping[str, Any], *, piece_chars: int = 5) -> list[Json]:
    """Return an answer as the events of a stream; texts come in pieces of so many characters."""
    usage = answer["usage"]
    begun = {**answer, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(answer["content"]):
        events += _block_events(index, block, piece_chars)
    end = {"stop_reason": answer["stop_reason"], "stop_sequence": answer["stop_sequence"]}
    counts = {"output_tokens": usage["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": end, "usage": counts}, {"type": "message_stop"}]


def _block_events(index: int, block: Json, piece_chars: int) -> Iterator[Json]:
    empty: Json = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield {
        "type": "content_block_start",
        "index": index,
        "content_block": block | empty.get(block["type"], {}),
    }
    pieces: list[tuple[str, str, str]] = []
    match block["type"]:
        case "text":
            pieces = [("text_delta", "text", block["text"])]
        case "thinking":
            pieces = [("thinking_delta", "thinking", block["thinking"])]
        case "tool_use":
            pieces = [
                ("input_json_delta", "partial_json", json.dumps(block["input"]) if block["input"] else "")
            ]
    for kind, field, whole in pieces:
        for at in range(0, len(whole), piece_chars):
            delta = {"type": kind, field: whole[at : at + piece_chars]}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
    if block["type"] == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        yield {"type": "content_block_delta", "index": index, "delta": signed}
    yield {"type": "content_block_stop", "index": index}


def wire(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Return events as they go over the wire."""
    return b"".join(
        f"event: {event.get('type', '')}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


def problems_of(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the API refuses of a request, by the rules that its reference states."""
    messages = body["messages"]
    roles = [each["role"] for each in messages]
    if not roles or roles[0] != "user":
        yield "the first message is not the user's"
    if any(one == other for one, other in itertools.pairwise(roles)):
        yield "roles do not alternate"
    open_calls: set[str] = set()
    for each in messages:
        kinds = [block["type"] for block in each["content"]]
        results = {block["tool_use_id"] for block in each["content"] if block["type"] == "tool_result"}
        if results != open_calls:
            yield "results do not answer the calls before them"
        if "tool_result" in kinds and kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
            yield "a result does not come first"
        open_calls = {block["id"] for block in each["content"] if block["type"] == "tool_use"}
        yield from _block_problems(each["content"])
    yield from _block_problems(body.get("system", []))
    if open_calls:
        yield "a call has no result"
    if any(kind in json.dumps(messages) for kind in ('"tool_use"', '"tool_result"')) and not body.get(
        "tools"
    ):
        yield "there are calls and no tools"
    if json.dumps(body).count('"cache_control"') > MOST_BREAKPOINTS:
        yield "there are too many breakpoints"
    yield from _field_problems(body)


def _block_problems(blocks: Sequence[Json]) -> Iterator[str]:
    if not blocks:
        return
    for block in blocks:
        if block["type"] == "text" and not block["text"].strip():
            yield "a text is empty"
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            yield "an input is no object"
        if block["type"] in ("thinking", "redacted_thinking") and "cache_control" in block:
            yield "a thought cannot be kept"
    if blocks[-1]["type"] in ("thinking", "redacted_thinking"):
        yield "a message ends in a thought"


def _field_problems(body: Mapping[str, Any]) -> Iterator[str]:
    known = {
        "model", "max_tokens", "messages", "system", "stream", "tools", "tool_choice", "stop_sequences",
        "temperature", "top_p", "top_k", "thinking", "output_config",
    }  # fmt: skip
    yield from (f"unknown field {name}" for name in sorted(set(body) - known))
    thinking = body.get("thinking", {}).get("type")
    if thinking in ("enabled", "adaptive"):
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            yield "Thinking may not be enabled when tool_choice forces tool use"
        if body.get("temperature", 1) != 1 or "top_k" in body:
            yield "temperature may only be set to 1 when thinking is enabled"
    if thinking == "enabled" and not 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]:
        yield "budget_tokens must be at least 1024 and below max_tokens"
    if not 0 <= body.get("temperature", 1) <= 1:
        yield "temperature must be from 0 to 1"
    if "temperature" in body and "top_p" in body:
        yield "temperature and top_p cannot both be specified"
