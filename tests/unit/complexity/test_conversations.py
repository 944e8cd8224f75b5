"""The score of a whole conversation: what the user says counts, and what tools say does not."""

import json

import pytest

from gateway.complexity.complexity import features_of, score_complexity
from gateway.complexity.features import last_of_user, prompt_features
from gateway.domain.conversation import Image, Message, Part, Role, Text, ToolCall, ToolResult

TASK = "Prove that the sum of two continuous functions is continuous, step by step."
JUNK = json.dumps([{"id": n, "why": "because", "prove": True} for n in range(2000)])
ASKED = Message(role=Role.USER, content=TASK)


def call(number: int) -> Message:
    """Return a model's turn that asks for a tool."""
    arguments = json.dumps({"query": JUNK})
    part = ToolCall(id=f"c{number}", name="search", arguments_json=arguments)
    return Message(role=Role.ASSISTANT, parts=(part,))


def result(number: int, role: Role = Role.TOOL) -> Message:
    """Return what a tool returned."""
    parts: tuple[Part, ...] = (ToolResult(tool_call_id=f"c{number}", parts=(Text(JUNK),)),)
    return Message(role=role, parts=parts)


def test_parts_of_text_count_as_the_same_text() -> None:
    """A conversation in parts has the score of its shorthand; a picture has no words."""
    parts = Message(
        role=Role.USER, parts=(Text(TASK[:9]), Image(data=b"x", media_type="image/png"), Text(TASK[9:]))
    )
    assert features_of([parts]) == features_of([ASKED])


@pytest.mark.parametrize("role", [Role.TOOL, Role.USER])
def test_in_a_loop_of_tools_the_task_is_what_the_user_said_last(role: Role) -> None:
    """Calls and results, in whichever role they come, change nothing, however long they are."""
    loop = [ASKED]
    for number in range(20):
        loop += [call(number), result(number, role)]
    assert last_of_user(loop) == 0
    assert score_complexity(loop) == score_complexity([ASKED])


def test_earlier_turns_and_other_texts_are_context() -> None:
    """What was said in words counts, in front of the task and behind it; turns without words do not."""
    earlier = Message(role=Role.USER, content="Hello there")
    said = Message(role=Role.ASSISTANT, parts=(Text("I look it up"), *call(1).parts))
    features = prompt_features([earlier, said, result(1), ASKED])
    alone = prompt_features([ASKED])
    assert (features.words, features.vocabulary) == (alone.words, alone.vocabulary)
    assert features == alone._replace(
        context=prompt_features(
            [Message(role=Role.SYSTEM, content="Hello there" + "I look it up"), ASKED]
        ).context,
        turns=prompt_features([earlier, earlier, ASKED]).turns,
    )
