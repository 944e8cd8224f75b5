"""What the wire takes and what it refuses, field by field."""

import contextlib
import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Hints
from gateway.domain.text.schema_bounds import ON_THE_WIRE
from gateway.errors import InvalidRequest
from gateway.server.grpc.wire import parse_request
from gateway.server.validation.json_text import schema_problem
from gateway.v1 import gateway_pb2 as pb

BLANK = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200d\u202e\u2060\u2800\u3164\ufe0f\ufeff\uffa0"
    "\U000e0001\U000e0100"
)
"""Characters of many kinds that no reader sees."""


def _ask(**fields: object) -> pb.GenerateRequest:
    """Return a request that is right, with some fields replaced."""
    request = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content="hello")])
    for name, value in fields.items():
        getattr(request, name).CopyFrom(value)
    return request


def _with_messages(*messages: pb.Message) -> pb.GenerateRequest:
    return pb.GenerateRequest(messages=messages)


def _with_labels(labels: dict[str, str]) -> pb.GenerateRequest:
    request = _ask()
    request.labels.update(labels)
    return request


def _config(**fields: object) -> Callable[[], pb.GenerateRequest]:
    return lambda: _ask(config=pb.GenerationConfig(**fields))  # type: ignore[arg-type]  # Wrong on purpose.


def _hints(**fields: object) -> Callable[[], pb.GenerateRequest]:
    return lambda: _ask(hints=pb.Hints(**fields))  # type: ignore[arg-type]  # Wrong on purpose.


def _unknown_hint() -> pb.GenerateRequest:
    return _ask(hints=pb.Hints.FromString(b"\x78\x05"))  # Field 15, which does not exist.


def _named(request_id: str) -> pb.GenerateRequest:
    return pb.GenerateRequest(messages=_ask().messages, request_id=request_id)


DEEP = '{"not": ' * (ON_THE_WIRE.max_depth + 1) + "{}" + "}" * (ON_THE_WIRE.max_depth + 1)

REFUSED: list[tuple[str, Callable[[], pb.GenerateRequest], str]] = [
    ("no messages", _with_messages, "messages"),
    ("too many messages", lambda: _with_messages(*[_ask().messages[0]] * 1025), "messages"),
    ("empty content", lambda: _with_messages(pb.Message(role=pb.ROLE_USER)), "messages[0].content"),
    ("spaces", lambda: _with_messages(pb.Message(role=pb.ROLE_USER, content=" \t\n")), "messages[0].content"),
    ("role unset", lambda: _with_messages(pb.Message(content="x")), "messages[0].role"),
    (
        "second role unknown",
        lambda: _with_messages(_ask().messages[0], pb.Message(role=99, content="x")),  # type: ignore[arg-type]
        "messages[1].role",
    ),
    ("temperature NaN", _config(temperature=math.nan), "config.temperature"),
    ("temperature negative", _config(temperature=-0.1), "config.temperature"),
    ("temperature too high", _config(temperature=2.1), "config.temperature"),
    ("temperature infinite", _config(temperature=math.inf), "config.temperature"),
    ("top_p zero", _config(top_p=0.0), "config.top_p"),
    ("top_p NaN", _config(top_p=math.nan), "config.top_p"),
    ("max_tokens zero", _config(max_tokens=0), "config.max_tokens"),
    ("max_tokens negative", _config(max_tokens=-5), "config.max_tokens"),
    ("max_tokens absurd", _config(max_tokens=2**31 - 1), "config.max_tokens"),
    ("five stops", _config(stop=["a"] * 5), "config.stop"),
    ("empty stop", _config(stop=["a", ""]), "config.stop[1]"),
    ("long stop", _config(stop=["é" * 129]), "config.stop[0]"),
    ("schema not JSON", _config(json_schema="{"), "config.json_schema"),
    ("schema a list", _config(json_schema="[]"), "config.json_schema"),
    ("schema wrong", _config(json_schema='{"type": "strng"}'), "config.json_schema"),
    ("schema empty", _config(json_schema=""), "config.json_schema"),
    ("schema deep", _config(json_schema=DEEP), "config.json_schema"),
    ("schema long", _config(json_schema='{"title": "%s"}' % ("x" * 140_000)), "config.json_schema"),
    ("schema with NaN", _config(json_schema='{"const": NaN}'), "config.json_schema"),
    ("schema with a number beyond a double", _config(json_schema='{"const": 1e400}'), "config.json_schema"),
    ("cost beyond all bounds", _hints(max_cost_usd=1e300), "hints.max_cost_usd"),
    ("cost NaN", _hints(max_cost_usd=math.nan), "hints.max_cost_usd"),
    ("cost negative", _hints(max_cost_usd=-1.0), "hints.max_cost_usd"),
    ("cost infinite", _hints(max_cost_usd=math.inf), "hints.max_cost_usd"),
    ("class unknown", _hints(privacy_class=9), "hints.privacy_class"),
    ("hint unknown", _unknown_hint, "hints"),
    ("label key", lambda: _with_labels({"a b": "x"}), "labels"),
    ("label value", lambda: _with_labels({"team": "a b"}), "labels[team]"),
    ("label value with newline", lambda: _with_labels({"team": "a\n"}), "labels[team]"),
    ("too many labels", lambda: _with_labels({f"k{n}": "v" for n in range(17)}), "labels"),
    ("request id", lambda: _named("a/b"), "request_id"),
    ("request id too long", lambda: _named("a" * 65), "request_id"),
]


