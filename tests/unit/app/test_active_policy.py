"""A swap of the pipeline: who has begun keeps the old one, and it is freed after its last request."""

import asyncio
from typing import cast

from gateway.app.runtime import Runtime, Stores
from gateway.clock import SystemClock
from gateway.domain.answer import Chunk
from gateway.extras.cache.opener import CacheOpener
from gateway.extras.handoff.open import HandoffOpener
from gateway.ledger.memory import MemoryLedger
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.extras import Extras
from gateway.pipeline.run import Pipeline
from gateway.policy.loading.load import parse_policy
from gateway.sessions.open import open_sessions
from gateway.testing.scripted import ScriptedBackend
from tests.support.policies import POLICY


class Retired:
    """Counts how often it was asked to free something."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        """Free it."""
        self.times += 1


async def test_a_request_keeps_the_pipeline_that_it_began_with() -> None:
    """The old one is freed when its last request is over, not before, and once."""
    first, second = cast(Pipeline, object()), cast(Pipeline, object())
    old, new = Retired(), Retired()
    current = ActivePolicy(first, retire=old)

    with current.begin() as one, current.begin() as other:
        current.swap(second, retire=new)
        with current.begin() as later:
            assert (one, other, later) == (first, first, second)
        await asyncio.sleep(0)
        assert old.times == 0
    await current.aclose()

    assert (old.times, new.times) == (1, 1)


async def test_an_unused_pipeline_is_freed_at_once() -> None:
    """A swap without a request in flight leaves nothing of the old policy."""
    old = Retired()
    current = ActivePolicy(cast(Pipeline, object()), retire=old)

    current.swap(cast(Pipeline, object()), retire=Retired())
    await asyncio.sleep(0)

    assert old.times == 1


async def test_a_cloud_model_that_stays_the_same_keeps_its_connections() -> None:
    """Two policies that name a model alike share its backend; one that differs gets another."""
    clock = SystemClock()
    keeping = Runtime(
        lasting={"edge": ScriptedBackend("edge", [Chunk()], clock=clock)},
        stores=Stores(
            MemoryLedger(clock=clock),
            open_sessions("memory:", has_tenants=False, clock=clock),
            CacheOpener(state_url="memory:", on_look_up=lambda _: None, clock=clock),
        ),
        handoff=HandoffOpener(state_url="memory:", environ={}, clock=clock),
        shadow=None,
        extras=Extras(),
        has_tenants=False,
        environ={},
        clock=clock,
    )
    before = parse_policy(POLICY, name="a")
    same = parse_policy(POLICY.replace("complexity >= 0.6", "complexity >= 0.7"), name="b")
    other = parse_policy(POLICY.replace(":9/v1", ":10/v1"), name="c")
    policy_backends = keeping._policy_backends

    _, free_before = await keeping.prepare(before)
    kept = dict(policy_backends._backends)
    _, free_same = await keeping.prepare(same)
    _, free_other = await keeping.prepare(other)
    shared = [backend for backend in policy_backends._backends.values() if backend in kept.values()]
    await free_before()
    still_there = len(policy_backends._backends)
    await free_same()
    await free_other()

    assert (len(kept), len(shared), still_there, len(policy_backends._backends)) == (1, 1, 2, 0)
