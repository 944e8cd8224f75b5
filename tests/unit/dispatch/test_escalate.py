"""A local model that is not sure is passed over before anybody saw a word of it, and never after."""

import random
from collections.abc import Sequence

import pytest

from gateway.backends.confident import Window
from gateway.domain.answer import (
    Answer,
    Chunk,
    Delta,
    Outcome,
    ReasoningDelta,
    Restart,
    Route,
    TokenConfidence,
    Usage,
)
from gateway.domain.decision import Reason
from gateway.errors import BackendUnreachable
from gateway.policy.escalation import Escalate
from gateway.policy.model import LlamaCppModel
from gateway.testing.scripted import Act, Delay, Script, reply
from tests.support.dispatch_doubles import (
    DOUBTFUL_EDGE,
    EDGE,
    ESCALATE,
    SURE,
    UNSURE,
    Bench,
    a_budget,
    draft_of,
)
from tests.support.virtual_time import virtual_time

CLOUD_TEXT = "from the cloud"
CLOUD_ANSWERS = [reply(CLOUD_TEXT, usage=Usage(prompt_tokens=9, completion_tokens=3))]


def bench(logprobs: Sequence[float], *, spec: LlamaCppModel = DOUBTFUL_EDGE, pause_s: float = 0.0) -> Bench:
    """Return an edge that says so, and a cloud."""
    scripts: dict[str, Script] = {"edge": [draft_of(logprobs, pause_s=pause_s)], "cloud": CLOUD_ANSWERS}
    return Bench(scripts, specs={"edge": spec})


@virtual_time
async def test_a_doubt_within_the_window_is_the_clouds() -> None:
    """The caller sees the cloud's words only, and what was dropped stands in the attempts."""
    events = await bench([SURE, UNSURE, UNSURE, UNSURE, SURE]).stream("edge", "cloud")

    text = "".join(event.text for event in events if isinstance(event, Delta))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert text == answer.text == CLOUD_TEXT
    assert not any(isinstance(event, Restart) for event in events)
    dropped, answered = answer.attempts
    assert (dropped.model, dropped.outcome, dropped.reason) == ("edge", Outcome.FAILED, Reason.LOW_CONFIDENCE)
    assert dropped.usage == Usage(prompt_tokens=7, completion_tokens=4)
    assert (answered.model, answered.outcome) == ("cloud", Outcome.ANSWERED)


@virtual_time
async def test_a_doubt_after_the_window_stays_at_home() -> None:
    """What was shown stands."""
    events = await bench([SURE] * 4 + [UNSURE] * 9).stream("edge", "cloud")

    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.route, len(answer.attempts)) == (Route.LOCAL, 1)
    assert answer.text == "".join(f"draft{n} " for n in range(1, 14))


@virtual_time
async def test_unary() -> None:
    """A call that is not streamed is judged by the same window."""
    doubtful = await bench([UNSURE] * 9).generate("edge", "cloud")
    sure = await bench([SURE] * 4 + [UNSURE] * 9).generate("edge", "cloud")

    assert (doubtful.text, doubtful.model) == (CLOUD_TEXT, "cloud")
    assert (sure.route, sure.usage) == (Route.LOCAL, Usage(prompt_tokens=7, completion_tokens=13))


@virtual_time
async def test_signs_of_life_are_no_beginning() -> None:
    """While the engine reads the prompt nothing is judged, however long that takes."""
    signs: list[Act] = [act for _ in range(9) for act in (Delay(2.0), Chunk())]
    scripts: dict[str, Script] = {"edge": [[*signs, *draft_of([UNSURE] * 9)]], "cloud": CLOUD_ANSWERS}
    answer = await Bench(scripts, specs={"edge": DOUBTFUL_EDGE}).generate("edge", "cloud")

    assert (answer.model, answer.attempts[0].reason) == ("cloud", Reason.LOW_CONFIDENCE)


@virtual_time
async def test_a_short_answer_is_judged_whole() -> None:
    """One that ends before the window is full."""
    doubtful = await bench([UNSURE]).generate("edge", "cloud")
    sure = await bench([SURE]).generate("edge", "cloud")

    assert (doubtful.model, sure.model) == ("cloud", "edge")


@virtual_time
async def test_the_last_model_has_to_answer() -> None:
    """With nobody to ask, and for a policy that does not want it, nothing is held back."""
    alone = bench([UNSURE] * 9)
    unasked = bench([UNSURE] * 9, spec=EDGE)

    assert (await alone.generate("edge")).model == "edge"
    assert (await unasked.generate("edge", "cloud")).model == "edge"
    assert alone.backends["edge"].calls[0].escalate is None


