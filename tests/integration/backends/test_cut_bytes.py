"""A recorded answer that is cut at every byte: no truncated answer looks complete."""

from dataclasses import replace

import pytest

from gateway.backends.base import Call
from gateway.backends.openai.backend import CloudBackend
from gateway.clock import Deadline, SystemClock
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer, Delta, Restart, StreamEvent
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.ledger.memory import MemoryLedger
from gateway.policy.model import OpenAIModel, Resilience
from gateway.simulate.dialects.dialect import OPENAI
from gateway.testing.scripted import ScriptedBackend, Step, reply
from tests.support.cut_server import CutServer, recorded, until_close
from tests.support.dispatch_doubles import CLOUD, a_decision, a_policy, a_request
from tests.support.permits import permit_for

TOKENS = 2
BODY = {
    "model": f"m+length={TOKENS}",
    "messages": [{"role": "user", "content": "a prompt of 24 characters"}],
    "max_tokens": 100,
}


async def record(*, is_streamed: bool, is_chunked: bool) -> bytes:
    """Return a real answer, byte for byte; if not chunked, only the connection's end tells its own."""
    stream = {"stream": True, "stream_options": {"include_usage": True}} if is_streamed else {}
    raw = await recorded(OPENAI, "/chat/completions", BODY | stream)
    return raw if is_chunked else until_close(raw)


GOES_ON: OpenAIModel = CLOUD.model_copy(update={"prefill": True})


def _goes_on(call: Call) -> Step:
    """Answer whole, or say what follows the text so far, and how much that was."""
    if not call.continue_final_message:
        return reply("whole answer of the backup")
    return reply(f"[after {len(call.request.messages[-1].content)}]")


async def _public(_: Request) -> PrivacyAssessment:
    return PrivacyAssessment(score=0.0, privacy_class=PrivacyClass.PUBLIC, reason="score")


async def events_of(
    cloud: CloudBackend, spec: OpenAIModel, *, is_streamed: bool, resume: bool = False
) -> list[StreamEvent]:
    """Dispatch one request to the server, with a backup that always answers, and no memory of faults."""
    clock = SystemClock()
    backup = ScriptedBackend("backup", _goes_on)
    dispatcher = Dispatcher(
        backends={"cloud": cloud, "backup": backup}, ledger=MemoryLedger(clock=clock), clock=clock
    )
    resilience = Resilience(attempts=1, recovery="resume" if resume else "restart")
    policy = a_policy({"cloud": spec, "backup": GOES_ON}, resilience=resilience)
    request = a_request()
    permit = permit_for(request, clearance=PrivacyClass.INTERNAL)
    decision = replace(a_decision("cloud", "backup"), permits={"cloud": permit})
    deadline = Deadline.after(30.0, clock)
    if not is_streamed:
        return [await dispatcher.generate(request, decision, policy=policy, deadline=deadline)]
    stream = dispatcher.stream(request, decision, policy=policy, deadline=deadline, privacy_check=_public)
    return [event async for event in stream]


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "until-close"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])
async def test_cut_at_every_byte(is_streamed: bool, is_chunked: bool, is_reset: bool) -> None:
    """Wherever the connection ends, the answer is the whole one of its model; what was void is said so."""
    recording = await record(is_streamed=is_streamed, is_chunked=is_chunked)
    models: dict[str, int] = {}
    async with CutServer(recording).serve() as server:
        spec: OpenAIModel = CLOUD.model_copy(update={"model": "m", "base_url": server.base_url})
        cloud = CloudBackend("cloud", spec, api_key=None, clock=SystemClock())
        server.size = len(recording)
        (*_, last) = await events_of(cloud, spec, is_streamed=is_streamed)
        assert isinstance(last, Answer)
        assert last.model == "cloud"
        whole = {"cloud": last.text, "backup": "whole answer of the backup"}
        server.is_reset = is_reset
        # A reset may overtake what was sent before it, so where it falls is not the test's to say.
        for size in range(0, len(recording), 17 if is_reset else 1):
            server.size = size
            events = await events_of(cloud, spec, is_streamed=is_streamed)
            answer = events[-1]
            assert isinstance(answer, Answer)
            assert answer.degraded is None
            assert answer.text == whole[answer.model], f"cut after {size} bytes"
            check_told(events, answer)
            models[answer.model] = models.get(answer.model, 0) + 1
        await cloud.aclose()
    assert models["backup"] > 0


async def test_cut_at_every_byte_resumed() -> None:
    """Wherever a stream is cut, what was sent stands, and the backup's words follow it, each once."""
    recording = await record(is_streamed=True, is_chunked=True)
    resumed = set()
    async with CutServer(recording).serve() as server:
        spec: OpenAIModel = CLOUD.model_copy(update={"model": "m", "base_url": server.base_url})
        cloud = CloudBackend("cloud", spec, api_key=None, clock=SystemClock())
        server.size = len(recording)
        (*_, last) = await events_of(cloud, spec, is_streamed=True)
        assert isinstance(last, Answer)
        for size in range(len(recording)):
            server.size = size
            events = await events_of(cloud, spec, is_streamed=True, resume=True)
            answer = events[-1]
            assert isinstance(answer, Answer)
            check_told(events, answer)
            assert not [event for event in events if isinstance(event, Restart)]
            if answer.model == "cloud":
                assert answer.text == last.text
            elif answer.attempts[-1].continued:
                begun, _, after = answer.text.partition("[after ")
                assert last.text.startswith(begun)
                assert after == f"{len(begun)}]"
                resumed.add(begun)
            else:
                assert answer.text == "whole answer of the backup"
        await cloud.aclose()
    assert len(resumed) == TOKENS


def check_told(events: list[StreamEvent], answer: Answer) -> None:
    """What a stream said since its last Restart is the answer."""
    if len(events) == 1:
        return
    said = ""
    for event in events:
        if isinstance(event, Restart):
            said = ""
        elif isinstance(event, Delta):
            said += event.text
    assert said == answer.text
