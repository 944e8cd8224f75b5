"""The Python client against a real gRPC server: deadlines, tenants, retries, errors and health."""

import asyncio
import json

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2

from gateway.client.channel import GatewayClient
from gateway.client.connection import DEFAULT_TIMEOUT_S, service_config
from gateway.client.failure import CallFailed, ResourceExhausted, Unavailable, Unreachable, failure_of
from gateway.client.prompt import prompt
from gateway.domain.privacy import PrivacyClass
from gateway.v1 import gateway_pb2 as pb
from tests.support.repository import ROOT
from tests.support.scripted_gateway import Context, ScriptedGateway, failing, status

CLIENTS_PAGE = ROOT / "docs" / "guides" / "write-a-client.md"


FULL = prompt(
    "hello",
    system="be brief",
    max_tokens=5,
    temperature=0.0,
    privacy_class=PrivacyClass.CONFIDENTIAL,
    max_cost_usd=0.0,
    allow_degraded=False,
    labels={"team": "billing"},
    request_id="r-1",
)


def test_a_prompt_says_zero_apart_from_nothing() -> None:
    """What the caller did not say is unset, and what it set to 0 or false is sent."""
    bare = prompt("hello")
    assert not bare.config.HasField("max_tokens")
    assert not bare.hints.HasField("privacy_class")
    assert not bare.hints.HasField("allow_degraded")
    assert FULL.config.HasField("temperature")
    assert FULL.hints.HasField("max_cost_usd")
    assert FULL.hints.HasField("allow_degraded")
    assert FULL.hints.privacy_class == pb.PRIVACY_CLASS_CONFIDENTIAL
    assert [message.role for message in FULL.messages] == [pb.ROLE_SYSTEM, pb.ROLE_USER]


async def test_all_calls_carry_the_whole_request(service: ScriptedGateway, target: str) -> None:
    """Streaming and explaining send what generating sends, field for field."""
    async with GatewayClient(target) as client:
        assert (await client.generate(FULL)).text == "hello"
        assert (await client.explain(FULL)).decision.rule == "hard"
        events = [event.WhichOneof("event") async for event in client.stream(FULL)]
    assert events == ["delta", "delta", "completed"]
    assert {request.SerializeToString(deterministic=True) for request in service.requests} == {
        FULL.SerializeToString(deterministic=True)
    }


async def test_every_call_has_a_deadline(service: ScriptedGateway, target: str) -> None:
    """A call that names no deadline gets the default, and one that does gets its own."""
    remaining: list[float | None] = []

    async def note(context: Context) -> None:
        remaining.append(context.time_remaining())

    service.behaviour = note
    async with GatewayClient(target) as client:
        await client.generate(FULL)
        await client.generate(FULL, timeout_s=5.0)
        _ = [event async for event in client.stream(FULL, timeout_s=5.0)]
        await client.explain(FULL, timeout_s=5.0)
    default_s, *own_s = (seconds or 0.0 for seconds in remaining)
    assert 5.1 < default_s <= DEFAULT_TIMEOUT_S + 0.1
    assert all(0.0 < seconds <= 5.1 for seconds in own_s)
    assert len(own_s) == 3


@pytest.mark.parametrize(("tenant", "sent"), [("acme", "acme"), (None, None)])
async def test_the_tenant_travels_as_metadata(
    service: ScriptedGateway, target: str, tenant: str | None, sent: str | None
) -> None:
    """The tenant is the metadata x-tenant, and a client without one sends none."""
    async with GatewayClient(target, tenant=tenant) as client:
        await client.generate(FULL)
    assert service.metadata[0].get("x-tenant") == sent


async def test_a_call_does_not_go_through_a_proxy_of_the_environment(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt goes to the server that was named, whatever http_proxy says."""
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with GatewayClient(target) as client:
        assert (await client.generate(FULL)).text == "hello"


@pytest.mark.parametrize(
    ("code", "pushback_ms", "calls", "why"),
    [
        (code_pb2.UNAVAILABLE, None, 3, "another try may find a gateway that answers"),
        (code_pb2.UNAVAILABLE, -1, 1, "the gateway says that another try is of no use"),
        (code_pb2.RESOURCE_EXHAUSTED, None, 1, "another try makes it worse"),
        (code_pb2.ABORTED, None, 1, "the caller has to decide"),
        (code_pb2.INVALID_ARGUMENT, None, 1, "the request stays wrong"),
    ],
)
async def test_only_unavailable_is_tried_again(
    service: ScriptedGateway, target: str, code: int, pushback_ms: int | None, calls: int, why: str
) -> None:
    """A unary call is tried at most three times, for UNAVAILABLE alone, and never against the pushback."""
    service.behaviour = failing(code, pushback_ms=pushback_ms)
    async with GatewayClient(target) as client:
        with pytest.raises(CallFailed) as failed:
            await client.generate(FULL)
    assert failed.value.code == code_pb2.Code.Name(code)
    assert len(service.requests) == calls, why


async def test_a_stream_is_not_tried_again(service: ScriptedGateway, target: str) -> None:
    """A stream that fails is the caller's to begin anew: it may have shown some of it."""
    service.behaviour = failing(code_pb2.UNAVAILABLE)
    async with GatewayClient(target) as client:
        with pytest.raises(CallFailed, match="UNAVAILABLE"):
            _ = [event async for event in client.stream(FULL)]
    assert len(service.requests) == 1


async def test_leaving_a_stream_cancels_the_call(service: ScriptedGateway, target: str) -> None:
    """Who stops reading a stream stops the model that makes it."""

    async def hang(context: Context) -> None:
        await asyncio.Event().wait()

    service.behaviour = hang
    async with GatewayClient(target) as client:
        async with client.stream(FULL) as events:
            async for _ in events:
                break
            await asyncio.wait_for(service.was_called.wait(), timeout=30.0)
        await asyncio.wait_for(service.was_cancelled.wait(), timeout=30.0)


async def test_details_of_an_error_are_read(service: ScriptedGateway, target: str) -> None:
    """Reason, refused field and time to come back arrive in the error and in its one line."""
    service.behaviour = failing(
        code_pb2.RESOURCE_EXHAUSTED,
        error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gateway.v1"),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field="messages", description="is long")
            ]
        ),
    )
    async with GatewayClient(target) as client:
        with pytest.raises(CallFailed) as failed:
            await client.generate(FULL)
    assert (failed.value.reason, failed.value.retry_after_s) == ("QUEUE_FULL", 2.5)
    assert failed.value.fields == (("messages", "is long"),)
    assert isinstance(failed.value, ResourceExhausted)
    assert (
        str(failed.value) == "RESOURCE_EXHAUSTED (QUEUE_FULL): edge: too many wait; "
        "messages: is long; try again after 2.5 s"
    )


