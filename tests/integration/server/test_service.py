"""The contract through real gRPC, with scripted models behind it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2 as details
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from structlog.testing import capture_logs

from gateway.backends.base import Backend
from gateway.domain.answer import Chunk, Usage
from gateway.errors import BackendFailed, BackendInvalid, ContentFiltered, StreamTruncated
from gateway.server.access import anyone, by_header
from gateway.server.grpc.middleware import SERVICE
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.error_details import detail_of
from tests.support.served import Served, ask, served

PRIVATE = "My card is 4111 1111 1111 1111."
USAGE = Usage(prompt_tokens=3, completion_tokens=2)


def _both(edge: Any = None, cloud: Any = None) -> dict[str, Backend]:
    return {
        "edge": ScriptedBackend("edge", edge or [reply("from the edge", usage=USAGE)]),
        "cloud": ScriptedBackend("cloud", cloud or [reply("from the cloud", usage=USAGE)]),
    }


async def _failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def _raw_unary(channel: grpc.aio.Channel, method: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary(f"/{SERVICE}/{method}")


async def test_an_answer_explains_itself() -> None:
    """A response holds text, usage, route, model, scores, rule, chain, policy hash and every attempt."""
    async with served(_both()) as gateway:
        response = await gateway.stub.Generate(ask(request_id="r-1"))

    assert response.request_id == "r-1"
    assert response.text == "from the edge"
    assert response.finish_reason == pb.FINISH_REASON_STOP
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 2)
    assert (response.route, response.model) == (pb.ROUTE_LOCAL, "edge")
    assert not response.HasField("degraded")
    assert response.decision.rule == "default"
    assert list(response.decision.chain) == ["edge", "cloud"]
    assert len(response.decision.policy_hash) == 64
    assert [(a.model, a.outcome) for a in response.attempts] == [("edge", pb.OUTCOME_ANSWERED)]


async def test_a_private_request_never_reaches_the_cloud() -> None:
    """With the edge down, a private request gets the typed canned reply and the cloud is not called."""
    backends = _both(edge=[BackendFailed("edge", "down")])
    async with served(backends) as gateway:
        response = await gateway.stub.Generate(ask(PRIVATE))

    cloud = backends["cloud"]
    assert isinstance(cloud, ScriptedBackend)
    assert cloud.calls == []
    assert response.route == pb.ROUTE_CANNED
    assert response.degraded.reason == pb.REASON_CLEARANCE
    assert response.degraded.canned_id == "stays-here"
    assert [(r.model, r.reason) for r in response.decision.refused] == [("cloud", pb.REASON_CLEARANCE)]


async def test_a_declined_canned_reply_is_an_error_with_details() -> None:
    """allow_degraded false gives a status with ErrorInfo, PreconditionFailure and the attempts."""
    async with served(_both(edge=[BackendFailed("edge", "down")])) as gateway:
        error = await _failure(
            gateway.stub.Generate(ask(PRIVATE, request_id="r-2", hints=pb.Hints(allow_degraded=False)))
        )

    info = detail_of(error, details.ErrorInfo)
    assert (info.reason, info.domain) == ("CLEARANCE", "gateway.v1")
    assert info.metadata["request_id"] == "r-2"
    assert info.metadata["attempts"] == "edge=UPSTREAM_ERROR"
    assert detail_of(error, details.PreconditionFailure).violations[0].type == "PRIVACY"


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (
            BackendInvalid("cloud", "the provider refused it"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_REQUEST",
        ),
        (
            ContentFiltered("cloud", "the provider's filter refused it"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "CONTENT_FILTERED",
        ),
    ],
)
async def test_what_the_caller_must_mend_is_an_error(
    raised: Exception, code: grpc.StatusCode, reason: str
) -> None:
    """An error that blames the request ends it: no other model, no canned reply, and no retry."""
    backends = _both(cloud=[raised])
    async with served(backends) as gateway:
        error = await _failure(gateway.stub.Generate(ask(labels={"team": "x"})))

    assert error.code() is code
    assert detail_of(error, details.ErrorInfo).reason == reason
    assert ("grpc-retry-pushback-ms", "-1") in tuple(error.trailing_metadata() or ())


async def test_bad_input_names_its_field() -> None:
    """INVALID_ARGUMENT carries BadRequest with the path of the field."""
    async with served(_both()) as gateway:
        error = await _failure(gateway.stub.Generate(pb.GenerateRequest()))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail_of(error, details.BadRequest).field_violations[0].field == "messages"
    assert detail_of(error, details.ErrorInfo).reason == "INVALID_REQUEST"


@pytest.mark.parametrize("method", ["Generate", "StreamGenerate", "Explain"])
async def test_bytes_that_do_not_decode_are_the_callers_mistake(method: str) -> None:
    """Invalid UTF-8 is INVALID_ARGUMENT with details, not UNKNOWN or INTERNAL."""
    raw = ask("hi").SerializeToString().replace(b"hi", b"\xff\xfe")
    async with served(_both()) as gateway:
        if method == "StreamGenerate":
            streaming: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
            streaming = gateway.channel.unary_stream(f"/{SERVICE}/{method}")
            error = await _failure(anext(aiter(streaming(raw))))
        else:
            error = await _failure(_raw_unary(gateway.channel, method)(raw))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail_of(error, details.BadRequest).field_violations[0].field == "request"


async def test_a_request_that_is_too_large_is_refused() -> None:
    """A request above the limit is RESOURCE_EXHAUSTED."""
    async with served(_both(), max_request_bytes=2048) as gateway:
        error = await _failure(gateway.stub.Generate(ask("x" * 4096)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def _events(gateway: Served, text: str = "hello") -> Sequence[pb.StreamGenerateResponse]:
    request = pb.StreamGenerateRequest(messages=ask(text).messages)
    return [event async for event in gateway.stub.StreamGenerate(request)]


async def test_a_stream_begins_with_the_decision_and_ends_with_completed() -> None:
    """Decision first, then deltas, then `completed` whose text is what the deltas said."""
    async with served(_both()) as gateway:
        events = await _events(gateway)

    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "decision"
    assert kinds[-1] == "completed"
    assert set(kinds[1:-1]) == {"delta"}
    assert "".join(event.delta.text for event in events) == events[-1].completed.text == "from the edge"


async def test_a_cut_stream_restarts_with_another_model() -> None:
    """After a cut, Restart voids the text, the next model's whole answer follows under a new attempt."""
    cut = [Chunk(text="half an ans"), StreamTruncated("edge", "gone")]
    async with served(_both(edge=[cut])) as gateway:
        events = await _events(gateway)

    restart = next(event.restart for event in events if event.HasField("restart"))
    assert (restart.model, restart.reason) == ("cloud", pb.REASON_STREAM_TRUNCATED)
    assert "".join(e.delta.text for e in events if e.delta.attempt == 1) == "from the cloud"
    assert events[-1].completed.text == "from the cloud"


