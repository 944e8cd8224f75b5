"""The cases of `gateway demo`: request, fault that is set before it, and expected result."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from gateway.cli.demo.stage import BACKUP, CLOUD, Stage
from gateway.ledger.spend_cache import FRESH_S
from gateway.v1 import gateway_pb2 as pb

EASY = "What is the capital of France?"
UNKNOWN = "Who was the first mayor of Lyon?"
HARD = (
    "Prove that a uniform limit of continuous functions is continuous, then explain step by step why"
    " pointwise convergence is not enough and give a counterexample."
)
PRIVATE = (
    "Analyse step by step why the payment with card 4111 1111 1111 1111 was declined, compare three possible"
    " causes, and write to jane.doe@example.org with a proof for each."
)

SPENDER = "spender"

LOCAL, CLOUD_ROUTE, CANNED = pb.ROUTE_LOCAL, pb.ROUTE_CLOUD, pb.ROUTE_CANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """Result of a case."""

    response: pb.GenerateResponse
    deltas: int
    """Number of deltas of a streamed answer; 0 for an answer that was not streamed."""
    provider_bytes: int
    """Number of bytes that the provider received during the case."""
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoExpectation:
    """Expected result of a case."""

    route: pb.Route.ValueType
    model: str
    rule: str
    attempts: tuple[str, ...]
    """Every attempt as `model` when it answered, else `model REASON`."""
    refused: tuple[str, ...] = ()
    degraded: pb.Reason.ValueType = pb.REASON_UNSPECIFIED
    is_provider_silent: bool = False
    """Whether the provider must receive no byte."""
    is_streamed: bool = False

    def problems(self, result: DemoResult) -> Sequence[str]:
        """Return the differences of the result from the expectation."""
        response = result.response
        facts = (
            ("route", self.route, response.route),
            ("model", self.model, response.model),
            ("rule", self.rule, response.decision.rule),
            ("attempts", self.attempts, attempt_words(response)),
            ("refused", self.refused, tuple(item.model for item in response.decision.refused)),
            ("degraded", self.degraded, response.degraded.reason),
            ("streamed", self.is_streamed, result.deltas > 1),
            ("no bytes at the provider", self.is_provider_silent, result.provider_bytes == 0),
        )
        return [f"{name}: expected {wanted!r}, got {got!r}" for name, wanted, got in facts if wanted != got]


def attempt_words(response: pb.GenerateResponse) -> tuple[str, ...]:
    """Return every attempt as `model` when it answered, else `model REASON`."""
    return tuple(
        attempt.model
        if attempt.outcome == pb.OUTCOME_ANSWERED
        else f"{attempt.model} {pb.Reason.Name(attempt.reason).removeprefix('REASON_')}"
        for attempt in response.attempts
    )


async def _nothing(_: Stage) -> None:
    """Set no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCase:
    """One row: a request, and the fault that is set before it is sent."""

    title: str
    text: str
    expected: DemoExpectation
    prepare: Callable[[Stage], Awaitable[None]] = field(default=_nothing)
    tenant: str = "demo"
    """Each tenant has its own budget."""
    is_by_sdk: bool = False
    """Whether the openai SDK asks, over HTTP, instead of our client over gRPC."""

    @property
    def is_private(self) -> bool:
        """Whether the text may not leave this host."""
        return self.text == PRIVATE


async def _spend(stage: Stage) -> None:
    await stage.spend(HARD, tenant=SPENDER)
    await asyncio.sleep(FRESH_S)  # The budget score is cached for this time.


async def _rate_limit_once(stage: Stage) -> None:
    stage.cloud.set_fault(CLOUD, "status", value=429, retry_after_s=0.4, times=1)


async def _cloud_down(stage: Stage) -> None:
    stage.cloud.set_fault(CLOUD, "status", value=503)


async def _both_down(stage: Stage) -> None:
    stage.cloud.set_fault(CLOUD, "status", value=503)
    stage.cloud.set_fault(BACKUP, "status", value=500)


async def _engine_down(stage: Stage) -> None:
    await stage.kill_engine()


async def _everything_down(stage: Stage) -> None:
    await _both_down(stage)
    await stage.kill_engine()


async def _load_sdk(_: Stage) -> None:
    import_module("gateway.cli.demo.openai_sdk")  # It takes seconds, and they are not the answer's.


