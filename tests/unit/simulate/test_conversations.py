"""What the simulated provider makes of messages and tools: refusals, calls, and what a cache holds."""

import json

import pytest

from gateway.simulate.answers import Completion, complete
from gateway.simulate.chat import parse_chat
from gateway.simulate.chat_error import ChatError

USER = {"role": "user", "content": "What is 12.5 % of 840, and which day is it?"}
PERCENT = {
    "name": "percent_of",
    "description": "Computes a percentage of a number.",
    "parameters": {
        "type": "object",
        "properties": {"percent": {"type": "number"}, "number": {"type": "integer"}},
        "required": ["percent", "number"],
    },
}
TOOLS = [
    {"type": "function", "function": PERCENT},
    {"type": "function", "function": {"name": "today", "description": "Says which day it is."}},
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "today", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Monday"}]}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def answer(*messages: object, **fields: object) -> Completion:
    """Return the answer to messages and other fields of a request."""
    body = {"model": "sim", "messages": list(messages), **fields}
    return complete(parse_chat(json.dumps(body).encode()).prompt(name="sim"))


def called(completion: Completion) -> list[tuple[str, object]]:
    """Return the names and arguments of the calls in an answer."""
    return [(call.name, json.loads(call.arguments)) for call in completion.calls]


def test_two_things_that_are_asked_for_are_two_calls() -> None:
    """Each half of the text has its tool, and the numbers of the text are the arguments."""
    first = answer(USER, tools=TOOLS)
    assert first.finish_reason == "tool_calls"
    assert called(first) == [("percent_of", {"percent": 12.5, "number": 840}), ("today", {})]
    assert len({call.id for call in first.calls}) == 2
    assert [name for name, _ in called(answer(USER, tools=TOOLS, parallel_tool_calls=False))] == [
        "percent_of"
    ]


def test_results_are_answered_with_a_text() -> None:
    """After the results of its calls the model says what they are, until a user asks anew."""
    ended = answer(USER, CALLED, RESULT, tools=TOOLS)
    assert (ended.text(), ended.finish_reason, ended.calls) == ("The tools say: Monday.", "stop", ())
    assert answer(USER, CALLED, RESULT, USER, tools=TOOLS).calls


def test_a_text_that_matches_no_tool_calls_the_first() -> None:
    """Where no word is shared the first tool is called."""
    text = {"role": "user", "content": "Hello"}
    assert called(answer(text, tools=TOOLS)) == [("percent_of", {"percent": 0, "number": 0})]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("none", []),
        ("required", ["percent_of", "today"]),
        ({"type": "function", "function": {"name": "today"}}, ["today"]),
    ],
)
def test_a_choice_of_tools_holds(choice: object, names: list[str]) -> None:
    """None forbids calls, required and a name bring them about even where results are there."""
    assert [name for name, _ in called(answer(USER, tools=TOOLS, tool_choice=choice))] == names
    after = answer(USER, CALLED, RESULT, tools=TOOLS, tool_choice=choice)
    assert [name for name, _ in called(after)] == names


def test_thoughts_are_tokens_of_the_answer() -> None:
    """An effort makes thoughts before the answer, which eat the bound of tokens first."""
    thought = answer(USER, reasoning_effort="low")
    assert [token.kind for token in thought.tokens[:9]] == ["thought"] * 8 + ["text"]
    cut = answer(USER, reasoning_effort="low", max_tokens=5)
    assert (cut.text(), cut.finish_reason, len(cut.tokens)) == ("", "length", 5)


def test_images_count_as_tokens_and_change_the_answer() -> None:
    """An attachment counts its fixed number of tokens."""
    content = [{"type": "text", "text": "Hi"}, IMAGE]
    body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": content}]}).encode()
    assert parse_chat(body).prompt(name="sim").tokens() == 3 + 4 + 1 + 85


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"messages": [USER, RESULT]}, "messages[1].tool_call_id"),
    ({"messages": [USER, CALLED]}, "messages"),
    ({"messages": [USER, CALLED, USER]}, "messages"),
    ({"messages": [USER, CALLED, {**RESULT, "tool_call_id": "call_2"}]}, "messages[2].tool_call_id"),
    ({"messages": [USER, CALLED, {"role": "tool", "content": "x"}]}, "messages[2].tool_call_id"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "system", "content": [IMAGE]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{**CALLED, "tool_calls": []}]}, "messages[0].tool_calls"),
    ({"messages": [{**CALLED, "tool_calls": [{**CALL, "id": ""}]}]}, "messages[0].tool_calls[0].id"),
    ({"tools": []}, "tools"),
    ({"tools": TOOLS * 65}, "tools"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"parallel_tool_calls": False}, "parallel_tool_calls"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"presence_penalty": -3}, "presence_penalty"),
    ({"logit_bias": {"1": 101}}, "logit_bias"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort"),
    ({"response_format": {"type": "json_object"}}, "messages"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED, ids=[f"{i}-{p}" for i, (_, p) in enumerate(REFUSED)])
def test_a_conversation_that_openai_refuses_is_refused(fields: dict[str, object], param: str) -> None:
    """The error is a 400 that names the field."""
    body = {"model": "sim", "messages": [USER], **fields}
    with pytest.raises(ChatError) as refused:
        parse_chat(json.dumps(body).encode())
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_json_object_is_one() -> None:
    """A response_format of json_object is answered with an object."""
    text = {"role": "user", "content": "As JSON, please"}
    assert isinstance(json.loads(answer(text, response_format={"type": "json_object"}).text()), dict)
