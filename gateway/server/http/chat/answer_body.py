"""A whole answer as a chat completion, and the members that a stream has too."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.domain.answer import Answer, FinishReason, TokenLogprob, TopLogprob, Usage
from gateway.domain.conversation import Reasoning, ToolCall
from gateway.server.http.chat.thoughts import sealed_thought, with_signature
from gateway.server.http.dialect import Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.reply import model_of

FINISH_REASONS: Mapping[FinishReason | None, str] = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.TOOL_CALLS: "tool_calls",
    None: "stop",  # Of a canned reply.
}


def completion_of(answer: Answer, served: Served) -> dict[str, Any]:
    """Return the body of an answer."""
    choice = {
        "index": 0,
        "message": _message(answer),
        "logprobs": logprobs_of(answer.logprobs),
        "finish_reason": FINISH_REASONS[answer.finish_reason],
    }
    body = head_of(served, model_of(answer), kind="chat.completion") | {"choices": [choice]}
    if answer.usage is not None:
        body["usage"] = usage_of(answer.usage)
    return body | gateway_member(answer, served)


def head_of(served: Served, model: str, *, kind: str) -> dict[str, Any]:
    """Return the members that are the same in a completion and in every chunk of one."""
    return {
        "id": f"chatcmpl-{served.request_id}",
        "object": kind,
        "created": served.created_unix_s,
        "model": model,
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return the tokens, every number there: strict readers take no null."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_prompt_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def logprobs_of(logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """Return the log probabilities of tokens; None where there are none."""
    if not logprobs:
        return None
    content = [_logprob(each) | {"top_logprobs": [_logprob(one) for one in each.top]} for each in logprobs]
    return {"content": content, "refusal": None}


def _logprob(each: TokenLogprob | TopLogprob) -> dict[str, Any]:
    token_bytes = list(each.token_bytes) if each.token_bytes else None
    return {"token": each.token, "logprob": each.logprob, "bytes": token_bytes}


def _message(answer: Answer) -> dict[str, Any]:
    message = answer.message
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    calls = message.tool_calls
    said: dict[str, Any] = {"role": "assistant", "content": message.text, "refusal": None}
    if calls:
        said["content"] = message.text or None
        said["tool_calls"] = list(map(_call, calls))
    return said | _thought_members(thoughts)


def _thought_members(thoughts: Iterable[Reasoning]) -> dict[str, Any]:
    kept = list(thoughts)
    if not kept:
        return {}
    return {
        "reasoning_content": "".join(thought.text for thought in kept),
        "reasoning_details": [
            sealed_thought(thought.model, thought.opaque, index=i, chars=len(thought.text))
            for i, thought in enumerate(kept)
        ],
    }


def _call(call: ToolCall) -> dict[str, Any]:
    if call.is_custom:
        said: dict[str, Any] = {
            "id": call.id,
            "type": "custom",
            "custom": {"name": call.name, "input": call.input},
        }
    else:
        function = {"name": call.name, "arguments": call.arguments_json}
        said = {"id": call.id, "type": "function", "function": function}
    return with_signature(said, call.model, call.opaque)
