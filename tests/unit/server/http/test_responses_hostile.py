"""Whatever JSON comes as a request for a response, it is a request or an error that names a member."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.http.responses.responses_api import Responses
from tests.support.draws import examples
from tests.support.hostile_json import JSON, changed, error_of, places, taken

RESPONSES = Responses()
WHOLE: dict[str, Any] = {
    "model": "auto",
    "instructions": "Be kind.",
    "input": [
        {"type": "message", "role": "developer", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": "gw1.ImEiCg",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {
            "type": "function_call",
            "call_id": "c",
            "name": "f",
            "namespace": "n",
            "arguments": "{}",
            "extra_content": {"google": {"thought_signature": "gw1.ImEiCg"}},
        },
        {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "42"}]},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "43"},
    ],
    "tools": [
        {
            "type": "namespace",
            "name": "n",
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        },
        {
            "type": "custom",
            "name": "g",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
        },
        {"type": "web_search"},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "namespace": "n", "name": "f"}, {"type": "custom", "name": "g"}],
    },
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "top_logprobs": 2,
    "max_output_tokens": 5,
    "temperature": 1,
    "store": False,
    "stream": True,
}


def test_the_whole_request_is_taken() -> None:
    """So that what replaces a part of it is what is judged."""
    assert len(taken(RESPONSES, WHOLE).messages) == 5


@settings(max_examples=examples(600))
@given(st.sampled_from(list(places(WHOLE))), JSON, st.booleans())
def test_any_part_may_be_any_json(way: tuple[Any, ...], value: Any, is_extra: bool) -> None:
    """In the place of a part of a request, or beside it under another name."""
    assert error_of(RESPONSES, changed(WHOLE, way, value, is_extra=is_extra)) != ""


@settings(max_examples=examples(200))
@given(st.dictionaries(st.sampled_from(sorted(WHOLE)) | st.text(min_size=1), JSON))
def test_any_object_may_be_a_body(body: dict[str, Any]) -> None:
    """Also one that has nothing in common with a request."""
    assert error_of(RESPONSES, body) != ""
