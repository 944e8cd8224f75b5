"""A stream that asked for a tool stays with its model; thoughts are voided like text, or hidden."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest

from gateway.domain.answer import (
    Answer,
    Chunk,
    Delta,
    FinishReason,
    ReasoningDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from gateway.domain.conversation import Message, Reasoning, ReasoningConfig, Role, Text, ToolCall
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.errors import StreamTruncated
from gateway.policy.model import Resilience
from gateway.testing.scripted import Act, reply
from tests.support.dispatch_doubles import CLOUD, Bench, a_request, told
from tests.support.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
BEGUN = Chunk(tool_calls=(ToolCallDelta(index=0, id="c1", name="look"),))
GOES_ON = Chunk(tool_calls=(ToolCallDelta(index=0, arguments_json='{"at": 1}'),))
OVER = Chunk(finish_reason=FinishReason.TOOL_CALLS, usage=USAGE)
THINKS = Chunk(reasoning=(ReasoningDelta(text="hm", opaque=b"s"),))
CUT = StreamTruncated("cloud", "cut")
BACKUP = [reply("whole", usage=USAGE)]
CALL = ToolCall(id="c1", name="look", arguments_json='{"at": 1}')
RECOVERIES: tuple[Literal["restart", "resume", "fail"], ...] = ("restart", "resume", "fail")


async def public(_: Request) -> PrivacyAssessment:
    """Find every request to be public."""
    return PrivacyAssessment(score=0.0, privacy_class=PrivacyClass.PUBLIC, reason="score")


def bench(*acts: Act, recovery: Literal["restart", "resume", "fail"] = "restart") -> Bench:
    """Return a bench whose first model follows `acts`, and whose second one gives a whole answer."""
    return Bench(
        {"cloud": [acts], "backup": BACKUP},
        specs={"cloud": CLOUD, "backup": CLOUD.model_copy(update={"prefill": True})},
        resilience=Resilience(recovery=recovery),
        privacy_check=public,
    )


@pytest.mark.parametrize("recovery", RECOVERIES)
@pytest.mark.parametrize("acts", [(BEGUN, CUT), (BEGUN, GOES_ON, CUT), (Chunk(text="I look. "), BEGUN, CUT)])
@virtual_time
async def test_no_other_model_begins_after_a_call(
    acts: Sequence[Act], recovery: Literal["restart", "resume", "fail"]
) -> None:
    """The caller may have run the tool: a cut call is an error, never a finished or a second one."""
    one = bench(*acts, recovery=recovery)
    with pytest.raises(StreamTruncated) as caught:
        await one.stream("cloud", "backup")
    assert one.called("backup") == 0
    assert [attempt.reason for attempt in caught.value.attempts] == [Reason.STREAM_TRUNCATED]


@virtual_time
async def test_a_caller_who_was_sent_nothing_gets_another_answer() -> None:
    """A unary answer that was cut in a call was seen by nobody."""
    one = bench(BEGUN, CUT)
    answer = await one.generate("cloud", "backup")
    assert (answer.model, answer.text) == ("backup", "whole")


@virtual_time
async def test_a_call_is_streamed_and_answered() -> None:
    """The pieces are those of the model, and the message at the end holds the whole call."""
    one = bench(THINKS, Chunk(text="I look."), BEGUN, GOES_ON, OVER)
    events = await one.stream("cloud", "backup")
    assert told(events) == [
        "0:thinks hm",
        "0:I look.",
        "0:call 0 look",
        '0:call 0 {"at": 1}',
        "answer I look.",
    ]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.finish_reason is FinishReason.TOOL_CALLS
    assert answer.message == Message(
        role=Role.ASSISTANT,
        parts=(Reasoning(text="hm", model="cloud", opaque=b"s"), Text("I look."), CALL),
    )
    assert answer.usage == USAGE


@virtual_time
async def test_the_log_probabilities_of_what_closes_a_call() -> None:
    """Its tokens have no text, and the stream tells of them like the answer at its end."""
    closing = TokenLogprob(token="</call>", logprob=-0.5)
    events = await bench(BEGUN, GOES_ON, replace(OVER, logprobs=(closing,))).stream("cloud", "backup")
    assert [each for event in events if isinstance(event, Delta) for each in event.logprobs] == [closing]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.logprobs == (closing,)


@pytest.mark.parametrize("recovery", RECOVERIES[:2])
@virtual_time
async def test_a_thought_is_voided_like_text(recovery: Literal["restart", "resume", "fail"]) -> None:
    """After a thought that was sent, another model begins anew, and the caller is told."""
    events = await bench(THINKS, CUT, recovery=recovery).stream("cloud", "backup")
    assert told(events) == [
        "0:thinks hm",
        "restart backup STREAM_TRUNCATED",
        "1:whole",
        "answer whole",
    ]


@virtual_time
async def test_a_hidden_thought_keeps_its_signature() -> None:
    """Whoever hides reasoning sees none of its text, and can still give it back."""
    request = a_request()
    request = replace(request, config=replace(request.config, reasoning=ReasoningConfig(hide=True)))
    events = await bench(THINKS, Chunk(text="so"), replace(OVER, finish_reason=FinishReason.STOP)).stream(
        "cloud", "backup", request=request
    )
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.message.parts == (Reasoning(model="cloud", opaque=b"s"), Text("so"))
    assert "hm" not in repr(events) + str(told(events))


@virtual_time
async def test_what_was_said_and_then_a_call() -> None:
    """With `resume` a whole answer that begins with the text that was sent goes on, with its calls."""
    one = Bench(
        {
            "cloud": [(Chunk(text="I look"), CUT)],
            "backup": [(THINKS, Chunk(text="I look."), BEGUN, GOES_ON, OVER)],
        },
        specs={"cloud": CLOUD, "backup": CLOUD},
        resilience=Resilience(recovery="resume"),
        privacy_check=public,
    )
    events = await one.stream("cloud", "backup")
    assert told(events) == ["0:I look", "0:.", "0:call 0 look", '0:call 0 {"at": 1}', "answer I look."]


@virtual_time
async def test_a_call_where_text_was_said() -> None:
    """A model that asks for a tool in place of the text that was sent begins anew."""
    one = Bench(
        {"cloud": [(Chunk(text="The sea"), CUT)], "backup": [(THINKS, BEGUN, GOES_ON, OVER)]},
        specs={"cloud": CLOUD, "backup": CLOUD},
        resilience=Resilience(recovery="resume"),
        privacy_check=public,
    )
    events = await one.stream("cloud", "backup")
    assert told(events) == [
        "0:The sea",
        "restart backup STREAM_TRUNCATED",
        "1:thinks hm",
        "1:call 0 look",
        '1:call 0 {"at": 1}',
        "answer ",
    ]
