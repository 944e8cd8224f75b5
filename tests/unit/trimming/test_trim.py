"""What is left out of a conversation that is too long, and what never is."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.conversation import Image, Message, Reasoning, Role, Text, Tool, ToolCall, ToolResult
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.trimming import Trim
from gateway.trimming.trim import HEAD_CHARS, TAIL_CHARS, least_tokens, trimmed
from gateway.trimming.turns import KEPT_STEPS
from tests.support.draws import examples

TOOLS = GenerationConfig(tools=(Tool(name="look", description="look at a thing"),))
LONG = 4_000


def text_of(size: int, number: int) -> str:
    """Return a text that no other message has, whose places tell themselves apart."""
    return "".join(f"{number}:{at} " for at in range(size // 8 + 1))


@st.composite
def conversations(draw: st.DrawFn) -> Request:
    """Draw a conversation of texts, calls and results, some of which come late or together."""
    messages = [Message(role=Role.SYSTEM, content=text_of(80, 0))] * draw(st.integers(0, 1))
    sizes = st.sampled_from([5, 300, 2_000, 9_000])
    for number in range(1, draw(st.integers(1, 14)) + 1):
        said = text_of(draw(sizes), number)
        match draw(st.sampled_from(["user", "assistant", "call", "calls", "late", "system"])):
            case "user":
                messages.append(Message(role=Role.USER, content=said))
            case "system":
                messages.append(Message(role=Role.SYSTEM, content=said))
            case "assistant":
                messages.append(Message(role=Role.ASSISTANT, content=said))
            case kind:
                count = 2 if kind == "calls" else 1
                calls = [
                    ToolCall(id=f"call-{number}-{at}", name="look", arguments_json='{"at": 1}')
                    for at in range(count)
                ]
                thought = Reasoning(text=text_of(100, number), model="cloud")
                messages.append(Message(role=Role.ASSISTANT, parts=(thought, Text("I look."), *calls)))
                if kind == "late":
                    messages.append(Message(role=Role.USER, content=said))
                for call in calls:
                    image = (Image(data=b"x", media_type="image/png"),) * draw(st.integers(0, 1))
                    result = ToolResult(tool_call_id=call.id, parts=(Text(said), *image))
                    messages.append(Message(role=Role.TOOL, parts=(result,)))
    if draw(st.booleans()):
        messages.append(Message(role=Role.USER, content=text_of(40, 99)))
    return Request(request_id="r", tenant="t", messages=tuple(messages), config=TOOLS)


def source_of(message: Message, before: Sequence[Message], start: int) -> int:
    """Return where a message of a shortened conversation comes from; fails if it comes from nowhere."""
    for at in range(start, len(before)):
        if message == before[at] or is_shortened(message, before[at]):
            return at
    raise AssertionError("a message that nobody said")


def is_shortened(message: Message, before: Message) -> bool:
    """Whether a message is another one with shorter results: beginnings and ends of them, and no more."""
    if message.role is not Role.TOOL or before.role is not Role.TOOL:
        return False
    for short, whole in zip(message.tool_results, before.tool_results, strict=True):
        if short.tool_call_id != whole.tool_call_id:
            return False
        said = "\n".join(part.text for part in whole.parts if isinstance(part, Text))
        kept = "".join(part.text for part in short.parts if isinstance(part, Text))
        lines = [line for line in kept.split("\n") if not line.endswith("of this result were left out]")]
        head, tail = lines[0], lines[-1]
        assert said.startswith(head)
        assert said.endswith(tail)
        assert len(kept) < HEAD_CHARS + TAIL_CHARS + 200 or kept.startswith(said)
    return True


@settings(max_examples=examples(300))
@given(request=conversations(), trim=st.sampled_from(Trim), most_tokens=st.integers(0, 8_000))
def test_what_is_left_is_a_conversation(request: Request, trim: Trim, most_tokens: int) -> None:
    """The rest comes in its order, calls keep their results, and what is never touched is whole."""
    short = trimmed(request, trim, most_tokens)
    left = request if short is None else short.request
    before, after = request.messages, left.messages
    sources: list[int] = []
    for message in after:
        sources.append(source_of(message, before, sources[-1] + 1 if sources else 0))
    assert all(one < other for one, other in pairwise(sources))
    calls = [call.id for message in after for call in message.tool_calls]
    results = [result.tool_call_id for message in after for result in message.tool_results]
    assert sorted(calls) == sorted(results)
    assert left.config is request.config
    systems = [message for message in before if message.role is Role.SYSTEM]
    assert [message for message in after if message.role is Role.SYSTEM] == systems
    users = [message for message in before if message.role is Role.USER]
    assert not users or users[-1] in after
    tail = [message for message in before if message.role is not Role.SYSTEM][-KEPT_STEPS:]
    assert [message for message in after if message.role is not Role.SYSTEM][-len(tail) :] == tail
    if trim is Trim.TOOL_RESULTS:
        assert len(after) == len(before)


@settings(max_examples=examples(300))
@given(request=conversations(), trim=st.sampled_from(Trim), most_tokens=st.integers(0, 8_000))
def test_it_is_short_enough_or_as_short_as_may_be(request: Request, trim: Trim, most_tokens: int) -> None:
    """Nothing is left out of what fits; else enough is, or all that may be; and what is told is true."""
    whole, short = estimate_prompt_tokens(request), trimmed(request, trim, most_tokens)
    if short is None:
        assert whole <= max(most_tokens, least_tokens(request, trim))
        return
    left = estimate_prompt_tokens(short.request)
    assert whole > most_tokens
    assert left <= max(most_tokens, least_tokens(request, trim))
    assert short.tokens == whole - left > 0
    gone = len(request.messages) - len(short.request.messages)
    assert gone <= short.messages <= len(request.messages)
    assert trim is Trim.OLDEST or gone == 0


def looking(steps: int, *, chars: int = LONG) -> Request:
    """Return a conversation in which a model looks so many times, and gets long results."""
    messages = [Message(role=Role.SYSTEM, content="Be brief."), Message(role=Role.USER, content="Look!")]
    for number in range(steps):
        call = ToolCall(id=f"call-{number}", name="look", arguments_json="{}")
        messages.append(Message(role=Role.ASSISTANT, parts=(call,)))
        result = ToolResult(tool_call_id=call.id, parts=(Text(text_of(chars, number)),))
        messages.append(Message(role=Role.TOOL, parts=(result,)))
    return Request(request_id="r", tenant="t", messages=tuple(messages), config=TOOLS)


def test_old_results_are_shortened_before_a_turn_goes() -> None:
    """The oldest first, and no turn as long as that is enough."""
    request = looking(20)
    most = estimate_prompt_tokens(request) - 3_000
    for trim in (Trim.TOOL_RESULTS, Trim.OLDEST):
        short = trimmed(request, trim, most)
        assert short is not None
        assert len(short.request.messages) == len(request.messages)
        results = [len(str(each)) for each in short.request.messages if each.role is Role.TOOL]
        assert results == sorted(results)


def test_steps_of_the_last_turn_go_when_results_are_not_enough() -> None:
    """In a long loop of tools the question stays, and the oldest calls go with their results."""
    request = looking(40, chars=500)
    short = trimmed(request, Trim.OLDEST, estimate_prompt_tokens(request) // 2)
    assert short is not None
    assert short.request.messages[:2] == request.messages[:2]
    left = short.request.messages[2:]
    assert left == request.messages[-len(left) :]
    assert trimmed(request, Trim.TOOL_RESULTS, 100) is None


def test_the_beginning_of_the_prompt_stays_the_same_for_several_turns() -> None:
    """A cache of prompts keeps a beginning only if not every turn shortens a further result."""
    began = []
    for steps in range(30, 60):
        short = trimmed(looking(steps), Trim.TOOL_RESULTS, 20_000)
        assert short is not None
        began.append(short.request.messages[:30])
    same = sum(one == other for one, other in pairwise(began))
    assert same > len(began) * 2 // 3


@pytest.mark.parametrize("chars", [100, 10_000])
def test_a_cut_is_told_within_the_result(chars: int) -> None:
    """The model reads how much is missing; a short result stays as it is."""
    request = looking(8, chars=chars)
    short = trimmed(request, Trim.TOOL_RESULTS, 100)
    if chars == 100:
        assert short is None
        return
    assert short is not None
    (result,) = short.request.messages[3].tool_results
    (part,) = result.parts
    assert isinstance(part, Text)
    assert "characters of this result were left out]" in part.text
    assert short.messages == 5