@virtual_time
@pytest.mark.parametrize("cloud", ["down", "unaffordable"])
async def test_a_doubtful_answer_is_better_than_none(cloud: str) -> None:
    """When nobody else answers, the edge gets a second turn, in which it has to."""
    scripts: dict[str, Script] = {
        "edge": [draft_of([UNSURE] * 9)],
        "cloud": [BackendUnreachable("cloud", "down")],
    }
    budgets = [] if cloud == "down" else [a_budget(1)]
    answer = await Bench(scripts, specs={"edge": DOUBTFUL_EDGE}, budgets=budgets).generate("edge", "cloud")

    assert answer.route is Route.LOCAL
    assert answer.degraded is None
    assert answer.text.startswith("draft1")
    assert answer.attempts[0].reason is Reason.LOW_CONFIDENCE
    assert answer.attempts[-1].outcome is Outcome.ANSWERED


@pytest.mark.parametrize(("pause_ms", "tokens"), [(1.0, 4), (150.0, 4), (200.0, 3), (400.0, 2), (600.0, 2)])
def test_nobody_waits_for_longer_than_the_window(pause_ms: float, tokens: int) -> None:
    """A slow model is judged by the tokens that came in time; only a pause that nobody foresaw is longer."""
    window = Window(ESCALATE)
    for n in range(9):
        window.take(Chunk(text="a", certainties=(TokenConfidence(SURE, 1.0, 1.0),)), now_ms=n * pause_ms)
        if window.is_over:
            break

    assert len(window.held) == tokens


def test_a_window_of_one_token() -> None:
    """The first piece fills it."""
    window = Window(Escalate(window_tokens=1))

    window.take(Chunk(text="a", certainties=(TokenConfidence(-1.0, 1.0, 1.0),)), now_ms=0.0)

    assert window.is_over


def test_the_window_begins_after_the_reasoning() -> None:
    """Reasoning is held, for as long as it takes, and only the answer is judged."""
    window = Window(Escalate(window_tokens=2, window_ms=100.0))
    for n in range(50):
        window.take(Chunk(reasoning=(ReasoningDelta(text="hm"),)), now_ms=n * 90.0)
        assert not window.is_over
    sure = TokenConfidence(SURE, 1.0, 1.0)
    window.take(Chunk(text="a", certainties=(sure,)), now_ms=9_000.0)
    assert not window.is_over
    window.take(Chunk(text="b", certainties=(sure,)), now_ms=9_001.0)

    assert window.is_over
    assert window.certainties == [sure, sure]
    assert len(window.held) == 52


def test_a_backend_that_cannot_tell_is_not_held_for_ever() -> None:
    """Pieces without a report count by their time."""
    window = Window(Escalate(window_tokens=4, window_ms=100.0))
    for n in range(10):
        window.take(Chunk(text="a"), now_ms=n * 30.0)
        if window.is_over:
            break

    assert 60.0 <= n * 30.0 <= 100.0


@virtual_time
async def test_no_draft_leaves_in_a_thousand_cases() -> None:
    """Whatever the window, the threshold, the answer and its pace: one model's words, whole."""
    dice = random.Random(20261125)
    routes = set()
    for _ in range(1000):
        escalate = Escalate(
            window_tokens=dice.randint(1, 12), window_ms=dice.choice([1.0, 50.0, 500.0]), below=dice.random()
        )
        logprobs = [dice.choice([SURE, UNSURE, -1.0]) for _ in range(dice.randint(1, 20))]
        tried = bench(
            logprobs,
            spec=EDGE.model_copy(update={"escalate": escalate}),
            pause_s=dice.choice([0.0, 0.01, 0.1]),
        )
        events = await tried.stream("edge", "cloud")
        answer = events[-1]
        text = "".join(event.text for event in events if isinstance(event, Delta))
        assert isinstance(answer, Answer)
        assert text == answer.text
        assert not any(isinstance(event, Restart) for event in events)
        if answer.route is Route.CLOUD:
            assert text == CLOUD_TEXT
            assert tried.backends["edge"].stopped or len(logprobs) <= escalate.window_tokens
        else:
            assert text == "".join(f"draft{n} " for n in range(1, len(logprobs) + 1))
        routes.add(answer.route)
    assert routes == {Route.LOCAL, Route.CLOUD}
