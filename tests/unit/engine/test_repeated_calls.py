"""A model that writes one call again and again: the calls end, and the caller gets each once."""

import json
from collections.abc import Sequence

import pytest

from gateway.domain.answer import FinishReason
from gateway.engine.calls.calling import ToolCalling
from gateway.engine.calls.form import Segment, Slot
from gateway.engine.token_reader import TokenReader
from tests.support.call_templates import CALLS, calling_of, calls_in, is_accepted, plan_of, read

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"get": CITY, "fetch": CITY}
SLOTS = {Slot.ID: "abcdefghi", Slot.INDEX: "0"}
SEVERAL = sorted(set(CALLS) - {"json without tags"})


def found(name: str) -> ToolCalling:
    """Return how a model with this kind of template calls tools."""
    calling = calling_of(CALLS[name])
    assert calling is not None
    return calling


def said(calling: ToolCalling, calls: Sequence[tuple[str, str]]) -> str:
    """Return what a model says to call tools with a city each."""
    form = calling.form

    def text(segment: Segment | None) -> str:
        return "".join(SLOTS[part] if isinstance(part, Slot) else part for part in segment or ())

    def arguments(city: str) -> str:
        if form.parameters is None:
            return json.dumps({"city": city})
        around = form.parameters
        if around.is_json or around.string_mark:
            value = json.dumps(city) if around.is_json else around.string_mark + city + around.string_mark
            return f"{around.opening}city{around.name_end}{value}{around.value_end}"
        return f"{around.opening}city{around.string_name_end}{city}{around.string_value_end}"

    bodies = [name + text(form.middle) + arguments(city) for name, city in calls]
    return text(form.opening) + text(form.between).join(bodies) + text(form.closing)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_call_that_comes_again_ends_the_calls(name: str) -> None:
    """By the same name with the same arguments; others differ."""
    calling = found(name)
    plan = plan_of(calling, TOOLS)
    calls = [("get", "Paris"), ("fetch", "Paris"), ("get", "Par"), ("get", "Parma")]
    expected = [(tool, json.dumps({"city": city})) for tool, city in calls]
    once, again = said(calling, calls), said(calling, [*calls, calls[0], ("get", "Rome")])
    assert is_accepted(plan, once)
    assert is_accepted(plan, again)

    assert read(plan, once) == ("", expected, True)
    assert read(plan, again) == ("", expected, True)


def test_nothing_of_a_call_is_sent_before_it_differs() -> None:
    """A caller takes what it is sent for a call; one that is cut before it differs is none."""
    calling = found("json in tags")
    answer = said(calling, [("get", "Paris"), ("get", "Parma")])
    parser = plan_of(calling, TOOLS).new_parser()
    sent = [parser.push(0, sign.encode())[1] for sign in answer]
    calls = [calls_in([each for deltas in sent[:size] for each in deltas]) for size in range(len(sent) + 1)]
    second = answer.rindex("Par")
    assert len(calls[second + 3]) == 1
    assert calls[second + 4][1] == ("get", '{"city": "Parm')
    assert calls[-1] == [("get", '{"city": "Paris"}'), ("get", '{"city": "Parma"}')]


def test_the_answer_ends_with_its_calls() -> None:
    """In the token that completes the call, whatever else is in it."""
    calling = found("json in tags")
    reader = TokenReader((), calls=plan_of(calling, TOOLS).new_parser())
    answer = said(calling, [("get", "Paris")] * 3)
    piece = reader.push(0, answer.encode())
    assert calls_in(piece.tool_calls) == [("get", '{"city": "Paris"}')]
    assert reader.end is FinishReason.TOOL_CALLS
    assert reader.finish().tool_calls == ()
