"""What every transport shares, asked by a transport that is not gRPC."""

import asyncio
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request
from gateway.errors import HTTP_STATUS, GatewayError, RateLimited, Unauthenticated
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.access import Caller, Identity, TenantRule, by_header
from gateway.server.calls import Calls
from gateway.server.health import Health, ServingStatus
from gateway.telemetry.otel import OtelTraces
from gateway.telemetry.report import CallReport, Operation
from tests.support.dispatch_doubles import Bench
from tests.support.mirror_made import FORTY_TWO
from tests.support.mirror_values import PARSED
from tests.support.pipeline_calls import incoming_of, nothing_held, pipeline_of

CHAT = Operation(
    transport="http",
    method="ChatCompletions",
    span_name="POST /v1/chat/completions",
    span_attributes={"http.request.method": "POST", "http.route": "/v1/chat/completions"},
)
ACME = {"x-tenant": "acme", "accept-language": "de, en;q=0.5"}


class Door:
    """A transport as small as one can be: a call is a function, its status one of HTTP."""

    def __init__(self, *, tenant_of: TenantRule = by_header) -> None:
        self.reports: list[CallReport] = []
        self.told: list[int] = []
        self.languages: tuple[str, ...] = ()
        self.spans = InMemorySpanExporter()
        self._tracer = OtelTraces(self.spans)
        bench = Bench({"edge": [FORTY_TWO], "cloud": [FORTY_TWO]}, specs=PARSED.models)
        active = ActivePolicy(pipeline_of(PARSED, bench), retire=nothing_held)
        self.calls = Calls(
            active,
            clock=SystemClock(),
            tenant_of=tenant_of,
            observers=(self.reports.append,),
            tracer=self._tracer,
        )

    async def ask(self, headers: Mapping[str, str], error: BaseException | None = None) -> str | None:
        """Serve a call, which an error may end; return the text of its answer."""
        async with self.calls.open(CHAT, Caller(headers=headers), fail=self._fail) as call:
            assert self.calls.in_flight == 1
            await call.authenticate(due=None)
            if error is not None:
                raise error
            with call.begin(request_id="r-1") as (context, pipeline):
                self.languages = context.languages
                request = Request(
                    request_id=context.request_id,
                    tenant=context.tenant,
                    messages=(Message(role=Role.USER, content="hello"),),
                )
                return (await pipeline.run(incoming_of(request), context)).text
        return None

    async def _fail(self, error: GatewayError, request_id: str) -> None:
        assert request_id
        self.told.append(HTTP_STATUS[error.reason])

    def attributes(self) -> Mapping[str, object]:
        """Return the attributes of the span of the last call."""
        self._tracer.close()
        spans = [span for span in self.spans.get_finished_spans() if span.name == CHAT.span_name]
        return dict(spans[-1].attributes or {})


async def test_a_call_of_another_transport_is_logged_reported_and_traced() -> None:
    """Each names the transport, its method and its own attributes; nothing says that it was gRPC."""
    door = Door()
    with capture_logs() as logs:
        assert await door.ask(ACME) == "42"
    (line,) = [line for line in logs if line["event"] == "request"]
    named = ("transport", "method", "tenant", "request_id", "code")
    assert [line[name] for name in named] == ["http", "ChatCompletions", "acme", "r-1", "OK"]
    (report,) = door.reports
    assert (report.transport, report.method, report.tenant) == ("http", "ChatCompletions", "acme")
    attributes = door.attributes()
    assert attributes["http.route"] == "/v1/chat/completions"
    assert attributes["http.response.status_code"] == 200
    assert not [name for name in attributes if name.startswith("rpc.")]
    assert door.languages == ("de", "en")
    assert door.calls.in_flight == 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unauthenticated("no key"), 401, "UNAUTHENTICATED"),
        (RateLimited("too many"), 429, "RESOURCE_EXHAUSTED"),
        (ValueError("a defect"), 500, "INTERNAL"),
    ],
)
async def test_an_error_reaches_the_caller_by_the_transports_own_status(
    error: BaseException, status: int, code: str
) -> None:
    """The call goes on after the block, so that the transport can return its response; the code is gRPC's."""
    door = Door()
    with capture_logs() as logs:
        assert await door.ask(ACME, error) is None
    assert door.told == [status]
    assert [line["code"] for line in logs if line["event"] == "request"] == [code]
    assert door.attributes()["http.response.status_code"] == status
    assert "a defect" not in str(logs)


async def test_a_caller_who_leaves_is_told_nothing() -> None:
    """The call is cancelled, reported, and no longer in flight; no status was sent, so the span has none."""
    door = Door()
    with pytest.raises(asyncio.CancelledError):
        await door.ask(ACME, asyncio.CancelledError())
    assert door.told == []
    assert [report.code for report in door.reports] == ["CANCELLED"]
    assert "http.response.status_code" not in door.attributes()
    await asyncio.wait_for(door.calls.wait_idle(), 1)


async def test_a_stranger_gets_no_further() -> None:
    """Who calls is found out first; a call whose caller was not authenticated cannot begin."""

    def nobody(_: Caller) -> Identity:
        raise Unauthenticated("an API key is needed")

    door = Door(tenant_of=nobody)
    assert await door.ask(ACME) is None
    assert (door.told, door.reports[-1].tenant) == ([401], "default")
    async with door.calls.open(CHAT, Caller(headers=ACME), fail=door._fail) as call:
        with call.begin(request_id="r-2"):
            raise AssertionError("it began")
    assert door.told == [401, 500]


class Checks:
    """The health checks of a transport, as a table."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def set_status(self, name: str, status: ServingStatus) -> None:
        """Take down what is to be answered."""
        self.said[name] = status.value

    def drain(self) -> None:
        """Answer NOT_SERVING to everything."""
        self.said = dict.fromkeys(self.said, "NOT_SERVING")


async def test_health_is_the_same_for_every_transport() -> None:
    """Each is told what every other is told; a gateway that has failed is not ready again."""
    one, other = Checks(), Checks()
    health = Health(one, other)
    await health.begin(("edge", "cloud"), serving=("cloud",))
    assert one.said == {"": "NOT_SERVING", "model.edge": "NOT_SERVING", "model.cloud": "SERVING"}
    await health.set_model("edge", True)
    await health.set_ready()
    assert set(one.said.values()) == {"SERVING"}
    await health.fail()
    await health.set_ready()
    assert one.said[""] == "NOT_SERVING"
    await health.drain()
    assert set(one.said.values()) == {"NOT_SERVING"}
    assert one.said == other.said
