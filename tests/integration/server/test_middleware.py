"""What every call passes on its way in and out."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.errors import Unauthenticated
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.context import CallContext
from gateway.pipeline.run import Pipeline
from gateway.server.access import Caller, Identity, TenantRule, anyone
from gateway.server.calls import Calls
from gateway.server.grpc.middleware import RpcMiddleware
from gateway.v1 import gateway_pb2 as pb
from tests.support.dispatch_doubles import Bench
from tests.support.mirror_made import FORTY_TWO
from tests.support.mirror_values import PARSED
from tests.support.pipeline_calls import nothing_held, pipeline_of


class LostConnection:
    """A call whose connection broke before gRPC noticed: whatever is sent fails in its core."""

    def invocation_metadata(self) -> tuple[()]:
        """Return that there is none."""
        return ()

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return that the connection showed no certificate."""
        return {}

    def time_remaining(self) -> float | None:
        """Return that the caller set no deadline."""
        return None

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        """Take what nobody calls."""

    async def write(self, _: object) -> None:
        """Fail as the core does."""
        raise grpc.aio.InternalError("Failed grpc_call_start_batch")

    async def abort_with_status(self, _: object) -> None:
        """Fail likewise."""
        raise grpc.aio.InternalError("Failed grpc_call_start_batch")


@pytest.mark.parametrize("is_sending", [True, False], ids=["a chunk", "an error"])
async def test_a_caller_whose_connection_broke_has_left(is_sending: bool) -> None:
    """It is no defect of the gateway; the call is cancelled, as for any caller who leaves."""

    async def handler(
        message: pb.GenerateRequest, _: CallContext, __: Pipeline
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        if not is_sending:
            raise ValueError("a defect")
        yield pb.GenerateResponse()

    bench = Bench({"edge": [FORTY_TWO], "cloud": [FORTY_TWO]}, specs=PARSED.models)
    active = ActivePolicy(pipeline_of(PARSED, bench), retire=nothing_held)
    calls = Calls(active, clock=SystemClock(), tenant_of=anyone)
    serve = RpcMiddleware(calls, clock=SystemClock()).streaming("StreamGenerate", pb.GenerateRequest, handler)
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await serve(b"", LostConnection())  # type: ignore[arg-type]
    assert [line["event"] for line in logs] == (["request"] if is_sending else ["defect", "request"])
    assert logs[-1]["code"] == ("CANCELLED" if is_sending else "INTERNAL")
    assert calls.in_flight == 0


class RefusedCall(LostConnection):
    """A call that takes down in which round of the event loop it is told of its refusal."""

    told: list[int]
    round_now = 0

    async def abort_with_status(self, _: object) -> None:
        """Take down the round, and end the call as gRPC does."""
        self.told.append(RefusedCall.round_now)
        raise grpc.aio.AbortError


def _strangers(_: Caller) -> Identity:
    raise Unauthenticated("an API key is needed")


@pytest.mark.parametrize(
    ("tenant_of", "code"), [(anyone, "INVALID_ARGUMENT"), (_strangers, "UNAUTHENTICATED")]
)
async def test_refused_calls_have_turns(tenant_of: TenantRule, code: str) -> None:
    """To refuse a call costs the event loop, too: no two of a tenant are refused in one round of it."""

    async def handler(_: pb.GenerateRequest, __: CallContext, ___: Pipeline) -> pb.GenerateResponse:
        raise AssertionError("the call is refused before")

    bench = Bench({"edge": [FORTY_TWO], "cloud": [FORTY_TWO]}, specs=PARSED.models)
    active = ActivePolicy(pipeline_of(PARSED, bench), retire=nothing_held)
    calls = Calls(active, clock=SystemClock(), tenant_of=tenant_of)
    serve = RpcMiddleware(calls, clock=SystemClock()).unary("Generate", pb.GenerateRequest, handler)
    RefusedCall.told, RefusedCall.round_now = [], 0
    with capture_logs() as logs:
        refused = asyncio.gather(
            *(serve(b"\xff", RefusedCall()) for _ in range(10)),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        while not refused.done():
            RefusedCall.round_now += 1
            await asyncio.sleep(0)
    assert [line["code"] for line in logs] == [code] * 10
    assert len(set(RefusedCall.told)) == len(RefusedCall.told) == 10
