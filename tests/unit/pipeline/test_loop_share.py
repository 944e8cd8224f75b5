"""Work that holds the event loop for milliseconds takes turns, and leaves most of the loop to the others."""

import asyncio
import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType

import pytest

from benchmarks.privacy_inputs import LARGE
from gateway.clock import Deadline, SystemClock
from gateway.domain.conversation import File, Image, Message, Role, Text, ToolCall, ToolResult
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.errors import Overloaded
from gateway.pipeline.assess import (
    AT_ONCE_BYTES,
    CHECKED_CHARS,
    MASKED_PASSES,
    ON_LOOP_BYTES,
    Elsewhere,
    Known,
    PolicyAssessor,
)
from gateway.pipeline.assessor import Assessment
from gateway.pipeline.loop_share import REST, LoopShare
from gateway.pipeline.scoring_worker import assessor_of
from gateway.pipeline.steps import Steps
from gateway.policy.loading.load import default_policy_path, load_policy, parse_policy
from gateway.policy.model import Policy
from tests.support.fakes import FakeClock

MOST_STEPS = 120_000
"""Calls of functions while a text is scored; 80,000 of them take 10 ms on a busy core."""
MASKING = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal, mask: [EMAIL],
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud, edge]}]
replies: [{id: sorry, text: "Sorry."}]
"""


class HeldClock(FakeClock):
    """A clock on which whoever sleeps waits until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        """Wait for the test."""
        self.slept_s.append(delay_s)
        await self.goes_on.wait()


class Pool:
    """Counts what it is asked."""

    def __init__(self, policy: Policy) -> None:
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self._assessor = assessor_of(policy)

    async def assess(
        self,
        _: Policy,
        request: Request,
        entities: Entities,
        deadline: Deadline,
        known: Known | None = None,
    ) -> Assessment:
        """Score at once."""
        self.asked.append(request.tenant)
        self.requests.append(request)
        return self._assessor.measure(request, known=known)


def _request(text: str, *, tenant: str = "t") -> Request:
    return Request(request_id="r", tenant=tenant, messages=(Message(role=Role.USER, content=text),))


