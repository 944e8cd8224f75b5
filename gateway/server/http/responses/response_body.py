"""A response as a body: whole, and as it is while it is made."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.answer import Answer, FinishReason, Usage
from gateway.pipeline.buffered import deltas_of
from gateway.server.http.dialect import Body, Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.reply import model_of
from gateway.server.http.responses.namespaces import names_of
from gateway.server.http.responses.output_items import OutputItems

_INCOMPLETE: Mapping[FinishReason | None, str] = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


def status_of(answer: Answer) -> str:
    """Return the status of a response that has ended, and of its last item."""
    return "incomplete" if answer.finish_reason in _INCOMPLETE else "completed"


def response_of(answer: Answer, body: Body, served: Served) -> dict[str, Any]:
    """Return the body of a whole answer."""
    items = OutputItems(served, model=answer.model, names=names_of(body))
    for delta in deltas_of(answer):
        for _ in items.add(delta):
            pass
    return ended(answer, body, served, output=items.output(status_of(answer)))


def ended(answer: Answer, body: Body, served: Served, *, output: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a response that has ended, well or at a limit."""
    why = _INCOMPLETE.get(answer.finish_reason)
    response = begun(model_of(answer), body, served) | {
        "status": status_of(answer),
        "incomplete_details": None if why is None else {"reason": why},
        "output": output,
    }
    if answer.usage is not None:
        response["usage"] = _usage(answer.usage)
    return response | gateway_member(answer, served)


def begun(model: str, body: Body, served: Served) -> dict[str, Any]:
    """Return a response to which nothing was said yet; tools and instructions are not repeated."""
    return {
        "id": f"resp_{served.request_id}",
        "object": "response",
        "created_at": served.created_unix_s,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "store": False,
        "temperature": body.get("temperature"),
        "tool_choice": "auto",
        "tools": [],
        "top_p": body.get("top_p"),
        "usage": None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_prompt_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
