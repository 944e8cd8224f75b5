"""Masking in whole conversations: where a placeholder may be written, and what stays home."""

import json
from collections.abc import Mapping

import pytest

from gateway.domain.conversation import (
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.domain.decision import EgressPermit
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.strings import strings_of
from tests.support.masking_requests import MAIL, PHONE, TAG, decided

WORD = f"<EMAIL_1_{TAG}>"


def conversation(
    *parts: Part, role: Role = Role.ASSISTANT, name: str = "", config: GenerationConfig | None = None
) -> Request:
    """Return a conversation whose second message has these parts."""
    messages = (
        Message(role=Role.USER, content="hello"),
        Message(role=role, parts=parts or (Text("hello"),), name=name),
        Message(role=Role.USER, content="go on"),
    )
    return Request(request_id="r", tenant="t", messages=messages, config=config or GenerationConfig())


def permit_of(request: Request) -> EgressPermit | None:
    """Return with what the request goes to a model that needs a mask."""
    return decided(request).permits.get("cloud")


MASKED: Mapping[str, tuple[Part, str]] = {
    "text": (Text(f"to {MAIL}"), f"to {WORD}"),
    "arguments": (
        ToolCall(id="c", name="n", arguments_json=f'{{"to": ["{MAIL}"]}}'),
        f'{{"to": ["{WORD}"]}}',
    ),
    "input": (ToolCall(id="c", name="n", input=f"to {MAIL}", is_custom=True), f"to {WORD}"),
    "result": (ToolResult(tool_call_id="c", parts=(Text("a"), Text(f"to {MAIL}"))), f"to {WORD}"),
    "reasoning": (Reasoning(text=f"to {MAIL}", model="cloud"), f"to {WORD}"),
}


@pytest.mark.parametrize("kind", MASKED)
def test_text_and_values_of_arguments_are_masked(kind: str) -> None:
    """And nothing else changes."""
    part, masked = MASKED[kind]
    permit = permit_of(conversation(part))
    assert permit is not None
    before, after = strings_of(conversation(part)), strings_of(permit.request)
    assert [new.text for old, new in zip(before, after, strict=True) if old != new] == [masked]
    assert list(permit.values.values()) == [MAIL]


STAYS: Mapping[str, Request] = {
    "a key of arguments": conversation(ToolCall(id="c", name="n", arguments_json=f'{{"{MAIL}": 1}}')),
    "a number of arguments": conversation(
        ToolCall(id="c", name="n", arguments_json='{"phone": 442079460958}')
    ),
    "arguments that are not JSON": conversation(
        ToolCall(id="c", name="n", arguments_json=f'{{"a": "{MAIL}', arguments_invalid=True)
    ),
    "an id": conversation(ToolCall(id=MAIL, name="n")),
    "the id of a result": conversation(ToolResult(tool_call_id=MAIL, parts=(Text("a"),))),
    "the name of a call": conversation(ToolCall(id="c", name=MAIL)),
    "the name of a participant": conversation(name=MAIL),
    "a URL": conversation(Image(url=f"https://example.org/?to={MAIL}"), role=Role.USER),
    "a signature": conversation(Reasoning(text="", model="cloud", opaque=MAIL.encode())),
    "a definition": conversation(config=GenerationConfig(tools=(Tool(name="a", description=MAIL),))),
    "a grammar": conversation(config=GenerationConfig(grammar=MAIL)),
    "an image": conversation(
        Text(f"to {MAIL}"), Image(data=b"a", media_type="image/png"), role=Role.USER
    ),
    "an escape in a value": conversation(
        ToolCall(id="c", name="n", arguments_json='{"a": "+44 20 7946\\u00a00958"}')
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STAYS)
def test_what_something_else_refers_to_stays_home(kind: str) -> None:
    """A request with a finding there goes to the edge alone, also if another place could be masked."""
    assert decided(STAYS[kind]).permits == {}
    more = STAYS[kind].messages
    text = Message(role=Role.USER, content=f"call {PHONE}")
    with_more = Request(request_id="r", tenant="t", messages=(*more, text), config=STAYS[kind].config)
    assert decided(with_more).permits == {}


def test_a_value_that_json_escapes_is_masked_in_text_only() -> None:
    """Equal values share a placeholder, whatever holds them."""
    permit = permit_of(conversation(Text(f"to {MAIL}"), MASKED["arguments"][0]))
    assert permit is not None
    (call,) = permit.request.messages[1].tool_calls
    assert json.loads(call.arguments_json) == {"to": [WORD]}
    assert permit.request.messages[1].text == f"to {WORD}"


class TestThoughts:
    """A thought that is given back with its signature."""

    def test_a_signed_thought_that_would_be_altered_is_left_out(self) -> None:
        """Its maker refuses a signature that does not fit."""
        thought = Reasoning(text=f"to {MAIL}", model="cloud", opaque=b"sig")
        permit = permit_of(conversation(thought, Text("ok")))
        assert permit is not None
        assert permit.request.messages[1].parts == (Text("ok"),)

    def test_one_without_a_value_stays(self) -> None:
        """Also beside a text that is masked."""
        thought = Reasoning(text="hm", model="cloud", opaque=b"sig")
        permit = permit_of(conversation(thought, Text(f"to {MAIL}")))
        assert permit is not None
        assert permit.request.messages[1].parts == (thought, Text(f"to {WORD}"))

    def test_a_message_of_nothing_else_stays_home(self) -> None:
        """No message is empty, and none is dropped in silence."""
        thought = Reasoning(text=f"to {MAIL}", model="cloud", opaque=b"sig")
        assert permit_of(conversation(thought)) is None