async def _engine_back(stage: Stage) -> None:
    await stage.wait_engine()


CASES: tuple[DemoCase, ...] = (
    DemoCase(
        title="easy",
        text=EASY,
        expected=DemoExpectation(
            route=LOCAL, model="edge", rule="default", attempts=("edge",), is_provider_silent=True
        ),
    ),
    DemoCase(
        title="easy, but the edge model has low confidence: its draft is not sent",
        text=UNKNOWN,
        expected=DemoExpectation(
            route=CLOUD_ROUTE, model="cloud", rule="default", attempts=("edge LOW_CONFIDENCE", "cloud")
        ),
    ),
    DemoCase(
        title="hard",
        text=HARD,
        expected=DemoExpectation(route=CLOUD_ROUTE, model="cloud", rule="hard", attempts=("cloud",)),
    ),
    DemoCase(
        title="private and hard: the rule says cloud, the filter says no",
        text=PRIVATE,
        expected=DemoExpectation(
            route=LOCAL,
            model="edge",
            rule="hard",
            attempts=("edge",),
            refused=("cloud", "backup"),
            is_provider_silent=True,
        ),
    ),
    DemoCase(
        title="the tenant's budget is spent: no room for the worst case",
        text=HARD,
        tenant=SPENDER,
        prepare=_spend,
        expected=DemoExpectation(
            route=LOCAL,
            model="edge",
            rule="hard",
            attempts=("cloud BUDGET_EXHAUSTED", "backup BUDGET_EXHAUSTED", "edge"),
            is_provider_silent=True,
        ),
    ),
    DemoCase(
        title="cloud says 429, Retry-After 0.4 s, then recovers",
        text=HARD,
        prepare=_rate_limit_once,
        expected=DemoExpectation(
            route=CLOUD_ROUTE, model="cloud", rule="hard", attempts=("cloud RATE_LIMITED", "cloud")
        ),
    ),
    DemoCase(
        title="cloud down (503)",
        text=HARD,
        prepare=_cloud_down,
        expected=DemoExpectation(
            route=CLOUD_ROUTE,
            model="backup",
            rule="hard",
            attempts=("cloud UPSTREAM_ERROR", "cloud UPSTREAM_ERROR", "backup"),
        ),
    ),
    DemoCase(
        title="cloud and backup down",
        text=HARD,
        prepare=_both_down,
        expected=DemoExpectation(
            route=LOCAL,
            model="edge",
            rule="hard",
            attempts=(
                "cloud UPSTREAM_ERROR",
                "cloud UPSTREAM_ERROR",
                "backup UPSTREAM_ERROR",
                "backup UPSTREAM_ERROR",
                "edge",
            ),
        ),
    ),
    DemoCase(
        title="engine killed (kill -9), private",
        text=PRIVATE,
        prepare=_engine_down,
        expected=DemoExpectation(
            route=CANNED,
            model="",
            rule="hard",
            attempts=("edge ENGINE_DOWN",),
            refused=("cloud", "backup"),
            degraded=pb.REASON_CLEARANCE,
            is_provider_silent=True,
        ),
    ),
    DemoCase(
        title="everything down, not private (cloud's breaker opens on the way)",
        text=HARD,
        prepare=_everything_down,
        expected=DemoExpectation(
            route=CANNED,
            model="",
            rule="hard",
            attempts=(
                "cloud UPSTREAM_ERROR",
                "backup UPSTREAM_ERROR",
                "backup UPSTREAM_ERROR",
                "edge ENGINE_DOWN",
            ),
            degraded=pb.REASON_ALL_FAILED,
        ),
    ),
    DemoCase(
        title="the engine is back: a streamed answer",
        text=EASY,
        prepare=_engine_back,
        expected=DemoExpectation(
            route=LOCAL,
            model="edge",
            rule="default",
            attempts=("edge",),
            is_streamed=True,
            is_provider_silent=True,
        ),
    ),
    DemoCase(
        title="the same question through the openai SDK, over HTTP",
        text=EASY,
        prepare=_load_sdk,
        is_by_sdk=True,
        expected=DemoExpectation(
            route=LOCAL, model="edge", rule="default", attempts=("edge",), is_provider_silent=True
        ),
    ),
)