@pytest.mark.parametrize(("build", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_wrong_field_is_refused_by_name(build: Callable[[], pb.GenerateRequest], field: str) -> None:
    """Every wrong field is refused with its path, and the description has no line break."""
    with pytest.raises(InvalidRequest) as caught:
        parse_request(build(), tenant="t", new_id="n")

    assert caught.value.field == field
    assert "\n" not in str(caught.value)


@given(st.floats())
def test_any_double_is_taken_or_refused(value: float) -> None:
    """Whatever number is sent, it is taken or refused by name; nothing else is raised."""
    for build in (_config(temperature=value), _config(top_p=value), _hints(max_cost_usd=value)):
        with contextlib.suppress(InvalidRequest):
            parse_request(build(), tenant="t", new_id="n")


def test_what_is_unset_stays_unset() -> None:
    """A scalar that the caller did not set is None, and zero is not the same."""
    request = parse_request(_ask(config=pb.GenerationConfig(temperature=0.0)), tenant="t", new_id="made")

    assert request.config.temperature == 0.0
    assert request.config.top_p is None
    assert request.config.max_tokens is None
    assert request.hints == Hints()
    assert request.request_id == "made"
    assert request.messages[0].role is Role.USER


def test_hints_are_taken() -> None:
    """Hints arrive as ordered class, whole nano-dollars (rounded down) and a bool."""
    message = _ask(
        hints=pb.Hints(
            privacy_class=pb.PRIVACY_CLASS_CONFIDENTIAL, max_cost_usd=0.0000000019, allow_degraded=False
        )
    )
    parsed = parse_request(message, tenant="t", new_id="n").hints

    assert parsed.privacy_class is PrivacyClass.CONFIDENTIAL
    assert parsed.max_cost_usd_nanos == 1
    assert parsed.allow_degraded is False


def test_unknown_fields_outside_hints_are_ignored() -> None:
    """A newer client may send fields that this gateway does not know."""
    raw = _ask().SerializeToString() + b"\xf8\x07\x05"  # Field 127.

    assert parse_request(pb.GenerateRequest.FromString(raw), tenant="t", new_id="n").request_id == "n"


def test_a_schema_problem_names_no_text_of_the_caller() -> None:
    """Names inside a schema are the caller's; only a keyword of the standard is repeated."""
    problem = schema_problem('{"properties": {"jane-doe": {"type": "strng"}}}')

    assert problem == "is not a JSON schema: the value of 'type' is wrong"


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_gets_a_verdict(value: object) -> None:
    """Whatever JSON is sent as a schema, the check ends with a verdict and no exception."""
    assert isinstance(schema_problem(json.dumps(value)), str)


DENSE = {
    "empty schemas": '{"anyOf":[' + ",".join(["{}"] * 40_000) + "]}",
    "lists in lists": '{"enum":[' + ",".join(["[]"] * 40_000) + "]}",
    "numbers": '{"enum":[' + ",".join(["1"] * 60_000) + "]}",
}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE.keys())
def test_a_schema_of_very_many_values_is_refused_before_it_is_read(text: str) -> None:
    """How many values there are is counted first: a check costs by the value, not by the byte."""
    assert len(text) < ON_THE_WIRE.max_bytes
    assert schema_problem(text) == f"has more than {ON_THE_WIRE.max_values} values"


def test_a_long_text_in_a_schema_is_no_many_values() -> None:
    """Commas and brackets inside of strings are text."""
    assert schema_problem(json.dumps({"description": 'a, [b], {c} \\ "d" ' * 5_000})) == ""


@pytest.mark.parametrize(
    "dialect",
    [
        "http://127.0.0.1:1/schema",
        "urn:none",
        "file:///etc/passwd",
        7,
        None,
        ["a"],
        "https://json-schema.org/x",
    ],
)
def test_no_dialect_is_looked_up(dialect: object) -> None:
    """A `$schema` that is not known is nowhere fetched from; the schema is read as one of today."""
    assert schema_problem(json.dumps({"$schema": dialect, "type": "object"})) == ""
    assert "'type'" in schema_problem(json.dumps({"$schema": dialect, "type": "strng"}))


def test_an_older_dialect_is_read_as_what_it_is() -> None:
    """A list of `items` is right in draft 7, and wrong today."""
    schema = {"type": "array", "items": [{"type": "string"}]}
    assert schema_problem(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **schema})) == ""
    assert "'items'" in schema_problem(json.dumps(schema))


def test_a_schema_in_a_wrapper_is_refused_with_the_way_out() -> None:
    """What OpenAI calls `json_schema` holds the schema under a key of its own."""
    wrapper = {"name": "jane-doe", "strict": True, "schema": {"type": "null"}}

    assert schema_problem(json.dumps(wrapper)) == 'wraps a schema: send the value of "schema" alone'


@given(
    st.text(st.one_of(st.characters(categories=["Zs", "Zl", "Zp", "Cc"]), st.sampled_from(BLANK))),
    st.sampled_from([pb.ROLE_SYSTEM, pb.ROLE_USER, pb.ROLE_ASSISTANT, pb.ROLE_TOOL]),
)
def test_a_prompt_that_nobody_can_see_is_refused(content: str, role: "pb.Role.ValueType") -> None:
    """Whitespace, controls and characters without a width, in any mixture, are no prompt."""
    with pytest.raises(InvalidRequest) as caught:
        parse_request(_with_messages(pb.Message(role=role, content=content)), tenant="acme", new_id="1")
    assert caught.value.field == "messages[0].content"


@given(
    st.text(st.sampled_from(f" \t\n{BLANK}")),
    st.characters(categories=["L", "N", "P", "S", "Mc"], exclude_characters=BLANK),
)
def test_one_visible_character_is_a_prompt(blank: str, visible: str) -> None:
    """A letter of any script, a digit, a sign or an emoji is enough, and the text stays as it is."""
    content = f"{blank}{visible}{blank}"
    message = _with_messages(pb.Message(role=pb.ROLE_USER, content=content))
    assert parse_request(message, tenant="acme", new_id="1").messages[0].content == content
