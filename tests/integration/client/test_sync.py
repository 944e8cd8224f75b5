"""The sync client: the same calls, deadlines, retries and errors as the async one, from any thread."""

import asyncio

import pytest
import trustme
from google.rpc import code_pb2, error_details_pb2

from gateway.client import ClientTls, NotAllowed, ResourceExhausted, SyncGatewayClient, Unreachable, prompt
from gateway.client.connection import DEFAULT_TIMEOUT_S
from gateway.clock import SystemClock
from gateway.domain.answer import FinishReason, Reply
from gateway.server.access import by_credentials
from gateway.server.key_file import KeyFile, new_key
from gateway.server.tls import TlsFiles
from gateway.testing.scripted import ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import Context, ScriptedGateway, failing
from tests.support.served import served

ASK = prompt("hello", request_id="r-1")


async def test_every_call_works_and_has_a_deadline(service: ScriptedGateway, target: str) -> None:
    """Each method sends the whole request, with the default deadline where the caller names none."""
    remaining: list[float | None] = []

    async def note(context: Context) -> None:
        remaining.append(context.time_remaining())

    service.behaviour = note

    def call() -> None:
        with SyncGatewayClient(target, tenant="acme") as client:
            assert client.generate(ASK).text == "hello"
            assert client.explain(ASK).decision.rule == "hard"
            with client.stream(ASK) as events:
                assert len(list(events)) == 3
            assert client.health() == "SERVING"

    await asyncio.to_thread(call)
    assert {request.SerializeToString() for request in service.requests} == {ASK.SerializeToString()}
    assert {sent.get("x-tenant") for sent in service.metadata} == {"acme"}
    assert all(0.0 < (seconds or 0.0) <= DEFAULT_TIMEOUT_S + 0.1 for seconds in remaining)
    assert len(remaining) == 3


@pytest.mark.parametrize(("code", "calls"), [(code_pb2.UNAVAILABLE, 3), (code_pb2.RESOURCE_EXHAUSTED, 1)])
async def test_only_unavailable_is_tried_again(
    service: ScriptedGateway, target: str, code: int, calls: int
) -> None:
    """The service config of the async client holds here too."""
    service.behaviour = failing(code, error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gateway.v1"))

    def call() -> str:
        with SyncGatewayClient(target) as client, pytest.raises(Exception) as failed:  # noqa: PT011
            client.generate(ASK)
        return type(failed.value).__name__

    assert await asyncio.to_thread(call) == {3: "Unavailable", 1: ResourceExhausted.__name__}[calls]
    assert len(service.requests) == calls


def test_nobody_there_is_unreachable() -> None:
    """No connection is told from an error of a gateway."""
    with SyncGatewayClient("127.0.0.1:1") as client:
        with pytest.raises(Unreachable, match="UNAVAILABLE"):
            client.generate(ASK)
        with pytest.raises(Unreachable):
            list(client.stream(ASK))
        with pytest.raises(Unreachable):
            client.explain(ASK)
        with pytest.raises(Unreachable):
            client.health()


async def test_tls_and_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The key travels encrypted, and without it the error says what is missing."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    key, entry = new_key("acme")
    (folder / "keys").write_text(entry.line() + "\n", encoding="utf-8")
    rule = by_credentials(keys=KeyFile(folder / "keys", clock=SystemClock()), takes_certificates=False)
    tls = TlsFiles(cert=folder / "cert.pem", key=folder / "key.pem")
    trust = ClientTls(ca=ca.cert_pem.bytes())
    says_hi = [Reply(text="hi", finish_reason=FinishReason.STOP, usage=None)]
    models = {name: ScriptedBackend(name, says_hi) for name in ("edge", "cloud")}

    def ask(target: str, api_key: str | None) -> pb.GenerateResponse:
        with SyncGatewayClient(target, api_key=api_key, tls=trust) as client:
            return client.generate(ASK)

    async with served(models, tenant_of=rule, tls=tls) as gateway:
        assert (await asyncio.to_thread(ask, gateway.server.target, key)).text == "hi"
        with pytest.raises(NotAllowed, match="an API key is needed") as refused:
            await asyncio.to_thread(ask, gateway.server.target, None)
    assert refused.value.hint == "send a valid API key or client certificate"
