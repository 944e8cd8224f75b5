"""Long texts are scored in other processes: same result, preemptible, and closed where one fails."""

import asyncio
import contextlib
import os
import signal

import pytest

from gateway.clock import Deadline, SystemClock
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import Entities, PrivacyClass
from gateway.domain.request import Request
from gateway.errors import DeadlinePassed, Overloaded
from gateway.pipeline import scoring_pool
from gateway.pipeline.assess import ON_LOOP_BYTES, Elsewhere, PolicyAssessor
from gateway.pipeline.assessor import Assessment
from gateway.pipeline.loop_share import LoopShare
from gateway.pipeline.scoring_pool import ScoringPool
from gateway.pipeline.scoring_worker import assessor_of
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.model import Policy
from tests.support.fakes import FakeClock
from tests.support.waiting import until

CLOCK = SystemClock()
LONG = "The quick brown fox jumps over the lazy dog. " * 400
NEVER_DONE = "::1\n" * 250_000


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Return the policy that ships."""
    return load_policy(default_policy_path())


def _request_of(text: str, *, tenant: str = "default") -> Request:
    return Request(request_id="r", tenant=tenant, messages=(Message(role=Role.USER, content=text),))


async def _assess(pool: ScoringPool, policy: Policy, text: str, *, timeout_s: float = 60.0) -> Assessment:
    return await pool.assess(policy, _request_of(text), Entities(), Deadline.after(timeout_s, CLOCK))


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_pool_says_what_this_process_would_say(policy: Policy) -> None:
    """Features, privacy and masks are the same; the second job needs no policy any more."""
    pool = ScoringPool(CLOCK)
    try:
        for text in (LONG, LONG + "Mail jane@example.com", LONG + "card 4111 1111 1111 1111"):
            assert await _assess(pool, policy, text) == assessor_of(policy).measure(_request_of(text))
        assert len(pool.pids) == 1
    finally:
        await pool.aclose()


async def test_short_texts_do_not_leave_this_process(policy: Policy) -> None:
    """Up to the limit a text is scored here, above it in the pool."""
    asked: list[int] = []

    class Counting:
        async def assess(self, *_: object) -> Assessment:
            asked.append(1)
            return assessor_of(policy).measure(_request_of(""))

    one = PolicyAssessor(
        policy,
        assessor_of(policy),
        elsewhere=Elsewhere(Counting(), LoopShare(FakeClock())),
    )
    deadline = Deadline.after(60.0, CLOCK)
    await one.assess(_request_of("a" * ON_LOOP_BYTES), deadline)
    assert asked == []
    await one.assess(_request_of("a" * ON_LOOP_BYTES + "a"), deadline)
    assert asked == [1]


@pytest.mark.parametrize("end", ["deadline", "cancel"])
async def test_a_job_ends_with_its_caller(policy: Policy, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the caller's time is over or it goes away, the process stops working and takes the next job."""
    monkeypatch.setattr(scoring_pool, "LISTEN_S", 30.0)  # A busy machine may be slow; a kill would hide it.
    pool = ScoringPool(CLOCK, processes=1)
    try:
        await _assess(pool, policy, LONG)
        (pid,) = pool.pids
        before_s = _cpu_s(pid)
        job = asyncio.create_task(
            _assess(pool, policy, NEVER_DONE, timeout_s=0.3 if end == "deadline" else 60)
        )
        await until(lambda: _cpu_s(pid) > before_s or job.done())
        if end == "cancel":
            job.cancel()
        with pytest.raises(DeadlinePassed if end == "deadline" else asyncio.CancelledError):
            await job
        assert (await _assess(pool, policy, LONG)).privacy.privacy_class is PrivacyClass.PUBLIC
        assert pool.pids == (pid,)
    finally:
        await pool.aclose()


async def test_a_process_that_does_not_listen_is_replaced(policy: Policy) -> None:
    """It is killed, and the next job is done by another one."""
    pool = ScoringPool(CLOCK, processes=1)
    try:
        await _assess(pool, policy, LONG)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(DeadlinePassed):
            await _assess(pool, policy, LONG, timeout_s=0.2)
        await _assess(pool, policy, LONG)
        assert pool.pids != (pid,)
    finally:
        await pool.aclose()


async def test_no_job_waits_for_a_process_to_start(policy: Policy) -> None:
    """All of them are there before the first job, and one that is killed is replaced unasked."""
    pool = ScoringPool(CLOCK, processes=2)
    try:
        await pool.warm()
        pids = pool.pids
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGSTOP)
        os.kill(pids[1], signal.SIGSTOP)
        with pytest.raises(DeadlinePassed):
            await _assess(pool, policy, LONG, timeout_s=0.2)
        await until(lambda: len(set(pool.pids) - set(pids)) == 1 and pool.busy == 0)
        assert len(pool.pids) == 2
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await pool.aclose()


async def test_a_process_that_crashes_makes_its_request_restricted(policy: Policy) -> None:
    """What was not judged counts as private, and the next job finds a process."""
    pool = ScoringPool(CLOCK, processes=1)
    try:
        await _assess(pool, policy, LONG)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        job = asyncio.create_task(_assess(pool, policy, LONG))
        await until(lambda: pool.busy == 1)
        os.kill(pid, signal.SIGKILL)
        privacy = (await job).privacy
        assert (privacy.privacy_class, privacy.reason) == (PrivacyClass.RESTRICTED, "scoring process ended")
        assert (await _assess(pool, policy, LONG)).privacy.privacy_class is PrivacyClass.PUBLIC
    finally:
        await pool.aclose()


async def test_a_tenant_leaves_a_process_for_the_others(policy: Policy) -> None:
    """One tenant's jobs take all but one process; who is not told apart may take all."""
    pool = ScoringPool(CLOCK, processes=2)
    deadline = Deadline.after(60.0, CLOCK)

    def job(tenant: str) -> "asyncio.Task[Assessment]":
        request = _request_of(LONG, tenant=tenant)
        return asyncio.create_task(pool.assess(policy, request, Entities(), deadline))

    try:
        await job("a")
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        flood = [job("a") for _ in range(4)]
        await until(lambda: pool.busy == 1)
        await job("b")
        assert not any(each.done() for each in flood)
        os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*flood)
    finally:
        await pool.aclose()


async def test_a_full_queue_is_refused(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be scored in time is refused, and says when to come again."""
    monkeypatch.setattr(scoring_pool, "QUEUE", 0)
    pool = ScoringPool(CLOCK, processes=1)
    try:
        first = asyncio.create_task(_assess(pool, policy, LONG))
        await until(lambda: pool.busy == 1)
        with pytest.raises(Overloaded) as refused:
            await _assess(pool, policy, LONG)
        assert refused.value.retry_after_s is not None
        await first
    finally:
        await pool.aclose()


async def test_no_process_is_left_behind(policy: Policy) -> None:
    """Closing ends them all."""
    pool = ScoringPool(CLOCK)
    await pool.warm()
    await _assess(pool, policy, LONG)
    pids = pool.pids
    await pool.aclose()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
