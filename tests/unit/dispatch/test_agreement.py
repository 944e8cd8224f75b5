"""An edge that does not say the same again is passed over before anybody saw a word of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.backends.base import Call
from gateway.dispatch.layer import Target
from gateway.domain.answer import Answer, Chunk, Delta, FinishReason, Outcome, Route, TokenConfidence, Usage
from gateway.domain.conversation import ReasoningEffort
from gateway.domain.decision import Reason
from gateway.errors import BackendUnreachable, PolicyError
from gateway.ledger.money import cost_usd_nanos
from gateway.policy.escalation import Agreement, Escalate
from gateway.policy.llama_cpp import LlamaCppModel
from gateway.policy.loading.load import parse_policy
from gateway.testing.scripted import Act, Delay, Step, reply
from tests.support.dispatch_doubles import CLOUD, EDGE, SURE, UNSURE, Bench, a_request
from tests.support.virtual_time import virtual_time

AGREEMENT = Agreement(samples=3, max_tokens=8, min_agreement=0.67, window_ms=2000.0)
CLOUD_USAGE = Usage(prompt_tokens=9, completion_tokens=3)


def spec_with(asked: Agreement | None = AGREEMENT, *, below: float = 0.35) -> LlamaCppModel:
    """Return an edge whose answers are compared."""
    escalate = Escalate(window_tokens=2, window_ms=500.0, below=below, agreement=asked)
    return EDGE.model_copy(update={"escalate": escalate})


def said(text: str, *, logprob: float = SURE, prompt_tokens: int = 7) -> list[Act]:
    """Return an answer as an engine streams it, word by word."""
    words = text.split(" ")
    certainty = TokenConfidence(logprob=logprob, margin=1.0, entropy=1.0)
    acts: list[Act] = [
        Chunk(text=f"{word} ", certainties=(certainty,), usage=Usage(prompt_tokens=7, completion_tokens=n))
        for n, word in enumerate(words, start=1)
    ]
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=len(words))
    return [*acts, Chunk(finish_reason=FinishReason.STOP, usage=usage)]


def bench(answer: Sequence[Act], samples: Sequence[Step], *, spec: LlamaCppModel | None = None) -> Bench:
    """Return an edge with this answer and these samples, and a cloud."""
    waiting = list(samples)

    def script(call: Call) -> Step:
        is_sample = call.escalate is None and call.max_tokens == AGREEMENT.max_tokens
        return waiting.pop(0) if is_sample else list(answer)

    return Bench(
        {"edge": script, "cloud": [reply("from the cloud", usage=CLOUD_USAGE)]},
        specs={"edge": spec or spec_with()},
    )


def text_of(events: Sequence[object]) -> str:
    """Return what a caller of a stream was shown."""
    return "".join(event.text for event in events if isinstance(event, Delta))


@virtual_time
@pytest.mark.parametrize(
    ("samples", "model"),
    [
        (["It makes 12 .", "The sum is 12 ."], "edge"),
        (["It makes 12 .", "It is 13 ."], "edge"),  # Two of three.
        (["It makes 14 .", "It is 13 ."], "cloud"),
        (["It is 13 .", "It is 13 ."], "cloud"),  # They agree, but not with the answer.
    ],
)
async def test_the_edge_answers_where_it_says_the_same_again(samples: list[str], model: str) -> None:
    """The last number counts, whatever the words around it are."""
    answer = await bench(said("7 plus 5 is 12 ."), [said(each) for each in samples]).generate("edge", "cloud")
    assert answer.model == model


@virtual_time
async def test_what_samples_cost_is_told() -> None:
    """In the usage of the answer, and of the attempt that was dropped; no other count has them."""
    stays = await bench(said("It is 12 ."), [said("So 12 ."), said("It is 12 now .")]).generate(
        "edge", "cloud"
    )
    assert stays.usage == Usage(prompt_tokens=7, completion_tokens=4, sample_tokens=8)
    assert stays.attempts[0].usage == stays.usage

    goes = await bench(said("It is 12 ."), [said("So 1 ."), said("It is 2 .")]).generate("edge", "cloud")
    dropped, answered = goes.attempts
    assert (dropped.outcome, dropped.reason) == (Outcome.FAILED, Reason.LOW_CONFIDENCE)
    assert dropped.usage == Usage(prompt_tokens=7, completion_tokens=4, sample_tokens=7)
    assert answered.usage == goes.usage == CLOUD_USAGE


@virtual_time
async def test_nobody_saw_a_word_of_what_was_dropped() -> None:
    """Not of a stream either; what is kept is streamed on after the comparison."""
    goes = await bench(said("It is 12 ."), [said("1"), said("2")]).stream("edge", "cloud")
    assert text_of(goes) == "from the cloud"
    long = "12 " + " ".join(f"word{n}" for n in range(30))
    stays = await bench(said(long), [said("12"), said("12")]).stream("edge", "cloud")
    answer = stays[-1]
    assert isinstance(answer, Answer)
    assert (answer.route, text_of(stays)) == (Route.LOCAL, f"{long} ")


@virtual_time
async def test_samples_are_short_and_drawn_by_chance() -> None:
    """Of the same prompt, without reasoning, each with a seed of its own where the caller gave one."""
    request = a_request()
    request = replace(request, config=replace(request.config, temperature=0.0, seed=40))
    made = bench(said("12"), [said("12"), said("12")])
    await made.generate("edge", "cloud", request=request)
    first, *samples = made.backends["edge"].calls
    assert (first.max_tokens, first.request.config.temperature) == (100, 0.0)
    assert [each.request.config.seed for each in samples] == [41, 42]
    for each in samples:
        assert (each.max_tokens, each.escalate) == (8, None)
        assert each.request.messages == request.messages
        assert each.request.config.temperature == AGREEMENT.temperature
        assert each.request.config.reasoning.effort is ReasoningEffort.NONE


@virtual_time
@pytest.mark.parametrize(
    ("logprob", "asked", "calls"),
    [
        (UNSURE, AGREEMENT, 1),  # Its own tokens say enough.
        (SURE, AGREEMENT.model_copy(update={"sure": 0.9}), 1),
        (SURE, AGREEMENT, 3),
        (SURE, None, 1),
    ],
)
async def test_samples_are_drawn_only_where_they_decide(
    logprob: float, asked: Agreement | None, calls: int
) -> None:
    """Not for an answer that is dropped anyway, nor for one that is sure enough; and never unless asked."""
    made = bench(said("12 12 12", logprob=logprob), [said("12"), said("12")], spec=spec_with(asked))
    await made.generate("edge", "cloud")
    assert made.called("edge") == calls


@virtual_time
async def test_the_last_model_answers_without_samples() -> None:
    """With nobody to ask nothing is held back, and nothing is drawn."""
    made = bench(said("12"), [])
    assert (await made.generate("edge")).model == "edge"
    assert made.called("edge") == 1


@virtual_time
async def test_a_sample_that_fails_or_is_late_does_not_count() -> None:
    """One that disagrees but comes too late changes nothing, and is stopped; so is one that fails."""
    late: list[Act] = [Delay(60.0), *said("13")]
    broken: list[Act] = [BackendUnreachable("edge", "gone")]
    made = bench(said("12"), [late, broken])
    answer = await made.generate("edge", "cloud")
    assert answer.model == "edge"
    assert [call.max_tokens for call in made.backends["edge"].stopped] == [AGREEMENT.max_tokens]

    one_left = await bench(said("12"), [said("13"), broken]).generate("edge", "cloud")
    assert one_left.model == "cloud"


@virtual_time
async def test_who_leaves_takes_the_samples_along() -> None:
    """Nothing of a request goes on in the engine when its caller is gone."""
    slow: list[Act] = [*said("12 apples")[:-1], Delay(5.0), *said("12")]
    made = bench(slow, [[Delay(9.0), *said("12")]] * 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await made.stream("edge", "cloud")
    assert len(made.backends["edge"].stopped) == made.called("edge") == 3


@virtual_time
async def test_samples_are_reserved_and_charged() -> None:
    """A model with a price holds money for them, and charges what they had."""
    usage = Usage(prompt_tokens=10, completion_tokens=20, sample_tokens=30)
    more = cost_usd_nanos(CLOUD, usage) - cost_usd_nanos(CLOUD, replace(usage, sample_tokens=0))
    assert more == cost_usd_nanos(CLOUD, Usage(prompt_tokens=0, completion_tokens=30))
    made = bench(said("12"), [])
    target = Target(
        request=a_request(),
        policy=made.policy,
        model="edge",
        is_last=False,
        is_streamed=False,
        deadline=None,  # type: ignore[arg-type]  # Not looked at.
        attempt_log=None,  # type: ignore[arg-type]
        may_escalate=True,
    )
    assert target.reserved_tokens == target.max_tokens + 2 * AGREEMENT.max_tokens
    assert replace(target, may_escalate=False).reserved_tokens == target.max_tokens


def test_a_model_needs_a_slot_for_each_sample() -> None:
    """Else they would wait for the answer that waits for them."""
    text = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, slots: 2,
         escalate: {agreement: {samples: 3}}}
rules: [{name: default, route: [edge]}]
replies: [{id: sorry, text: Sorry.}]
"""
    with pytest.raises(
        PolicyError, match=r"models.edge.slots: must be at least escalate.agreement.samples \(3\)"
    ):
        parse_policy(text, name="p")
    assert parse_policy(text.replace("slots: 2", "slots: 3"), name="p").engines
