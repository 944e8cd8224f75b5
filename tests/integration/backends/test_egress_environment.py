"""Where bytes go, and which: the policy says so, and nothing else does."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from gateway.errors import BackendModelMissing, BackendUnreachable
from gateway.simulate.server import SimulatedCloud
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, http, streamed, whole

ASKS = [whole, streamed]
LEAK = "leak-1"


@pytest.fixture
async def trap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[RawServer]:
    """A server that every variable of the environment points at; nothing may come to it."""
    async with RawServer(http(500, b"{}")).serve() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", LEAK)
        monkeypatch.setenv("OPENAI_ADMIN_KEY", LEAK)
        monkeypatch.setenv("OPENAI_ORG_ID", LEAK)
        monkeypatch.setenv("OPENAI_PROJECT_ID", LEAK)
        monkeypatch.setenv(
            "OPENAI_CUSTOM_HEADERS",
            f"Authorization: Bearer {LEAK}\nauthorization: {LEAK}\nX-Leak: {LEAK}\nHost: {LEAK}\n"
            f"User-Agent: {LEAK}\nContent-Type: multipart/form-data\nOpenAI-Project: {LEAK}\nX-Bad: \u2603",
        )
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, server.base_url.removesuffix("/v1"))
            monkeypatch.setenv(variable.lower(), server.base_url.removesuffix("/v1"))
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(variable, raising=False)
        netrc = tmp_path / "netrc"
        netrc.write_text(f"default login {LEAK} password {LEAK}\n")
        monkeypatch.setenv("NETRC", str(netrc))
        yield server


async def test_the_trap_catches_the_sdk_as_it_comes(trap: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK without our care follows the environment; else the tests below would prove nothing."""
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    async with openai.AsyncOpenAI(max_retries=0, http_client=openai.DefaultAioHttpClient()) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert trap.connections == 1
    assert LEAK.encode() in trap.received[0]


@pytest.mark.parametrize("ask", ASKS)
async def test_the_environment_has_no_effect(trap: RawServer, ask: Ask) -> None:
    """Everything goes to the policy's base_url, with the headers named here and no other."""
    async with SimulatedCloud().serve() as cloud:
        async with backend_at(cloud.base_url, api_key="key-1") as backend:
            await ask(backend, call_of())
        (received,) = cloud.received()
        host = cloud.base_url.removeprefix("http://").removesuffix("/v1")
    headers = {name.lower(): value for name, value in received.headers}
    assert headers == {
        "host": host,
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer key-1",
        "connection": "keep-alive",
        "content-length": str(len(received.body)),
        "content-type": "application/json",
        "user-agent": "edge-cloud-gateway",
    }
    assert len(received.headers) == len(headers)
    assert trap.connections == 0


@pytest.mark.parametrize("ask", ASKS)
async def test_nothing_of_ours_is_in_what_is_sent(ask: Ask) -> None:
    """No tenant, label, request id, class, deadline or name of ours; only the caller's own words."""
    async with SimulatedCloud().serve() as cloud:
        async with backend_at(cloud.base_url) as backend:
            await ask(backend, call_of("marked words"))
        (received,) = cloud.received()
    sent = received.raw().lower()
    assert b"marked words" in sent
    for ours in (
        b"tenant-1",
        b"label-1",
        b"team",
        b"request-1",
        b"request_id",
        b"x-stainless",
        b"python",
        b'"user":',
    ):
        assert ours not in sent


@pytest.mark.parametrize("ask", ASKS)
async def test_organisation_and_project_are_the_policys(trap: RawServer, ask: Ask) -> None:
    """They are sent when the policy names them."""
    async with SimulatedCloud().serve() as cloud:
        async with backend_at(cloud.base_url, organization="org-1", project="project-1") as backend:
            await ask(backend, call_of())
        headers = {name.lower(): value for name, value in cloud.received()[0].headers}
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "project-1")
    assert trap.connections == 0


@pytest.mark.parametrize("ask", ASKS)
async def test_without_a_base_url_the_destination_is_openai(trap: RawServer, ask: Ask) -> None:
    """Asked through a proxy that the policy names, so that the test sees where it would go."""
    async with RawServer(http(403, b"")).serve() as proxy:
        async with backend_at(None, proxy=proxy.base_url.removesuffix("/v1")) as backend:
            with pytest.raises(BackendUnreachable):
                await ask(backend, call_of("marked words"))
        assert [sent.split(b"\r\n")[0] for sent in proxy.received] == [b"CONNECT api.openai.com:443 HTTP/1.1"]
        assert b"marked" not in proxy.received[0]
        assert b"key-1" not in proxy.received[0]
    assert trap.connections == 0


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(ask: Ask, status: int) -> None:
    """A provider cannot send the prompt on to a place that the policy does not name."""
    async with RawServer(http(500, b"{}")).serve() as elsewhere:
        reply = http(status, b"", f"Location: {elsewhere.base_url}/chat/completions")
        async with RawServer(reply).serve() as server, backend_at(server.base_url) as backend:
            with pytest.raises(BackendModelMissing, match="redirects are not followed"):
                await ask(backend, call_of())
        assert elsewhere.connections == 0


@pytest.mark.parametrize("ask", ASKS)
async def test_one_call_is_one_request(ask: Ask) -> None:
    """The SDK does not retry: retries have one owner, and each is reserved."""
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url) as backend:
        for fault in ("status=503", "status=429,retry_after_s=0", "status=408", "status=409", "reset"):
            cloud.reset()
            async with backend_at(cloud.base_url, model=f"sim+{fault}") as failing:
                with pytest.raises(Exception, match=r"^cloud: "):
                    await ask(failing, call_of())
            assert len(cloud.received()) == 1
        await ask(backend, call_of())


@pytest.mark.parametrize("ask", ASKS)
async def test_the_sdk_and_its_transport_log_nothing(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """Even with every logger at DEBUG, as OPENAI_LOG=debug would have it."""
    caplog.set_level(logging.DEBUG)
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url) as backend:
        await ask(backend, call_of("marked words"))
    talkative = ("openai", "httpx", "httpcore", "aiohttp.client")
    assert [record.name for record in caplog.records if record.name.startswith(talkative)] == []
    assert "marked" not in caplog.text
