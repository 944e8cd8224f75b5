"""Which answers are kept, as what bytes, and for how long a process keeps them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.answer import (
    Answer,
    Attempt,
    Degraded,
    FinishReason,
    Outcome,
    Route,
    TokenLogprob,
    Usage,
)
from gateway.domain.conversation import Message, Reasoning, Role, Text, ToolCall
from gateway.domain.decision import Reason
from gateway.extras.cache.memory import ENTRY_BYTES, MemoryAnswers
from gateway.extras.cache.stored_answer import is_worth_keeping, read, written
from gateway.policy.loading.load import parse_policy
from tests.support.decisions import decided
from tests.support.fakes import FakeClock
from tests.support.policies import POLICY

ATTEMPT = Attempt(model="edge", outcome=Outcome.ANSWERED, reason=None, start_ms=0.0, duration_ms=1.0)
ANSWER = Answer(
    decision=decided(parse_policy(POLICY, name="p")),
    message=Message(role=Role.ASSISTANT, content="Paris, and half \ud83d"),
    finish_reason=FinishReason.STOP,
    usage=Usage(prompt_tokens=5, completion_tokens=2, cached_prompt_tokens=1),
    route=Route.CLOUD,
    model="cloud",
    degraded=None,
    cost_usd_nanos=7,
    attempts=(ATTEMPT,),
)
THOUGHT = Message(
    role=Role.ASSISTANT, parts=(Reasoning(text="Hm.", model="cloud", opaque=b"\x00s"), Text("Paris."))
)


@pytest.mark.parametrize("message", [ANSWER.message, THOUGHT])
@pytest.mark.parametrize("usage", [ANSWER.usage, None])
def test_an_answer_comes_back_as_it_was(message: Message, usage: Usage | None) -> None:
    """Text, reasoning, usage, route and model; with its own decision, no attempts and no cost."""
    made = replace(ANSWER, message=message, usage=usage)
    stored = read(written(made, unix_s=5.0))
    decision = replace(ANSWER.decision, rule="other")

    assert stored.made_unix_s == 5.0
    assert stored.answer(decision, age_s=3.0) == replace(
        made, decision=decision, cost_usd_nanos=0, attempts=(), cached_age_s=3.0
    )
    assert "Paris" not in repr(stored)


@pytest.mark.parametrize(
    "change",
    [
        {"finish_reason": FinishReason.LENGTH},
        {"finish_reason": FinishReason.CONTENT_FILTER},
        {"finish_reason": FinishReason.STOP_SEQUENCE},
        {"finish_reason": None},
        {"degraded": Degraded(reason=Reason.ALL_FAILED, canned_id="sorry")},
        {"message": Message(role=Role.ASSISTANT, parts=(Text("I look."), ToolCall(id="c", name="look")))},
        {"message": Message(role=Role.ASSISTANT, content="")},
        {"logprobs": (TokenLogprob(token="x", logprob=-1.0),)},
        {"vectors": (b"\x00",)},
        {"cached_age_s": 0.0},
        {"attempts": (ATTEMPT, replace(ATTEMPT, continued=True))},
    ],
)
def test_what_is_not_whole_is_not_kept(change: dict[str, Any]) -> None:
    """Cut, canned, made of two, with calls of tools, or kept before."""
    assert is_worth_keeping(ANSWER)
    assert not is_worth_keeping(replace(ANSWER, **change))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        written(ANSWER, unix_s=1.0)[:-9],
        written(ANSWER, unix_s=1.0).replace(b'"format":"1 of ', b'"format":"0 of '),
        written(ANSWER, unix_s=1.0).replace(b'"CLOUD"', b'"MOON"'),
        written(ANSWER, unix_s=1.0).replace(b'"prompt_tokens"', b'"tokens"'),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    """What another version stored, or anybody else, is no answer."""
    with pytest.raises(ValueError, match=r"^(?!.*Paris)"):
        read(data)


async def test_an_answer_is_kept_for_its_time() -> None:
    """And not a moment longer; what is over takes no room."""
    clock = FakeClock()
    store = MemoryAnswers(max_bytes=10_000, clock=clock)
    await store.put(b"k", b"one", ttl_s=10.0)
    clock.advance(9.9)

    assert await store.get(b"k") == b"one"
    clock.advance(0.1)
    assert await store.get(b"k") is None
    assert store.size_bytes == 0


async def test_the_least_recently_used_goes_first() -> None:
    """Bytes are bounded, keys and entries counted with them."""
    store = MemoryAnswers(max_bytes=3 * (ENTRY_BYTES + 100), clock=FakeClock())
    for key in (b"a", b"b", b"c"):
        await store.put(key, b"x" * 100, ttl_s=10.0)
    await store.get(b"a")
    await store.put(b"d", b"x" * 100, ttl_s=10.0)

    kept = {key for key in (b"a", b"b", b"c", b"d") if await store.get(key) is not None}
    assert kept == {b"a", b"c", b"d"}
    assert store.size_bytes == 3 * (ENTRY_BYTES + 100)

    await store.put(b"big", b"x" * 100_000, ttl_s=10.0)
    assert await store.get(b"big") is None
    assert await store.get(b"d") is not None

    await store.put(b"d", b"x", ttl_s=10.0)
    assert store.size_bytes == 2 * (ENTRY_BYTES + 100) + ENTRY_BYTES + 1


async def test_stores_have_secrets_of_their_own() -> None:
    """Keys of one process say nothing of requests to another."""
    clock = FakeClock()
    one, other = (MemoryAnswers(max_bytes=1, clock=clock) for _ in range(2))

    assert await one.secret() == await one.secret() != await other.secret()