async def test_a_stream_without_a_finish_reason_is_no_success() -> None:
    """An upstream that just ends is a cut: with no other model, what ends the stream is typed canned."""
    ends = [Chunk(text="all is w")]
    async with served(_both(edge=[ends], cloud=[BackendFailed("cloud", "down")])) as gateway:
        events = await _events(gateway)

    assert events[-1].completed.route == pb.ROUTE_CANNED
    assert events[-1].completed.text == "Sorry."


async def test_the_callers_deadline_is_the_only_clock() -> None:
    """A model that does not answer in time gives DEADLINE_EXCEEDED, and its work is stopped."""
    slow = ScriptedBackend("edge", [[Delay(30.0), reply("late")]])
    async with served({"edge": slow, "cloud": slow}) as gateway:
        error = await _failure(gateway.stub.Generate(ask(), timeout=0.4))
        await asyncio.sleep(0.1)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert slow.stopped == slow.calls


async def test_cancel_reaches_the_backend() -> None:
    """A caller who goes away stops the model, and the line of the request says CANCELLED."""
    slow = ScriptedBackend("edge", [[Delay(30.0), reply("late")]])
    with capture_logs() as logs:
        async with served({"edge": slow, "cloud": slow}) as gateway:
            call = gateway.stub.Generate(ask(), timeout=20)
            while not slow.calls:  # noqa: ASYNC110  The server runs in this loop; its progress has no event.
                await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.sleep(0.1)

            assert slow.stopped == slow.calls
    assert [line["code"] for line in logs if line["event"] == "request"] == ["CANCELLED"]


async def test_explain_calls_no_model() -> None:
    """Explain gives decision and findings with places, and calls nothing."""
    backends = _both()
    async with served(backends) as gateway:
        response = await gateway.stub.Explain(pb.ExplainRequest(messages=ask(PRIVATE).messages))

    assert [finding.type for finding in response.findings] == ["CREDIT_CARD"]
    assert PRIVATE[response.findings[0].start : response.findings[0].end] == "4111 1111 1111 1111"
    assert response.decision.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
    assert all(isinstance(b, ScriptedBackend) and b.calls == [] for b in backends.values())


async def test_a_hint_raises_the_class() -> None:
    """hints.privacy_class keeps a harmless text at home."""
    async with served(_both()) as gateway:
        response = await gateway.stub.Generate(
            ask(hints=pb.Hints(privacy_class=pb.PRIVACY_CLASS_CONFIDENTIAL))
        )

    assert response.decision.privacy_class == pb.PRIVACY_CLASS_CONFIDENTIAL
    assert list(response.decision.chain) == ["edge"]


