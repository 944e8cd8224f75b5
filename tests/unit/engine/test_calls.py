"""Calls of tools in the form of each model: found in its template, held to the schemas, read as they come."""

import json
import random
from typing import Any

import pytest

from gateway.domain.answer import FinishReason
from gateway.engine.calls.calling import ToolCalling, tool_calling
from gateway.engine.calls.form import FALLBACK
from gateway.engine.interfaces import GrammarRefused
from gateway.engine.token_reader import TokenReader
from tests.support.call_templates import (
    CALLS,
    ByteVocabulary,
    answered,
    calling_of,
    calls_in,
    check,
    drawn_tools,
    is_accepted,
    plan_of,
    read,
    template_of,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"get": CITY, "get_time": CITY | {"required": []}}
SINGLE = ("json without tags",)
PARIS = {
    "json in tags": '<tool_call>\n{"name": "get", "arguments": {"city": "Paris"}}\n</tool_call>',
    "json without tags": '{"name": "get", "parameters": {"city": "Paris"}}',
    "array with ids": '[TOOL_CALLS][{"name": "get", "arguments": {"city": "Paris"}, "id": "abcdefghi"}]',
    "name and json": '[TOOL_CALLS]get[ARGS]{"city": "Paris"}',
    "numbered": '<calls><call>functions.get:0<arguments>{"city": "Paris"}</call></calls>',
    "name alone": 'get\n{"city": "Paris"}',
    "tagged parameters": "<tool_call>\n<function=get>\n<parameter=city>\nParis\n</parameter>\n</function>\n"
    "</tool_call>",
    "keys and values": "<tool_call>get<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>",
    "strings told apart": '<calls><invoke name="get">\n<parameter name="city" string="true">Paris</parameter>'
    "\n</invoke>\n</calls>",
    "python": "<calls>[get(city='Paris')]</calls>",
    "python in lines": '<calls>get(city="Paris")</calls>',
    "python without a mark": '[get(city="Paris")]',
    "bare": "<call>call:get{city:<|q|>Paris<|q|>}</call>",
}


def calling(name: str) -> ToolCalling:
    """Return how a model with this kind of template calls tools."""
    found = calling_of(CALLS[name])
    assert found is not None
    return found


@pytest.mark.parametrize("name", CALLS)
def test_the_form_is_found_in_the_template(name: str) -> None:
    """What the template writes around a call is its form, and it says whether a turn has several."""
    found = calling(name)
    assert found.is_native
    assert (found.form.between is None) is (name in SINGLE)
    plan = plan_of(found, TOOLS)
    assert read(plan, PARIS[name]) == ("", [("get", '{"city": "Paris"}')], True)


@pytest.mark.parametrize("name", CALLS)
def test_drawn_calls_parse_and_are_valid(name: str) -> None:
    """Whatever tokens come by the grammar: every call has a tool's name and valid arguments."""
    found = calling(name)
    finished = 0
    for seed in range(12):
        dice = random.Random(seed)
        tools = drawn_tools(dice)
        is_single = dice.random() < 0.5
        answer = answered(plan_of(found, tools, is_single=is_single), dice)
        if answer is None:
            continue
        finished += 1
        calls = calls_in(answer[1])
        check(calls, tools)
        assert answer[0] == ""
        assert len(calls) == 1 if is_single else calls
    assert finished > 6


@pytest.mark.parametrize("name", CALLS)
def test_a_model_may_answer_with_text_instead(name: str) -> None:
    """Unless calls are required, what does not begin a call is text, and no part of a marker is in it."""
    plan = plan_of(calling(name), TOOLS, is_required=False)
    opening = "all\n" if name == "name alone" else ""
    said = "2 < 3 [sic], {so}: it's fine\n"
    assert read(plan, opening + said) == (said, [], False)


@pytest.mark.parametrize(
    "name", sorted(set(CALLS) - {"json without tags", "name alone", "python without a mark"})
)
def test_text_may_come_before_calls(name: str) -> None:
    """The text is the caller's, the white space before the call is the form's."""
    plan = plan_of(calling(name), TOOLS, is_required=False)
    assert read(plan, "Let me look.\n\n" + PARIS[name]) == (
        "Let me look.",
        [("get", '{"city": "Paris"}')],
        True,
    )


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_cut_is_never_complete(name: str) -> None:
    """Wherever max_tokens cuts a call, it is not complete; it is with its last character."""
    plan = plan_of(calling(name), TOOLS, is_single=True)
    whole = PARIS[name]
    assert not any(read(plan, whole[:size])[2] for size in range(len(whole)))
    assert read(plan, whole)[2]


def test_arguments_stream_while_they_come() -> None:
    """The name is whole in the first piece, and each token of the arguments is a piece."""
    parser = plan_of(calling("tagged parameters"), TOOLS).new_parser()
    tokens = [
        "<tool_call>\n<function=get",
        "_time>\n<parameter=city>\n",
        "Pa",
        "ris\n",
        "</parameter>\n<",
        "/",
    ]
    pieces = [parser.push(0, token.encode())[1] for token in tokens]
    assert [[(delta.name, delta.arguments_json) for delta in each] for each in pieces] == [
        [], [("get_time", '{"city": "')], [("", "Pa")], [("", "ris")], [("", '"')], [],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "answer", "arguments"),
    [
        ("tagged parameters", 'a "b" \\ </parameter\nü', None),
        ("keys and values", "</arg_val", None),
        ("bare", '"quoted"\t', None),
        ("python", r"it\'s\n", "it's\n"),
    ],
)
def test_texts_become_strings_of_json(name: str, answer: str, arguments: str | None) -> None:
    """A text that is written as it is becomes a JSON string, whatever is in it."""
    said = PARIS[name].replace("Paris", answer)
    _, calls, _ = read(plan_of(calling(name), TOOLS), said)
    assert json.loads(calls[0][1]) == {"city": answer if arguments is None else arguments}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "string"}, "type must be object"),
        ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, "not"),
    ],
)
@pytest.mark.parametrize("name", ["json in tags", "tagged parameters", "bare"])
def test_a_schema_that_cannot_be_held_to_is_refused(name: str, schema: Any, problem: str) -> None:
    """The refusal names the tool by its place, and the keyword."""
    with pytest.raises(GrammarRefused, match=rf"^\[1\]\.parameters_json_schema: .*{problem}"):
        plan_of(calling(name), {"get": CITY, "set": schema})