def _later(clock: FakeClock) -> Deadline:
    return Deadline.after(60.0, clock)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Return the policy that ships."""
    return load_policy(default_policy_path())


def _steps(assessor: PolicyAssessor, text: str) -> int:
    """Return how many functions are called while a text is scored in this process."""
    count = 0

    def seen(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    async def assess() -> None:
        await assessor.assess(_request(text), Deadline.after(60.0, SystemClock()))

    sys.setprofile(seen)
    try:
        asyncio.run(assess())
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", LARGE)
def test_no_text_holds_the_event_loop_for_long(kind: str, policy: Policy) -> None:
    """Of every kind that detectors may be slow on, as much as is scored on the loop takes few steps."""
    assessor = PolicyAssessor(policy, assessor_of(policy))
    assert _steps(assessor, LARGE[kind][:ON_LOOP_BYTES]) < MOST_STEPS


async def test_a_turn_is_followed_by_a_rest() -> None:
    """The next one waits for as long as the work took, times REST; who had the turn does not."""
    clock = HeldClock()
    share = LoopShare(clock)
    done: list[str] = []

    async def work(name: str) -> None:
        async with share.turn("t", _later(clock)):
            clock.advance(0.01)
            done.append(name)

    assert share.is_free
    await work("first")
    assert not share.is_free
    second = asyncio.create_task(work("second"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert done == ["first"]
    clock.goes_on.set()
    await second
    assert done == ["first", "second"]
    assert clock.slept_s[0] == pytest.approx(REST * 0.01)


async def test_tenants_take_turns() -> None:
    """Behind a flood of one tenant another has the second turn."""
    clock = FakeClock()
    share = LoopShare(clock)
    done: list[str] = []

    async def work(tenant: str) -> None:
        async with share.turn(tenant, _later(clock)):
            done.append(tenant)

    await asyncio.gather(*(work("eve") for _ in range(20)), work("acme"))
    assert done.index("acme") <= 2
    assert len(done) == 21


async def test_who_has_no_turn_in_time_is_told() -> None:
    """It is refused, and the turns of the others go on."""
    clock = HeldClock()
    share = LoopShare(clock)
    async with share.turn("t", _later(clock)):
        pass
    with pytest.raises(Overloaded) as refused:
        async with share.turn("t", Deadline.after(0.01, clock)):
            raise AssertionError("nobody rests for ever")
    assert refused.value.retry_after_s is not None
    clock.goes_on.set()
    async with share.turn("t", _later(clock)):
        pass


async def test_a_text_of_middle_size_goes_elsewhere_while_the_loop_rests(policy: Policy) -> None:
    """A flood of them takes its share of the loop; short ones are always scored at once."""
    clock, pool = HeldClock(), Pool(policy)
    one = PolicyAssessor(policy, assessor_of(policy), elsewhere=Elsewhere(pool, LoopShare(clock)))
    middle, short = _request("a" * (AT_ONCE_BYTES + 1)), _request("a" * AT_ONCE_BYTES)
    for _ in range(4):
        await one.assess(middle, _later(clock))
        await one.assess(short, _later(clock))
    assert len(pool.asked) == 3
    clock.goes_on.set()
    for _ in range(5):
        await asyncio.sleep(0)
    await one.assess(middle, _later(clock))
    assert len(pool.asked) == 3


async def test_masks_count(policy: Policy) -> None:
    """Where models need masks a text is scored several times, so less of it is scored on the loop."""
    masking = parse_policy(MASKING, name="policy.yaml")
    asked = []
    for each in (policy, masking):
        pool = Pool(each)
        one = PolicyAssessor(
            each,
            assessor_of(each),
            elsewhere=Elsewhere(pool, LoopShare(FakeClock())),
        )
        await one.assess(_request("a" * (ON_LOOP_BYTES // MASKED_PASSES + 1)), _later(FakeClock()))
        asked.append(len(pool.asked))
    assert asked == [0, 1]


async def test_a_short_text_that_may_be_masked_waits_for_its_turn() -> None:
    """Scored several times it holds the loop for milliseconds, so only a quarter is scored without a turn."""
    masking, clock = parse_policy(MASKING, name="policy.yaml"), HeldClock()
    share, pool = LoopShare(clock), Pool(masking)
    one = PolicyAssessor(masking, assessor_of(masking), elsewhere=Elsewhere(pool, share))
    async with share.turn("eve", _later(clock)):
        pass
    await one.assess(_request("a" * (AT_ONCE_BYTES // MASKED_PASSES)), _later(clock))
    assert not pool.asked
    await one.assess(_request("a" * (AT_ONCE_BYTES // MASKED_PASSES + 1)), _later(clock))
    assert len(pool.asked) == 1
    clock.goes_on.set()


def _checked_in(sizes: Sequence[int], done: list[int]) -> Steps[Request]:
    """Check so much in each step, and note which are done."""
    for size in sizes:
        yield size
        done.append(size)
    return _request("x")


async def test_a_long_schema_waits_for_its_turn(policy: Policy) -> None:
    """A short one does not, nor several that are short together."""
    clock, done = HeldClock(), list[int]()
    share = LoopShare(clock)
    one = PolicyAssessor(policy, assessor_of(policy), elsewhere=Elsewhere(Pool(policy), share))
    async with share.turn("eve", _later(clock)):
        pass
    short = [CHECKED_CHARS // 2, CHECKED_CHARS - CHECKED_CHARS // 2]
    await one.check("acme", _checked_in(short, done), _later(clock))
    assert done == short
    done.clear()
    task = asyncio.create_task(one.check("acme", _checked_in([CHECKED_CHARS + 1], done), _later(clock)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not done
    clock.goes_on.set()
    await task
    assert done == [CHECKED_CHARS + 1]


async def test_many_schemas_are_checked_in_turns_of_a_few(policy: Policy) -> None:
    """However many tools a request has: others have turns of their own in between."""
    clock, done = HeldClock(), list[int]()
    clock.goes_on.set()
    share = LoopShare(clock)
    one = PolicyAssessor(policy, assessor_of(policy), elsewhere=Elsewhere(Pool(policy), share))
    seen: list[int] = []

    async def other() -> None:
        while True:
            async with share.turn("acme", _later(clock)):
                seen.append(len(done))

    task = asyncio.create_task(other())
    await one.check("eve", _checked_in([CHECKED_CHARS // 4] * 128, done), _later(clock))
    task.cancel()
    assert len(done) == 128
    assert max(after - before for before, after in pairwise([0, *seen, 128])) <= 4 * 4
    assert len(seen) > 128 / 4 / 2


async def test_bytes_that_nobody_scans_are_not_sent_elsewhere(policy: Policy) -> None:
    """The decision is the same, and is of the request as it came, also where its text is masked."""
    picture = Image(data=b"png" * 1000, media_type="image/png")
    parts = (Text("a" * ON_LOOP_BYTES), picture, File(data=b"pdf" * 1000, media_type="application/pdf"))
    result = ToolResult(tool_call_id="c", parts=(Text("b"), picture))
    request = Request(
        request_id="r",
        tenant="t",
        messages=(
            Message(role=Role.USER, parts=parts),
            Message(role=Role.ASSISTANT, parts=(ToolCall(id="c", name="look"),)),
            Message(role=Role.TOOL, parts=(result,)),
        ),
    )
    sizes = []
    for each in (policy, parse_policy(MASKING, name="policy.yaml")):
        pool, here = Pool(each), assessor_of(each)
        one = PolicyAssessor(each, here, elsewhere=Elsewhere(pool, LoopShare(FakeClock())))
        assessed = await one.assess(request, _later(FakeClock()))
        assert assessed == here.assess(request)
        assert assessed.texts is not None
        assert assessed.texts.request is request
        [sent] = pool.requests
        sizes.append(sum(len(part.data) for message in sent.messages for part in message.unreadable_parts))
    assert sizes == [0, 0]
