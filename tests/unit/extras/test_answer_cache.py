"""An identical request gets the answer that was made before: when, to whom, and as what."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.answer import (
    Answer,
    CachedDelta,
    Chunk,
    Delta,
    FinishReason,
    ReasoningDelta,
    ToolCallDelta,
    Usage,
)
from gateway.domain.cache_control import CacheControl
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.errors import BackendUnreachable
from gateway.extras.cache.answer_cache import PAUSE_S, LookUp
from gateway.policy.caching import CachePolicy
from gateway.testing.scripted import Script, reply
from tests.support.cached_calls import GREEDY, CachedBench, NotingStore
from tests.support.dispatch_doubles import Bench, a_budget
from tests.support.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
ANSWERS: Script = [reply("the first", usage=USAGE), reply("another")]
HIT, MISS = LookUp.HIT, LookUp.MISS
STOP = FinishReason.STOP


def bench_of(script: Script = ANSWERS, section: CachePolicy | None = None, **options: Any) -> CachedBench:
    """Return a cache around one cloud model with a budget, and one at the edge."""
    bench = Bench({"cloud": script, "edge": [reply("from the edge")]}, budgets=[a_budget(10**12)])
    return CachedBench(bench, section, **options)


async def settled(bench: CachedBench) -> int:
    """Return what the ledger has charged, once the answers are kept."""
    await bench.cache.drain()
    await bench.bench.dispatcher.drained()
    return (await bench.bench.ledger.totals()).settled_usd_nanos


@virtual_time
async def test_a_hit_costs_nothing() -> None:
    """No attempt, no reservation; route, model and usage are those of the model that made it."""
    bench = bench_of()
    made = await bench.caller("cloud").answer()
    paid = await settled(bench)
    await asyncio.sleep(5.0)
    caller = bench.caller("cloud", "edge")
    kept = await caller.answer()

    assert kept == replace(
        made, decision=kept.decision, attempts=(), cost_usd_nanos=0, cached_age_s=kept.cached_age_s
    )
    assert kept.cached_age_s == pytest.approx(5.0)
    assert kept.decision.chain == ("cloud", "edge")
    assert caller.log.attempts == ()
    assert (bench.bench.called("cloud"), bench.looked_up) == (1, [MISS, HIT])
    assert await settled(bench) == paid > 0


@pytest.mark.parametrize("delivery", [Delivery.PIECES, Delivery.FINAL_PIECES])
@virtual_time
async def test_a_stream_gets_it_as_a_stream(delivery: Delivery) -> None:
    """One piece, which says how old it is, and the whole; whatever way the first caller took it."""
    bench = bench_of()
    await bench.caller("cloud", delivery=Delivery.WHOLE).answer()
    await settled(bench)
    caller = bench.caller("cloud", delivery=delivery)
    await caller.answer()

    piece, whole = caller.told
    assert isinstance(piece, CachedDelta)
    assert isinstance(whole, Answer)
    assert (piece.text, piece.model, piece.attempt) == ("the first", "cloud", 0)
    assert (piece.cached_age_s, whole.usage) == (whole.cached_age_s, USAGE)


@virtual_time
async def test_an_answer_is_given_again_for_its_time() -> None:
    """And no longer."""
    bench = bench_of(section=CachePolicy(ttl_s=10.0))
    await bench.caller("cloud").answer()
    await settled(bench)
    await asyncio.sleep(9.0)
    assert (await bench.caller("cloud").answer()).text == "the first"
    await asyncio.sleep(1.5)
    assert (await bench.caller("cloud").answer()).text == "another"


@pytest.mark.parametrize(
    ("first", "second", "is_hit"),
    [
        (CacheControl(), CacheControl(), True),
        (CacheControl(), CacheControl(max_age_s=0.0), False),
        (CacheControl(), CacheControl(max_age_s=4.0), False),
        (CacheControl(), CacheControl(max_age_s=6.0), True),
        (CacheControl(may_keep=False), CacheControl(), False),
        (CacheControl(), CacheControl(may_keep=False), True),
        (CacheControl(max_age_s=0.0), CacheControl(), True),
    ],
)
@virtual_time
async def test_the_caller_has_a_say(first: CacheControl, second: CacheControl, is_hit: bool) -> None:
    """no-cache: nothing old; max-age: nothing older; no-store: nothing kept."""
    bench = bench_of()
    await bench.caller("cloud", control=first).answer()
    await settled(bench)
    await asyncio.sleep(5.0)
    again = await bench.caller("cloud", control=second).answer()

    assert (again.cached_age_s is not None) is is_hit


@virtual_time
async def test_no_cache_puts_a_new_answer_in_place_of_the_old() -> None:
    """As a reload in a browser does."""
    bench = bench_of()
    for control in (CacheControl(), CacheControl(max_age_s=0.0)):
        await bench.caller("cloud", control=control).answer()
        await settled(bench)

    assert (await bench.caller("cloud").answer()).text == "another"


@pytest.mark.parametrize(
    ("class_", "max_class", "is_kept"),
    [
        (PrivacyClass.PUBLIC, "public", True),
        (PrivacyClass.INTERNAL, "public", False),
        (PrivacyClass.RESTRICTED, "confidential", False),
        (PrivacyClass.CONFIDENTIAL, "confidential", True),
    ],
)
@virtual_time
async def test_what_is_too_private_is_never_kept(class_: PrivacyClass, max_class: Any, is_kept: bool) -> None:
    """Above `max_class` nothing is written, and nothing read."""
    written = NotingStore()
    bench = bench_of(section=CachePolicy(max_class=max_class), store=written)
    for _ in range(2):
        await bench.caller("cloud", class_=class_).answer()
        await settled(bench)

    assert bool(written.puts) is bool(written.gets) is is_kept


@virtual_time
async def test_a_model_that_may_not_answer_now_is_a_miss() -> None:
    """Routing decides anew: what a cloud model said is not given where it may not be asked."""
    bench = bench_of()
    await bench.caller("cloud", "edge").answer()
    await settled(bench)
    elsewhere = await bench.caller("edge").answer()

    assert (elsewhere.model, elsewhere.text, elsewhere.cached_age_s) == ("edge", "from the edge", None)


CALL = ToolCallDelta(index=0, id="c", name="look", arguments_json="{}")


@pytest.mark.parametrize(
    "step",
    [
        reply("cut", finish_reason=FinishReason.LENGTH),
        reply("filtered", finish_reason=FinishReason.CONTENT_FILTER),
        Chunk(tool_calls=(CALL,), finish_reason=FinishReason.TOOL_CALLS),
        Chunk(text="I look.", tool_calls=(CALL,), finish_reason=FinishReason.STOP),
        BackendUnreachable("cloud", "no connection"),
        [Chunk(text="broken "), BackendUnreachable("cloud", "reset")],
    ],
)
@virtual_time
async def test_what_is_not_whole_is_not_given_again(step: Any) -> None:
    """Cut, filtered, with calls of tools, canned."""
    bench = bench_of([step])
    for _ in range(2):
        await bench.caller("cloud").answer()
        await settled(bench)

    assert HIT not in bench.looked_up


@virtual_time
async def test_the_second_model_of_a_chain_is_kept_as_itself() -> None:
    """The first one failed; the answer names the one that gave it."""
    bench = bench_of([BackendUnreachable("cloud", "no connection")])
    await bench.caller("cloud", "edge").answer()
    await settled(bench)
    kept = await bench.caller("cloud", "edge").answer()

    assert (kept.model, kept.route.value, kept.attempts) == ("edge", "LOCAL", ())


@virtual_time
async def test_tenants_never_share() -> None:
    """The same request of another tenant is another request."""
    bench = bench_of()
    await bench.caller("cloud").answer()
    await settled(bench)
    other = await bench.caller("cloud", request=replace(GREEDY, tenant="other")).answer()

    assert other.text == "another"


@virtual_time
async def test_a_sample_is_never_kept() -> None:
    """A request without a seed wants another answer each time."""
    bench = bench_of()
    sampled = replace(GREEDY, config=replace(GREEDY.config, temperature=0.7))
    for _ in range(2):
        await bench.caller("cloud", request=sampled).answer()

    assert bench.bench.called("cloud") == 2
    assert bench.looked_up == []


@virtual_time
async def test_without_a_store_models_answer() -> None:
    """A store that fails costs one wait, and is asked again after a pause."""
    store = NotingStore(fails=True)
    bench = bench_of(store=store)
    for _ in range(3):
        assert (await bench.caller("cloud").answer()).cached_age_s is None
        await settled(bench)
    assert store.asked == 1

    store.fails = False
    await asyncio.sleep(PAUSE_S)
    for _ in range(2):
        last = await bench.caller("cloud").answer()
        await settled(bench)
    assert last.cached_age_s == 0.0
    assert bench.looked_up == [MISS] * 4 + [HIT]


@virtual_time
async def test_what_cannot_be_read_is_a_miss() -> None:
    """Bytes of somebody else are not an answer."""
    store = NotingStore()
    bench = bench_of(store=store)
    await bench.caller("cloud").answer()
    await settled(bench)
    store.kept = dict.fromkeys(store.kept, b"{}")

    assert (await bench.caller("cloud").answer()).text == "another"


@virtual_time
async def test_a_thinking_answer_keeps_its_thought() -> None:
    """The reasoning is a piece of its own, and comes first."""
    bench = bench_of([Chunk(reasoning=(ReasoningDelta(text="Hm."),), text="42", finish_reason=STOP)])
    made = await bench.caller("cloud").answer()
    await settled(bench)
    caller = bench.caller("cloud")

    assert (await caller.answer()).message == made.message
    pieces = [each for each in caller.told if isinstance(each, Delta)]
    assert [(each.reasoning and each.reasoning.text, each.text) for each in pieces] == [
        ("Hm.", ""),
        (None, "42"),
    ]
    assert [type(each) for each in pieces] == [CachedDelta, Delta]