@pytest.mark.parametrize("value", ["true", "-2.5", "<|q|>Oslo<|q|>", "null"])
@pytest.mark.parametrize("schema", [{}, True, {"type": "object", "properties": {"in": {}}}])
def test_a_value_of_any_type_without_quotes(schema: Any, value: str) -> None:
    """A property without a type, as tools often have them, takes a scalar or a string."""
    tools = {"get": CITY | {"properties": {"city": schema}}}
    is_nested = isinstance(schema, dict) and bool(schema)
    said = PARIS["bare"].replace("<|q|>Paris<|q|>", f"{{in:{value}}}" if is_nested else value)
    plan = plan_of(calling("bare"), tools)
    assert is_accepted(plan, said)
    ((_, arguments),) = read(plan, said)[1]
    found = json.loads(value.replace("<|q|>", '"'))
    assert json.loads(arguments) == {"city": {"in": found} if is_nested else found}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"type": "object", "properties": {"a:b": {"type": "integer"}}}, "properties: a name with"),
        ({"type": "object", "properties": {"}}": {"type": "integer"}}}, "properties: a name with"),
        ({"enum": ["a", "<|q|>b"]}, "enum: a value holds"),
    ],
)
def test_what_could_not_be_told_from_what_follows_is_refused(value: Any, problem: str) -> None:
    """Where names have no quotes and strings no escapes, such a call could not be read."""
    with pytest.raises(GrammarRefused, match=problem):
        plan_of(calling("bare"), {"get": {"type": "object", "properties": {"a": value}}})


def test_a_string_or_a_number_without_quotes() -> None:
    """What bounds the number says nothing of the string."""
    plan = plan_of(calling("bare"), {"get": CITY | {"properties": {"city": {"type": ["string", "number"]}}}})
    assert is_accepted(plan, PARIS["bare"])
    assert is_accepted(plan, PARIS["bare"].replace("<|q|>Paris<|q|>", "7"))


def test_an_answer_is_json_or_calls() -> None:
    """With a schema for the text, a marker inside a string of the answer begins no call."""
    schema = json.dumps({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    plan = plan_of(calling("json in tags"), TOOLS, is_required=False, text_schema=schema)
    said = '{"a": "<tool_call>"}'
    assert read(plan, said) == (said, [], False)
    assert read(plan, PARIS["json in tags"])[1] == [("get", '{"city": "Paris"}')]


def test_a_template_without_calls_has_a_form_only_if_the_policy_asks() -> None:
    """Nothing is guessed: such a model lacks tools, or a system text tells it the commonest form."""
    template = template_of("")
    assert tool_calling(template, ByteVocabulary(), is_asked=None) is None
    found = tool_calling(template, ByteVocabulary(), is_asked=True)
    assert found is not None
    assert (found.form, found.is_native) == (FALLBACK, False)
    assert tool_calling(template_of(CALLS["python"]), ByteVocabulary(), is_asked=False) is None


def test_confidence_is_that_of_names_and_values() -> None:
    """Of the tokens of a call only those count that hold a part of a name, a string, a number or a word."""
    reader = TokenReader((), calls=plan_of(calling("json in tags"), TOOLS).new_parser())
    counted = ""
    for sign in PARIS["json in tags"]:
        reader.push(0, sign.encode())
        counted += "" if reader.is_around_calls else sign
    assert counted == 'get"Paris'  # After "get" the other name might go on.


def test_what_could_begin_a_stop_string_comes_before_a_call() -> None:
    """The rest of a text is not kept until the calls have ended: clients take them in turn."""
    plan = plan_of(calling("json in tags"), TOOLS, is_required=False, is_single=True)
    reader = TokenReader(("well then",), calls=plan.new_parser())
    pieces = [reader.push(0, sign.encode()) for sign in "Oh well" + PARIS["json in tags"]]
    pieces.append(reader.finish())
    begun = next(number for number, piece in enumerate(pieces) if piece.tool_calls)
    assert "".join(piece.text for piece in pieces[: begun + 1]) == "Oh well"
    assert not any(piece.text for piece in pieces[begun + 1 :])


def test_stop_strings_are_not_sought_in_calls() -> None:
    """The same text ends an answer before a call, and passes inside one."""
    plan = plan_of(calling("json in tags"), TOOLS, is_required=False, is_single=True)

    def said(answer: str) -> tuple[str, FinishReason | None]:
        reader = TokenReader(("Paris",), calls=plan.new_parser())
        pieces = [reader.push(0, sign.encode()) for sign in answer]
        return "".join(piece.text for piece in [*pieces, reader.finish()]), reader.end

    assert said("In Paris.") == ("In ", FinishReason.STOP_SEQUENCE)
    assert said(PARIS["json in tags"]) == ("", FinishReason.TOOL_CALLS)
