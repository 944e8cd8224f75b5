"""Headers that say a thing twice, and texts that would break those of the answer."""

import json

import pytest

from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.server.access import TenantRule, by_header
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.policies import POLICY
from tests.support.raw_http import CHAT, exchanged, request_bytes, said, sent
from tests.support.served import ANY_PORT, served
from tests.support.tenants import KEYS


def models() -> dict[str, ScriptedBackend]:
    """Return models that say hi."""
    return {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "api-key"])
async def test_of_two_keys_none_is_taken(name: str, tenant_of: TenantRule) -> None:
    """Whichever of them a proxy in front has looked at; the same one twice is one."""
    key = KEYS["acme"] if name != "authorization" else f"Bearer {KEYS['acme']}"
    once = request_bytes(CHAT, said(), headers={name: key})
    line = f"{name}: {key}\r\n".encode()
    async with served(models(), http=ANY_PORT, tenant_of=tenant_of) as gateway:
        for lines, status in (
            (line, 200),
            (line + line, 200),
            (line + line.replace(b"acme", b"eve"), 401),
            (line.replace(b"acme", b"eve") + line, 401),
            (line + b"x-api-key: gw_wrong\r\n", 401),
            (b"", 401),
        ):
            replies = await sent(gateway.http_address, once.replace(line, lines))
            assert [reply.status for reply in replies] == [status]
            assert b"gw_" not in replies[0].body


async def test_of_two_tenants_none_is_taken() -> None:
    """A caller that adds a header to that of a proxy becomes nobody else; else it says nothing."""
    once = request_bytes(CHAT, said(), headers={"x-tenant": "acme"})
    twice = once.replace(b"x-tenant: acme", b"x-tenant: eve\r\nX-Tenant: acme")
    backends = models()
    async with served(backends, http=ANY_PORT, tenant_of=by_header) as gateway:
        assert [reply.status for reply in await sent(gateway.http_address, once)] == [200]
        assert [reply.status for reply in await sent(gateway.http_address, twice)] == [400]
    async with served(backends, http=ANY_PORT) as gateway:
        assert [reply.status for reply in await sent(gateway.http_address, once)] == [200]
    assert [call.request.tenant for call in backends["edge"].calls] == ["acme", "default"]


@pytest.mark.parametrize("header", ["x-gateway-label-a", "x-gateway-privacy-class", "x-gateway-request-id"])
async def test_what_tightens_is_not_said_twice(header: str) -> None:
    """Of two classes, labels or ids no one is chosen in silence."""
    value = "internal" if header == "x-gateway-privacy-class" else "a"
    once = request_bytes(CHAT, said(), headers={header: value})
    line = f"{header}: {value}\r\n".encode()
    twice = once.replace(line, line + f"{header}: public\r\n".encode())
    backends = models()
    async with served(backends, http=ANY_PORT) as gateway:
        assert [reply.status for reply in await sent(gateway.http_address, once)] == [200]
        (told,) = await sent(gateway.http_address, twice)
    assert (told.status, told.json["error"]["code"]) == (400, "invalid_request")
    assert len(backends["edge"].calls) == 1


@pytest.mark.parametrize("place", ["models", "rules", "replies"])
@pytest.mark.parametrize("name", ["a\r\nset-cookie: x", "a\nb", "a b", "a\u00e9", "a\x00", ""])
def test_no_name_of_a_policy_can_break_a_header(place: str, name: str) -> None:
    """Names of models, rules and replies stand in headers, so that the policy takes only plain ones."""
    quoted = json.dumps(name)
    changed = {
        "models": POLICY.replace("cloud", quoted),
        "rules": POLICY.replace("name: default", f"name: {quoted}"),
        "replies": POLICY.replace("id: sorry", f"id: {quoted}"),
    }[place]
    assert changed != POLICY
    assert parse_policy(changed.replace(quoted, "plain"), name="policy.yaml")
    with pytest.raises(PolicyError):
        parse_policy(changed, name="policy.yaml")


async def test_no_header_of_a_caller_breaks_one_of_the_answer() -> None:
    """Its own id of the request is the only text that comes back, and it is a plain word."""
    async with served(models(), http=ANY_PORT) as gateway:
        for own in ("a\u00e9", "a b", "a;b", "x" * 65, "%0d%0aset-cookie: x"):
            told = await exchanged(gateway.http_address, CHAT, said(), headers={"x-gateway-request-id": own})
            assert told.status == 400
            assert own.lower() not in str(told.headers)
        path = "/v1/models/%0d%0aset-cookie:%20x"
        told = await exchanged(gateway.http_address, path, method="GET")
    assert told.status == 404
    assert "set-cookie" not in told.headers
