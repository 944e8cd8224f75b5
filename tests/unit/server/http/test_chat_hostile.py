"""Whatever JSON comes as a request for a chat completion, it is a request or an error that names a member."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.request import Request
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import finished
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.validation.request import checking_steps
from tests.support.draws import examples

CHAT = ChatCompletions()
BASE = Request(request_id="r", tenant="t", messages=())
PDF = "data:application/pdf;base64,eA=="
WHOLE: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "developer", "content": "Be kind.", "name": "op"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "low"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "reasoning_details": [{"type": "x", "format": "gateway-v1", "chars": 2, "data": "gw1.ImEiCg"}],
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "gw1.ImEiCg"}},
                },
                {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}},
        {
            "type": "custom",
            "custom": {
                "name": "g",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}},
            },
        },
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["a"],
    "logit_bias": {"1": 2},
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": 5,
    "max_completion_tokens": 5,
    "seed": 1,
    "temperature": 1,
    "reasoning": {"effort": "low", "max_tokens": 5, "exclude": False},
    "n": 1,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value within another one."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield (*at, key)
        yield from places(inner, (*at, key))


def error_of(body: dict[str, Any]) -> str | None:
    """Take a body as the gateway does; return the member that is to blame, None for a request."""
    section = HttpPolicy(drop_hosted_tools=True)
    try:
        request = CHAT.parse(body, BASE, section)
    except InvalidRequest as error:
        return error.field
    try:
        finished(checking_steps(request))
    except InvalidRequest as error:
        return CHAT.place(error.field, body)
    return None


def test_the_whole_request_is_taken() -> None:
    """So that what replaces a part of it is what is judged."""
    section = HttpPolicy(drop_hosted_tools=True)
    assert len(finished(checking_steps(CHAT.parse(WHOLE, BASE, section))).messages) == 4


@settings(max_examples=examples(600))
@given(st.sampled_from(list(places(WHOLE))), JSON, st.booleans())
def test_any_part_may_be_any_json(way: tuple[Any, ...], value: Any, is_extra: bool) -> None:
    """In the place of a part of a request, or beside it under another name."""
    body = copy.deepcopy(WHOLE)
    holder = body
    for key in way[:-1]:
        holder = holder[key]
    if is_extra and isinstance(holder, dict):
        holder[f"{way[-1]}_"] = value
    else:
        holder[way[-1]] = value
    assert error_of(body) != ""


@settings(max_examples=examples(200))
@given(st.dictionaries(st.sampled_from(sorted(WHOLE)) | st.text(), JSON))
def test_any_object_may_be_a_body(body: dict[str, Any]) -> None:
    """Also one that has nothing in common with a request."""
    assert error_of(body) != ""