@pytest.mark.parametrize(("is_trusted", "tenant"), [(False, "default"), (True, "acme")])
async def test_the_tenant_header_counts_only_where_it_is_trusted(is_trusted: bool, tenant: str) -> None:
    """x-tenant is taken with --trust-tenant-header alone."""
    with capture_logs() as logs:
        async with served(_both(), tenant_of=by_header if is_trusted else anyone) as gateway:
            await gateway.stub.Generate(ask(), metadata=(("x-tenant", "acme"),))

    assert [line["tenant"] for line in logs if line["event"] == "request"] == [tenant]


async def test_a_tenant_header_outside_its_pattern_is_refused() -> None:
    """A trusted x-tenant is checked like every name that reaches logs."""
    async with served(_both(), tenant_of=by_header) as gateway:
        error = await _failure(gateway.stub.Generate(ask(), metadata=(("x-tenant", "a b"),)))

    assert detail_of(error, details.BadRequest).field_violations[0].field == "x-tenant"


async def test_no_text_reaches_the_logs() -> None:
    """Neither prompt nor answer, nor a defect's message, is in any event of the log."""

    def defect(call: object) -> Any:
        raise KeyError("marked-answer")

    with capture_logs() as logs:
        async with served(_both(edge=[reply("marked-answer")])) as gateway:
            await gateway.stub.Generate(ask("marked-prompt"))
        async with served(_both(edge=defect)) as gateway:
            error = await _failure(gateway.stub.Generate(ask("marked-prompt")))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "marked" not in str(error.details())
    assert len([line for line in logs if line["event"] in ("request", "defect")]) == 3
    assert "marked" not in str(logs)


async def test_health_is_reported_for_all_and_for_each_model() -> None:
    """ "", the service and every model serve; an unknown name is NOT_FOUND."""
    async with served(_both()) as gateway:
        health = health_pb2_grpc.HealthStub(gateway.channel)
        for name in ("", SERVICE, "model.edge", "model.cloud"):
            response = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert response.status == health_pb2.HealthCheckResponse.SERVING, name
        error = await _failure(health.Check(health_pb2.HealthCheckRequest(service="model.none")))

    assert error.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_the_services(version: str) -> None:
    """A client without the protos finds every service and what it is made of, whichever version it speaks."""
    ask_one = reflection_pb2.ServerReflectionRequest
    async with served(_both()) as gateway:
        look: grpc.aio.StreamStreamMultiCallable[Any, Any] = gateway.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=ask_one.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (listed,) = [each async for each in look(iter([ask_one(list_services="")]))]
        names = [service.name for service in listed.list_services_response.service]
        described = [each async for each in look(iter([ask_one(file_containing_symbol=n) for n in names]))]

    reflections = {f"grpc.reflection.{each}.ServerReflection" for each in ("v1", "v1alpha")}
    assert set(names) == {SERVICE, "grpc.health.v1.Health", *reflections}
    pool = DescriptorPool()
    for answer in described:
        for file in reversed(answer.file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(file)
    for name in names:
        assert pool.FindServiceByName(name).methods


async def test_drain_lets_calls_in_flight_end() -> None:
    """At the end health says no first, no new call is taken, and a call in flight gets its answer."""
    slow = ScriptedBackend("edge", [[Delay(0.3), reply("made it")]])
    async with served({"edge": slow, "cloud": slow}) as gateway:
        health = health_pb2_grpc.HealthStub(gateway.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await anext(aiter(watch))).status == health_pb2.HealthCheckResponse.SERVING
        call = asyncio.ensure_future(gateway.stub.Generate(ask()))
        while not slow.calls:  # noqa: ASYNC110  The server runs in this loop; its progress has no event.
            await asyncio.sleep(0.01)

        await gateway.gateway.servers.drain()

        assert (await call).text == "made it"
        assert (await anext(aiter(watch))).status == health_pb2.HealthCheckResponse.NOT_SERVING
        async with grpc.aio.insecure_channel(gateway.server.target) as late:
            assert (await _failure(_raw_unary(late, "Generate")(b""))).code() is grpc.StatusCode.UNAVAILABLE


async def test_the_default_finish_reason_of_a_canned_reply_is_unset() -> None:
    """No model finished a canned reply, so it has no finish reason, no usage and no model."""
    down = [BackendFailed("x", "down")]
    async with served(_both(edge=down, cloud=down)) as gateway:
        response = await gateway.stub.Generate(ask())

    assert response.finish_reason == pb.FINISH_REASON_UNSPECIFIED
    assert not response.HasField("usage")
    assert response.model == ""
    assert response.degraded.canned_id == "sorry"
