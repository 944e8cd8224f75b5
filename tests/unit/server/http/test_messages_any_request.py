"""Whatever a request of the Messages API holds, it is taken or refused by name; nothing else happens."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.request import Request
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import finished
from gateway.policy.http import HttpPolicy
from gateway.server.http.messages.messages_dialect import MessagesDialect
from gateway.server.http.opaque import wrap
from gateway.server.validation.request import checking_steps

Place = tuple[str | int, ...]

DIALECT = MessagesDialect()
PIXEL = {"type": "base64", "media_type": "image/png", "data": "eA=="}
WHOLE: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be kind."}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hello"},
                {"type": "image", "source": PIXEL},
                {"type": "document", "source": {"type": "text", "data": "read"}, "title": "T"},
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
                },
                {"type": "search_result", "title": "T", "source": "S", "content": []},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": wrap("able", b"s")},
                {"type": "redacted_thinking", "data": wrap("able", b"tool_call:c1\0s")},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "sea"}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "image", "source": PIXEL}]}
            ],
        },
        {"role": "system", "content": "Mind the gap."},
    ],
    "tools": [
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
    ],
    "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u_session_1"},
    "stop_sequences": ["END"],
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 3,
    "stream": True,
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["", " ", "text", "tool_use", "image", "user", "assistant", "c1", "look", "\u2028"]),
    st.integers(-2, 10**30),
    st.floats(),
    st.sampled_from([[], {}, [[]], [{}], {"type": "text"}, ["END"], [3], {"type": "object"}]),
)


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Yield the place of every value in a JSON value."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield (*at, key)
        yield from places(inner, (*at, key))


def _has(holder: object, key: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and key < len(holder)
    return isinstance(holder, dict) and key in holder


def outcome(body: dict[str, Any], *, drops: bool) -> str | None:
    """Return the place that is blamed for a request; None for one that is taken."""
    base = Request(request_id="r-1", tenant="t", messages=())
    try:
        request = DIALECT.parse(body, base, HttpPolicy(drop_hosted_tools=drops))
    except InvalidRequest as error:
        return error.field
    try:
        finished(checking_steps(request))
    except InvalidRequest as error:
        return DIALECT.place(error.field, body)
    return None


@given(
    changes=st.lists(st.tuples(st.sampled_from(list(places(WHOLE))), ODD), max_size=3), drops=st.booleans()
)
def test_any_value_anywhere(changes: list[tuple[Place, object]], drops: bool) -> None:
    """A refusal names a member that the request has, or that it lacks in one that it has."""
    body = copy.deepcopy(WHOLE)
    for place, value in changes:
        holder: Any = body
        for key in place[:-1]:
            holder = holder[key] if _has(holder, key) else None
        if _has(holder, place[-1]):
            holder[place[-1]] = value
    blamed = outcome(body, drops=drops)
    if blamed is not None:
        assert blamed.partition("[")[0].partition(".")[0] in WHOLE
        assert "parts" not in blamed
        assert "config" not in blamed.removeprefix("output_config")


def test_the_whole_request_is_taken() -> None:
    """Where tools of the provider are dropped; else they are named."""
    assert outcome(json.loads(json.dumps(WHOLE)), drops=True) is None
    assert outcome(WHOLE, drops=False) == "messages[1].content[3].type"