def _error(code: grpc.StatusCode, details: str, trailer: bytes | None = None) -> grpc.aio.AioRpcError:
    pairs = () if trailer is None else (("grpc-status-details-bin", trailer),)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*pairs), details=details)


@pytest.mark.parametrize(
    ("error", "line", "why"),
    [
        (_error(grpc.StatusCode.CANCELLED, ""), "CANCELLED", "there may be nothing to say"),
        (_error(grpc.StatusCode.UNKNOWN, "a\nb\tc"), "UNKNOWN: a b c", "a line is a line"),
        (_error(grpc.StatusCode.INTERNAL, "x", b"\xff"), "INTERNAL: x", "details that are no protobuf"),
        (
            _error(
                grpc.StatusCode.INTERNAL,
                "edge: too many wait",
                status(code_pb2.ABORTED, error_details_pb2.ErrorInfo(reason="R")).SerializeToString(),
            ),
            "INTERNAL: edge: too many wait",
            "details that contradict the status are nobody's word",
        ),
        (
            _error(
                grpc.StatusCode.INVALID_ARGUMENT,
                "edge: too many wait",
                status(
                    code_pb2.INVALID_ARGUMENT,
                    error_details_pb2.BadRequest(
                        field_violations=[
                            error_details_pb2.BadRequest.FieldViolation(
                                field="messages", description="edge: too many wait"
                            )
                        ]
                    ),
                ).SerializeToString(),
            ),
            "INVALID_ARGUMENT: edge: too many wait",
            "nothing is said twice",
        ),
    ],
)
def test_an_error_is_described_in_one_line(error: grpc.aio.AioRpcError, line: str, why: str) -> None:
    """Whatever the server sent, the description is one line."""
    assert str(failure_of(error)) == line, why


async def test_no_server_is_told_from_a_server_that_fails(service: ScriptedGateway, target: str) -> None:
    """No connection is Unreachable; a gateway's own UNAVAILABLE, which has a reason, is Unavailable."""
    async with GatewayClient("127.0.0.1:1") as client:
        with pytest.raises(Unreachable):
            await client.generate(FULL)
    service.behaviour = failing(code_pb2.UNAVAILABLE, error_details_pb2.ErrorInfo(reason="ENGINE_DOWN"))
    async with GatewayClient(target) as client:
        with pytest.raises(Unavailable):
            await client.generate(FULL)


@pytest.mark.parametrize(("service_name", "status"), [("", "SERVING"), ("model.edge", "NOT_SERVING")])
async def test_health_is_read_by_name(target: str, service_name: str, status: str) -> None:
    """Health is that of grpc.health.v1, by its names."""
    async with GatewayClient(target) as client:
        assert await client.health(service_name) == status


async def test_health_of_an_unknown_name_fails(target: str) -> None:
    """A name that the server does not know is an error, not a status."""
    async with GatewayClient(target) as client:
        with pytest.raises(CallFailed, match="NOT_FOUND"):
            await client.health("model.none")


def test_the_page_shows_the_service_config_that_the_client_uses() -> None:
    """docs/guides/write-a-client.md and the client recommend the same retries."""
    blocks = CLIENTS_PAGE.read_text(encoding="utf-8").split("```json\n")[1:]
    assert json.loads(blocks[0].split("```")[0]) == json.loads(service_config())


def test_the_service_config_names_unary_calls_only() -> None:
    """Retries are for the calls that exist and are not streamed, and for UNAVAILABLE alone."""
    config = json.loads(service_config())
    (methods,) = config["methodConfig"]
    unary = {
        method.name
        for method in pb.DESCRIPTOR.services_by_name["GatewayService"].methods
        if not method.server_streaming
    }
    assert {name["method"] for name in methods["name"]} == unary
    assert {name["service"] for name in methods["name"]} == {"gateway.v1.GatewayService"}
    assert methods["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
