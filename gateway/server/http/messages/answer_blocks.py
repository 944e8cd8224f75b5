"""A whole answer as Anthropic's clients read it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.domain.answer import Answer, FinishReason, Usage
from gateway.domain.conversation import Part, Reasoning, Text, ToolCall
from gateway.server.http.dialect import Body, Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.messages.content_blocks import CALL_MARK
from gateway.server.http.opaque import wrap
from gateway.server.http.reply import model_of

Json = dict[str, Any]

NO_OBJECT: Final = "arguments"
"""Holds arguments that are no JSON object, which no block can have: their value, or what is no JSON."""
_BYTES_PER_TOKEN: Final = 4
_STOP_REASONS: Final[Mapping[FinishReason | None, str]] = {
    None: "end_turn",
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.TOOL_CALLS: "tool_use",
}


def message_of(answer: Answer, body: Body, served: Served) -> Json:
    """Return the body of an answer."""
    content = [block for part in answer.message.all_parts for block in _blocks(part, answer.model)]
    message = empty_message(served, model_of(answer)) | {"content": content} | ending_of(answer, body)
    return message | {"usage": usage_of(answer)} | gateway_member(answer, served)


def empty_message(served: Served, model: str) -> Json:
    """Return a message that has only begun."""
    return {
        "id": f"msg_{served.request_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def ending_of(answer: Answer, body: Body) -> Json:
    """Return why an answer ended.

    One with a call whose arguments are not JSON counts as cut, lest somebody runs it. Models that do not say
    which of several stop sequences they met leave it open.
    """
    reason = answer.finish_reason
    if any(call.arguments_invalid for call in answer.message.tool_calls):
        reason = FinishReason.LENGTH
    met = None
    if reason is FinishReason.STOP_SEQUENCE:
        stops: Sequence[str] = body.get("stop_sequences") or ()
        met = next((stop for stop in stops if stop == answer.stop_sequence or len(stops) == 1), None)
    return {"stop_reason": _STOP_REASONS[reason], "stop_sequence": met}


def usage_of(answer: Answer) -> Json:
    """Return the tokens of an answer: estimates where its model did not count, none of a canned reply."""
    usage = answer.usage
    if usage is None and answer.degraded is None:
        facts = answer.decision.routing_input
        usage = Usage(
            prompt_tokens=0 if facts is None else facts.prompt_tokens,
            completion_tokens=math.ceil(len(answer.text.encode()) / _BYTES_PER_TOKEN),
        )
    return usage_object_of(usage or Usage(prompt_tokens=0, completion_tokens=0))


def usage_object_of(usage: Usage) -> Json:
    """Return tokens as Anthropic counts them: those of its cache are beside the others."""
    cached, written = usage.cached_prompt_tokens, usage.cache_write_tokens
    counts: Json = {
        "input_tokens": max(0, usage.prompt_tokens - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


def signature_block(call_id: str, model: str, opaque: bytes) -> Json:
    """Return what a provider wants back with a call: a block that clients keep beside the call, unread."""
    return {
        "type": "redacted_thinking",
        "data": wrap(model, CALL_MARK + call_id.encode() + b"\0" + opaque),
    }


def _blocks(part: Part, model: str) -> Iterator[Json]:
    match part:
        case Text() if part.text:
            yield {"type": "text", "text": part.text}
        case Reasoning():
            yield {"type": "thinking", "thinking": part.text, "signature": wrap(part.model, part.opaque)}
        case ToolCall():
            if part.opaque:
                yield signature_block(part.id, part.model or model, part.opaque)
            yield {"type": "tool_use", "id": part.id, "name": part.name, "input": _input_of(part)}


def _input_of(call: ToolCall) -> Json:
    if not call.arguments_json.strip():
        return {}
    try:
        value = json.loads(call.arguments_json)
    except (ValueError, RecursionError):
        return {NO_OBJECT: call.arguments_json}
    return value if isinstance(value, dict) else {NO_OBJECT: value}
