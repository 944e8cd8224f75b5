"""Whatever JSON comes as a request for a chat completion, it is a request or an error that names a member."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.http.chat.completions import ChatCompletions
from tests.support.draws import examples
from tests.support.hostile_json import JSON, changed, error_of, places, taken

CHAT = ChatCompletions()
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


def test_the_whole_request_is_taken() -> None:
    """So that what replaces a part of it is what is judged."""
    assert len(taken(CHAT, WHOLE).messages) == 4


@settings(max_examples=examples(600))
@given(st.sampled_from(list(places(WHOLE))), JSON, st.booleans())
def test_any_part_may_be_any_json(way: tuple[Any, ...], value: Any, is_extra: bool) -> None:
    """In the place of a part of a request, or beside it under another name."""
    assert error_of(CHAT, changed(WHOLE, way, value, is_extra=is_extra)) != ""


@settings(max_examples=examples(200))
@given(st.dictionaries(st.sampled_from(sorted(WHOLE)) | st.text(min_size=1), JSON))
def test_any_object_may_be_a_body(body: dict[str, Any]) -> None:
    """Also one that has nothing in common with a request."""
    assert error_of(CHAT, body) != ""
