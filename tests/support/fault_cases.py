"""The faults of a provider, what a caller must get all the same, and a whole gateway to try them on."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

from gateway.app.build import running_gateway
from gateway.clock import Clock
from gateway.domain.address import Address, ListenSettings
from gateway.ledger.accounts import Totals
from gateway.ledger.open import open_ledger
from gateway.policy.loading.load import parse_policy
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.faults import parse_fault
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc

POLICY = """
version: 1
models:
  strong: {{{api}, model: strong, base_url: "{base_url}", clearance: internal, max_tokens: 64,
           price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  backup: {{{api}, model: backup, base_url: "{base_url}", clearance: internal, max_tokens: 64,
           price_per_million_usd: {{input: 0.50, output: 4.00}}, prefill: true}}
  twin:   {{{api}, model: strong, base_url: "{base_url}", clearance: internal, max_tokens: 64,
           price_per_million_usd: {{input: 0.25, output: 2.00}}}}
privacy: {{limit_ms: 10000}}
budgets:
  - {{name: all-spend, per: all, limit_usd: 1, window: month}}
rules:
  - {{name: default, route: {route}}}
resilience:
  attempts: 3
  backoff_s: {{first: 0.05, max: 1.5}}
  first_token_s: 0.6
  stall_s: 0.6
  attempt_s: 0.6
  {more}
replies:
  - {{id: sorry, text: "Sorry."}}
"""
APIS = {
    "chat": ("openai", "kind: openai"),
    "responses": ("responses", "kind: openai, api: responses"),
    "messages": ("anthropic", "kind: anthropic, cache: none, api_key_env: KEY"),
}
"""The dialect of the provider, and what the policy says of its models, by API."""
PATIENCE_S = 0.6
"""How long the policy waits for a first text, between pieces, and for a whole answer."""
PRICES = {
    "strong": SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00")),
    "backup": SimulatedPrice(input=Decimal("0.50"), output=Decimal("4.00")),
}
OK = ""
RATE, ERROR, RESET = "RATE_LIMITED", "UPSTREAM_ERROR", "UPSTREAM_UNREACHABLE"
SILENT, CUT, GARBLED = "UPSTREAM_SILENT", "STREAM_TRUNCATED", "UPSTREAM_PROTOCOL"


def tries(model: str, *reasons: str) -> tuple[tuple[str, str], ...]:
    """Return tries of one model, each with its reason; OK for one that answered."""
    return tuple((model, reason) for reason in reasons)


BACKUP = tries("backup", OK)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a caller gets: which tries, in order; how many requests the provider saw; how long it takes."""

    attempts: tuple[tuple[str, str], ...]
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    route: pb.Route.ValueType = pb.ROUTE_CLOUD
    at_least_s: float = 0.0
    at_most_s: float = 0.5
    continued: bool = False
    """Whether the answering model went on from the text of the first one."""

    @property
    def model(self) -> str:
        """The model that must have answered; empty if none did."""
        return next((model for model, reason in self.attempts if reason == OK), "")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault: what is set at the provider, `MODEL:FAULT`, and what comes of it."""

    name: str
    faults: Sequence[tuple[str, str]]
    unary: Expected
    streamed: Expected
    route: str = "[strong, backup]"
    more: str = ""
    """Keys for the policy's `resilience`."""
    allow_degraded: bool = True


def both(
    name: str,
    faults: Sequence[tuple[str, str]],
    expected: Expected,
    *,
    more: str = "",
    route: str = "[strong, backup]",
) -> Case:
    """Return a case that is the same for unary and streamed calls."""
    return Case(name=name, faults=faults, unary=expected, streamed=expected, more=more, route=route)


CASES = (
    both(
        "429 once, Retry-After 1 s",
        [("strong", "status=429,retry_after_s=1,times=1")],
        Expected(attempts=tries("strong", RATE, OK), at_least_s=1.0, at_most_s=1.5),
    ),
    both(
        "429, Retry-After beyond the longest wait",
        [("strong", "status=429,retry_after_s=30,times=1")],
        Expected(attempts=tries("strong", RATE) + BACKUP),
    ),
    both(
        "429 for ever, no Retry-After",
        [("strong", "status=429")],
        Expected(attempts=tries("strong", RATE, RATE, RATE) + BACKUP, at_least_s=0.1, at_most_s=0.7),
    ),
    both("500 once", [("strong", "status=500,times=1")], Expected(attempts=tries("strong", ERROR, OK))),
    both(
        "503 for ever",
        [("strong", "status=503")],
        Expected(attempts=tries("strong", ERROR, ERROR, ERROR) + BACKUP, at_most_s=0.7),
    ),
    both(
        "reset before headers", [("strong", "reset,times=1")], Expected(attempts=tries("strong", RESET, OK))
    ),
    both(
        "silence after accepting",
        [("strong", "silence")],
        Expected(
            attempts=tries("strong", SILENT) + BACKUP, at_least_s=PATIENCE_S, at_most_s=PATIENCE_S + 0.5
        ),
    ),
    both(
        "slow first token",
        [("strong", "slow=5")],
        Expected(
            attempts=tries("strong", SILENT) + BACKUP, at_least_s=PATIENCE_S, at_most_s=PATIENCE_S + 0.5
        ),
    ),
    Case(
        name="cut in the middle",
        faults=[("strong", "cut=3,times=1")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + BACKUP),
    ),
    Case(
        name="stall in the middle",
        faults=[("strong", "stall=3,times=1")],
        unary=Expected(
            attempts=tries("strong", SILENT) + BACKUP, at_least_s=PATIENCE_S, at_most_s=PATIENCE_S + 0.5
        ),
        streamed=Expected(
            attempts=tries("strong", CUT) + BACKUP, at_least_s=PATIENCE_S, at_most_s=PATIENCE_S + 0.5
        ),
    ),
    Case(
        name="one garbage chunk",
        faults=[("strong", "garbage=3,times=1")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + BACKUP),
    ),
    Case(
        name="error event in the middle",
        faults=[("strong", "error-event=3,times=1")],
        unary=Expected(attempts=tries("strong", ERROR, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + BACKUP),
    ),
    both(
        "error event before the first token",
        [("strong", "error-event=0,times=1")],
        Expected(attempts=tries("strong", ERROR, OK)),
    ),
    both("complete, without [DONE]", [("strong", "no-done")], Expected(attempts=tries("strong", OK))),
    both(
        "complete, without [DONE], left open",
        [("strong", "open-end")],
        Expected(attempts=tries("strong", OK)),
    ),
    both(
        "context too long",
        [("strong", "context-too-long")],
        Expected(attempts=tries("strong", "CONTEXT_LENGTH_EXCEEDED") + BACKUP),
    ),
    both(
        "content filter",
        [("strong", "content-filter")],
        Expected(
            attempts=tries("strong", "CONTENT_FILTERED"),
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason="CONTENT_FILTERED",
        ),
    ),
    both(
        "content filter, policy goes on",
        [("strong", "content-filter")],
        Expected(attempts=tries("strong", "CONTENT_FILTERED") + BACKUP),
        more="content_filter: next",
    ),
    Case(
        name="backup refuses to continue a partial answer",
        faults=[("strong", "cut=3,times=1"), ("backup", "no-prefill")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + BACKUP),
    ),
    Case(
        name="backup answers 400 after a cut",
        faults=[("strong", "cut=3,times=1"), ("backup", "status=400")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(
            attempts=tries("strong", CUT) + tries("backup", "INVALID_REQUEST"),
            code=grpc.StatusCode.ABORTED,
            reason="STREAM_TRUNCATED",
        ),
        allow_degraded=False,
    ),
    Case(
        name="cut in the middle, resume",
        faults=[("strong", "cut=3,times=1")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + BACKUP, continued=True),
        more="recovery: resume",
    ),
    Case(
        name="stall in the middle, resume",
        faults=[("strong", "stall=3,times=1")],
        unary=Expected(
            attempts=tries("strong", SILENT) + BACKUP, at_least_s=PATIENCE_S, at_most_s=PATIENCE_S + 0.5
        ),
        streamed=Expected(
            attempts=tries("strong", CUT) + BACKUP,
            at_least_s=PATIENCE_S,
            at_most_s=PATIENCE_S + 0.5,
            continued=True,
        ),
        more="recovery: resume",
    ),
    Case(
        name="backup refuses to continue a partial answer, resume",
        faults=[("strong", "cut=3,times=1"), ("backup", "no-prefill")],
        unary=Expected(attempts=tries("strong", GARBLED, OK)),
        streamed=Expected(attempts=tries("strong", CUT) + tries("backup", "INVALID_REQUEST", OK)),
        more="recovery: resume",
    ),
    both(
        "everything is down",
        [("*", "status=503")],
        Expected(
            attempts=tries("strong", ERROR, ERROR, ERROR) + tries("backup", ERROR, ERROR, ERROR),
            route=pb.ROUTE_CANNED,
            at_most_s=1.0,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one caller saw."""

    code: grpc.StatusCode
    reason: str
    seconds: float
    completed: pb.GenerateResponse | None
    attempts: tuple[tuple[str, str], ...]
    spoken: str = ""
    """The text of the last attempt that spoke in a stream."""
    voided: tuple[str, ...] = ()
    """Texts that a Restart took back."""


@dataclass(frozen=True)
class Trial:
    """A gateway, its provider and its books."""

    cloud: SimulatedCloud
    stub: "pb_grpc.GatewayServiceAsyncStub"
    ledger_url: str

    def requests(self, model: str) -> int:
        """Return how many requests the provider saw for a model."""
        models = self.cloud.bill().models
        return models[model].requests if model in models else 0

    async def ask(
        self, *, is_streamed: bool, allow_degraded: bool = True, timeout_s: float = 10.0, text: str = "hello"
    ) -> Seen:
        """Send one request and return what came of it."""
        fields = pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content=text)],
            hints=pb.Hints(allow_degraded=allow_degraded),
        )
        began_s = time.monotonic()
        told: list[list[str]] = [[]]
        response: pb.GenerateResponse | None = None
        try:
            if is_streamed:
                request = pb.StreamGenerateRequest.FromString(fields.SerializeToString())
                async for event in self.stub.StreamGenerate(request, timeout=timeout_s):
                    kind = event.WhichOneof("event")
                    if kind == "delta":
                        told[-1].append(event.delta.text)
                    elif kind == "restart":
                        told.append([])
                    elif kind == "completed":
                        response = event.completed
            else:
                response = await self.stub.Generate(fields, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return _failed(error, time.monotonic() - began_s)
        if response is None:
            raise AssertionError("a stream ended well without `completed`")
        return Seen(
            code=grpc.StatusCode.OK,
            reason="",
            seconds=time.monotonic() - began_s,
            completed=response,
            attempts=tuple(
                (
                    attempt.model,
                    pb.Reason.Name(attempt.reason).removeprefix("REASON_") if attempt.reason else OK,
                )
                for attempt in response.attempts
            ),
            spoken="".join(told[-1]),
            voided=tuple("".join(parts) for parts in told[:-1]),
        )


def _failed(error: grpc.aio.AioRpcError, seconds: float) -> Seen:
    status = rpc_status.from_call(error)
    info = details.ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Is(details.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    listed = [entry.partition("=") for entry in info.metadata.get("attempts", "").split(",") if entry]
    return Seen(
        code=error.code(),
        reason=info.reason,
        seconds=seconds,
        completed=None,
        attempts=tuple((model, reason) for model, _, reason in listed),
    )


@asynccontextmanager
async def trial(
    folder: Path,
    *,
    api: str = "chat",
    route: str = "[strong, backup]",
    more: str = "",
    clock: Clock | None = None,
) -> AsyncIterator[Trial]:
    """Run provider and gateway, with a ledger in a file, while the block runs."""
    ledger_url = f"sqlite://{folder / 'ledger.db'}"
    dialect, keys = APIS[api]
    async with SimulatedCloud(PRICES, dialect=DIALECTS[dialect], clock=clock).serve() as cloud:
        policy = parse_policy(
            POLICY.format(base_url=cloud.base_url, api=keys, route=route, more=more), name="faults.yaml"
        )
        async with (
            running_gateway(
                policy,
                listen=ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0, grace_s=1.0),
                state_url=ledger_url,
                environ={"KEY": "key-1"},
                clock=clock,
            ) as server,
            grpc.aio.insecure_channel(server.target) as channel,
        ):
            yield Trial(cloud, pb_grpc.GatewayServiceStub(channel), ledger_url)


async def play(
    case: Case, folder: Path, *, is_streamed: bool, api: str = "chat"
) -> tuple[Seen, Trial, Totals]:
    """Set a case's faults, send one request, and return what was seen and booked when all is over."""
    async with trial(folder, api=api, route=case.route, more=case.more) as running:
        warm = await running.ask(is_streamed=is_streamed)
        assert warm.code is grpc.StatusCode.OK
        running.cloud.reset()
        for model, fault in case.faults:
            running.cloud.add_fault(model, parse_fault(fault))
        seen = await running.ask(is_streamed=is_streamed, allow_degraded=case.allow_degraded)
    ledger = open_ledger(running.ledger_url)
    totals = await ledger.totals()
    await ledger.aclose()
    assert warm.completed is not None
    spent = round(warm.completed.cost_usd * 1e9)
    return (
        seen,
        running,
        Totals(
            settled_usd_nanos=totals.settled_usd_nanos - spent,
            unknown_usd_nanos=totals.unknown_usd_nanos,
            held_usd_nanos=totals.held_usd_nanos,
        ),
    )


BUSY_S = 2.0
"""What a busy host may add to a case; a timeout that is multiplied adds more."""


async def check_case(case: Case, folder: Path, *, is_streamed: bool, api: str = "chat") -> None:
    """Play a case: the caller gets what is expected, in time, and the books agree with the bill."""
    seen, running, totals = await play(case, folder, is_streamed=is_streamed, api=api)
    expected = case.streamed if is_streamed else case.unary
    assert (seen.code, seen.reason) == (expected.code, expected.reason)
    assert seen.attempts == expected.attempts
    assert expected.at_least_s <= seen.seconds <= expected.at_most_s + BUSY_S
    called = [(model, reason) for model, reason in expected.attempts if reason != "BREAKER_OPEN"]
    for model in ("strong", "backup"):
        assert running.requests(model) == sum(name == model for name, _ in called), (
            "the list of tries is true"
        )
    if seen.completed is not None:
        check_answer(
            seen,
            seen.completed,
            is_streamed=is_streamed,
            continued=expected.continued,
            is_refused=not any(fault.startswith("error-event") for _, fault in case.faults),
        )
        assert seen.completed.model == expected.model
        assert seen.completed.route == expected.route
    bill = running.cloud.bill().billed_usd_nanos
    booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
    assert totals.held_usd_nanos == 0
    assert booked >= bill
    assert booked == bill or totals.unknown_usd_nanos > 0


def check_answer(
    seen: Seen, answer: pb.GenerateResponse, *, is_streamed: bool, continued: bool, is_refused: bool
) -> None:
    """The answer is whole, named truly, and its cost is that of its tries."""
    if answer.route == pb.ROUTE_CANNED:
        assert answer.text == "Sorry."
        return
    if continued:
        assert answer.text.startswith(f"This is strong, and {answer.model} goes on after 3 tokens;")
    else:
        assert answer.text.startswith(f"This is {answer.model}, a simulated model.")
    assert answer.text.endswith(".")
    assert answer.finish_reason == pb.FINISH_REASON_STOP
    assert answer.usage.completion_tokens > 0
    assert seen.spoken == (answer.text if is_streamed else "")
    cuts = sum(reason == "STREAM_TRUNCATED" for _, reason in seen.attempts)
    assert len(seen.voided) == (0 if continued else cuts)
    assert [attempt.continued for attempt in answer.attempts if not attempt.reason] == [continued]
    assert "chatcmpl" not in answer.text + "".join(seen.voided), "garbage leaked"
    answered = [attempt for attempt in answer.attempts if not attempt.reason]
    assert [attempt.model for attempt in answered] == [answer.model]
    assert answer.cost_usd == pytest.approx(sum(attempt.cost_usd for attempt in answer.attempts))
    for failed in answer.attempts:
        if is_refused and failed.reason in (pb.REASON_RATE_LIMITED, pb.REASON_UPSTREAM_ERROR):
            assert failed.cost_usd == 0.0, "a refusal is not billed as an answer"
