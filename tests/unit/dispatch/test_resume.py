"""A stream that was cut goes on from the text already sent, or begins anew; it never only looks complete."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.base import Call
from gateway.domain.answer import Answer, Chunk, Delta, FinishReason, Outcome, Restart, StreamEvent, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendFailed, BackendInvalid, ContentFiltered, ContextTooLong, StreamTruncated
from gateway.policy.model import ModelSpec, Resilience
from gateway.testing.scripted import Act, Delay, Step, reply
from tests.support.dispatch_doubles import CLOUD, EDGE, PROMPT, WORST, Bench, a_budget, a_request, told
from tests.support.draws import examples
from tests.support.virtual_time import VirtualLoop, virtual_time

RESUME = Resilience(recovery="resume")
GOES_ON = CLOUD.model_copy(update={"prefill": True})
LOCAL = EDGE.model_copy(update={"prefill": True})
USAGE = Usage(prompt_tokens=10, completion_tokens=3)
STOP = Chunk(finish_reason=FinishReason.STOP, usage=USAGE)
HALF: tuple[Act, ...] = (Chunk(text="half "), Chunk(text="an "))
REST: tuple[Act, ...] = (Chunk(text="answer."), STOP)


def check_of(class_: PrivacyClass) -> Callable[[Request], "asyncio.Future[PrivacyAssessment]"]:
    """Return a judge that finds every request to be of a class."""

    def judge(request: Request) -> "asyncio.Future[PrivacyAssessment]":
        assert request.messages[-1].role is Role.ASSISTANT, "the text so far is judged, too"
        done: asyncio.Future[PrivacyAssessment] = asyncio.get_running_loop().create_future()
        done.set_result(PrivacyAssessment(score=0.0, privacy_class=class_, reason="score"))
        return done

    return judge


PUBLIC = check_of(PrivacyClass.PUBLIC)


def bench(
    *steps: tuple[str, ModelSpec, Sequence[Step]],
    privacy_check: Callable[[Request], "asyncio.Future[PrivacyAssessment]"] | None = PUBLIC,
    resilience: Resilience = RESUME,
) -> Bench:
    """Return a bench of models by name, each with what the policy says of it and its script."""
    return Bench(
        {name: script for name, _, script in steps},
        specs={name: spec for name, spec, _ in steps},
        resilience=resilience,
        privacy_check=privacy_check,
        budgets=[a_budget(100 * WORST)],
    )


def last(call: Call) -> Message:
    """Return the last message that a model was sent."""
    return call.request.messages[-1]


@virtual_time
async def test_the_next_model_goes_on() -> None:
    """A model that declares it is handed the text so far, and what it adds follows in the same attempt."""
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [REST]))
    events = await tried.stream("cloud", "backup")
    assert told(events) == ["0:half ", "0:an ", "0:answer.", "answer half an answer."]
    (call,) = tried.backends["backup"].calls
    assert last(call) == Message(role=Role.ASSISTANT, content="half an ")
    assert call.continue_final_message
    assert call.max_tokens == call.request.config.max_tokens == 100 - 2, "what was said counts"
    assert call.permit is not None
    assert call.permit.request == call.request
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.model, answer.usage, answer.finish_reason) == ("backup", USAGE, FinishReason.STOP)
    assert [(a.model, a.reason, a.continued) for a in answer.attempts] == [
        ("cloud", Reason.STREAM_TRUNCATED, False),
        ("backup", None, True),
    ]
    assert answer.cost_usd_nanos == sum(attempt.cost_usd_nanos for attempt in answer.attempts)
    await tried.dispatcher.drained()
    totals = await tried.ledger.totals()
    assert totals.settled_usd_nanos == answer.attempts[1].cost_usd_nanos == 10 * 1000 + 3 * 2000
    assert totals.unknown_usd_nanos == answer.attempts[0].cost_usd_nanos == WORST


@virtual_time
async def test_a_local_model_goes_on() -> None:
    """A local model goes on: its engine puts the text after its template."""
    tried = bench(("cloud", CLOUD, [HALF]), ("edge", LOCAL, [REST]))
    events = await tried.stream("cloud", "edge")
    assert told(events)[-1] == "answer half an answer."
    (call,) = tried.backends["edge"].calls
    assert call.permit is None
    assert call.continue_final_message


@virtual_time
async def test_what_was_sent_is_reserved_for() -> None:
    """The text so far is part of what is sent, so it is part of the worst case."""
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [(Chunk(text="x"), Delay(1e6))]))
    events = await tried.stream("cloud", "backup", timeout_s=20.0)
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.degraded is not None
    worst = (len(PROMPT) + len("half an ") + 2 * 16 + 64) * 1000 + 98 * 2000
    assert answer.attempts[1].cost_usd_nanos == worst


REFUSALS = [BackendInvalid("backup", "400"), ContextTooLong("backup", "400"), STOP]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["400", "too long", "adds nothing"])
@virtual_time
async def test_a_model_that_refuses_to_go_on_is_asked_for_the_whole(refusal: Act) -> None:
    """Its refusal hides nothing: it answers anew, and the caller is told so, for the reason of the cut."""
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [refusal, reply("whole", usage=USAGE)]))
    events = await tried.stream("cloud", "backup", request=a_request(allow_degraded=False))
    assert told(events) == [
        "0:half ",
        "0:an ",
        "restart backup STREAM_TRUNCATED",
        "1:whole",
        "answer whole",
    ]
    first, second = tried.backends["backup"].calls
    assert (first.continue_final_message, second.continue_final_message) == (True, False)
    assert second.request == a_request(allow_degraded=False)
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert [(a.model, a.outcome) for a in answer.attempts] == [
        ("cloud", Outcome.FAILED),
        ("backup", Outcome.FAILED),
        ("backup", Outcome.ANSWERED),
    ]


@virtual_time
async def test_other_failures_to_go_on_are_what_they_are() -> None:
    """A provider that is down is retried and left, and its content filter is no refusal to go on."""
    down = BackendFailed("backup", "500")
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [down, down, down]), ("edge", LOCAL, [REST]))
    assert told(await tried.stream("cloud", "backup", "edge"))[-1] == "answer half an answer."
    assert tried.called("backup") == 3
    filtered = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [ContentFiltered("backup", "400")]))
    with pytest.raises(ContentFiltered):
        await filtered.stream("cloud", "backup")
    assert filtered.called("backup") == 1


@virtual_time
async def test_two_cuts() -> None:
    """What went on may be cut, too, and the third model goes on from all of it."""
    more: tuple[Act, ...] = (Chunk(text="a longer "), StreamTruncated("backup", "cut"))
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [more]), ("edge", LOCAL, [REST]))
    events = await tried.stream("cloud", "backup", "edge")
    assert told(events)[-1] == "answer half an a longer answer."
    assert not [event for event in events if isinstance(event, Restart)]
    assert last(tried.backends["edge"].calls[0]).content == "half an a longer "


@virtual_time
async def test_nobody_goes_on() -> None:
    """With nobody left the text is void, and the canned reply, or the error, says so."""
    tried = bench(("cloud", CLOUD, [HALF]))
    assert told(await tried.stream("cloud"))[-2:] == ["restart canned STREAM_TRUNCATED", "answer Sorry."]
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", GOES_ON, [(Chunk(text="more"),)]))
    with pytest.raises(StreamTruncated):
        await tried.stream("cloud", "backup", request=a_request(allow_degraded=False))


@pytest.mark.parametrize(
    ("spec", "privacy_check"),
    [
        (GOES_ON, check_of(PrivacyClass.CONFIDENTIAL)),
        (GOES_ON, None),
        (CLOUD, PUBLIC),
        (LOCAL.model_copy(update={"clearance": "internal"}), check_of(PrivacyClass.RESTRICTED)),
    ],
    ids=["above its clearance", "not judged", "not declared", "a local model's clearance"],
)
@virtual_time
async def test_who_may_not_see_the_text_is_not_sent_it(
    spec: ModelSpec,
    privacy_check: Callable[[Request], "asyncio.Future[PrivacyAssessment]"] | None,
) -> None:
    """It goes to no model that declares nothing, or whose clearance is below what is in it by now."""
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", spec, [reply("whole")]), privacy_check=privacy_check)
    await tried.stream("cloud", "backup")
    assert [call.request for call in tried.backends["backup"].calls] == [a_request()]


@virtual_time
async def test_json_is_asked_for_whole() -> None:
    """A grammar cannot begin in the middle, so nobody is asked to go on with JSON."""
    request = a_request()
    config = GenerationConfig(max_tokens=100, json_schema="{}")
    request = Request(request_id="r", tenant="acme", messages=request.messages, config=config)
    tried = bench(("cloud", CLOUD, [HALF]), ("edge", LOCAL, [reply("{}")]))
    assert told(await tried.stream("cloud", "edge", request=request))[-1] == "answer {}"
    assert tried.backends["edge"].calls[0].request == request


WHOLES = {
    "half an answer.": ["0:half ", "0:an ", "0:answer.", "answer half an answer."],
    "half an ": ["0:half ", "0:an ", "answer half an "],
    "half a loaf": ["0:half ", "0:an ", "restart backup STREAM_TRUNCATED", "1:half a ", "1:loaf"],
    "half": ["0:half ", "0:an ", "restart backup STREAM_TRUNCATED", "1:half", "answer half"],
    "Half an answer.": ["0:half ", "0:an ", "restart backup STREAM_TRUNCATED", "1:Half "],
}


@pytest.mark.parametrize("whole", WHOLES)
@virtual_time
async def test_a_whole_answer_fits_or_voids(whole: str) -> None:
    """A whole answer goes on only if it begins with exactly what was sent; else it begins anew."""
    tried = bench(("cloud", CLOUD, [HALF]), ("backup", CLOUD, [reply(whole, usage=USAGE)]))
    events = await tried.stream("cloud", "backup")
    assert told(events)[: len(WHOLES[whole])] == WHOLES[whole]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text == whole
    assert not any(attempt.continued for attempt in answer.attempts)


TEXT = "One answer, that every model here would give."


def step_of(call: Call, cut_after: int, piece: int, *, is_true: bool) -> Step:
    """Return what a model says: all of the answer or its rest, in pieces, or the first part of that."""
    whole = TEXT if is_true else TEXT.swapcase()
    begun = last(call).content if call.continue_final_message else ""
    rest = whole[len(begun) :]
    pieces = [Chunk(text=rest[at : at + piece]) for at in range(0, len(rest), piece)]
    if cut_after < len(pieces):
        return (*pieces[:cut_after], StreamTruncated("x", "cut"))
    return (*pieces, STOP)


MODEL = st.tuples(
    st.sampled_from([CLOUD, GOES_ON, LOCAL]),
    st.integers(min_value=0, max_value=60),
    st.integers(min_value=1, max_value=9),
    st.booleans(),
)


@settings(max_examples=examples(300), deadline=None)
@given(models=st.lists(MODEL, min_size=1, max_size=5))
def test_what_ends_well_is_whole(models: list[tuple[ModelSpec, int, int, bool]]) -> None:
    """Wherever each model is cut, what ends well is as long as an answer, and the last attempt's deltas."""
    names = [f"m{index}" for index in range(len(models))]

    async def run() -> Sequence[StreamEvent]:
        scripts = {
            name: lambda call, cut=cut, piece=piece, is_true=is_true: step_of(
                call, cut, piece, is_true=is_true
            )
            for name, (_, cut, piece, is_true) in zip(names, models, strict=True)
        }
        specs = {name: spec for name, (spec, *_) in zip(names, models, strict=True)}
        tried = Bench(scripts, specs=specs, resilience=RESUME, privacy_check=PUBLIC)
        return await tried.stream(*names)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        events = runner.run(run())
    answer = events[-1]
    assert isinstance(answer, Answer)
    if answer.degraded is not None:
        assert answer.text == "Sorry."
        return
    attempt = max((event.attempt for event in events if isinstance(event, Delta)), default=0)
    spoken = [event.text for event in events if isinstance(event, Delta) and event.attempt == attempt]
    assert "".join(spoken) == answer.text
    assert answer.text.casefold() == TEXT.casefold()
    if not any(each.continued for each in answer.attempts):
        assert answer.text in (TEXT, TEXT.swapcase()), "one model's own words"
