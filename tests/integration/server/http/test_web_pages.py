"""What web pages that nobody allowed can make a browser ask, and what comes of it: nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.backends.base import Backend
from gateway.clock import SystemClock
from gateway.server.access import by_credentials
from gateway.server.key_file import KeyFile, new_key
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.policies import POLICY
from tests.support.raw_http import CHAT, exchanged, said
from tests.support.served import ANY_PORT, served

LISTED = POLICY + 'http: {cors_origins: ["https://chat.example", "app://notes"]}\n'


def _backends() -> dict[str, ScriptedBackend]:
    return {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}


@pytest.mark.parametrize("policy", [POLICY, LISTED], ids=["none listed", "others listed"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "content-type": "text/plain"},
        {"origin": "null", "content-type": "application/x-www-form-urlencoded"},
        {"origin": "https://chat.example.evil.example"},
        {"origin": "http://evil.example:8080", "host": "evil.example:8080", "authorization": "Bearer any"},
        {"origin": ""},
    ],
    ids=["text", "form in a sandbox", "another end", "a name that leads here", "empty"],
)
async def test_a_page_of_another_origin_asks_nothing(headers: Mapping[str, str], policy: str) -> None:
    """Where callers need no key: a browser sends such requests without a preflight, and answers cost."""
    backends = _backends()
    async with served(backends, http=ANY_PORT, policy=policy) as gateway:
        refused = await exchanged(gateway.http_address, CHAT, said(), headers=headers)
        models = await exchanged(gateway.http_address, "/v1/models", method="GET", headers=headers)
    assert (refused.status, refused.json["error"]["code"]) == (403, "origin_not_allowed")
    assert models.status == 403
    assert "access-control-allow-origin" not in refused.headers
    assert not any(backend.calls for backend in backends.values())


@pytest.mark.parametrize("origin", ["https://chat.example", "app://notes"])
async def test_a_page_of_the_policy_asks(origin: str) -> None:
    """The policy lists it; so a program of the desktop is a page, too."""
    backends: Mapping[str, Backend] = _backends()
    async with served(backends, http=ANY_PORT, policy=LISTED) as gateway:
        asked = await exchanged(gateway.http_address, CHAT, said(), headers={"origin": origin})
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == origin


async def test_whoever_shows_a_key_asks_from_anywhere(tmp_path: Path) -> None:
    """No browser adds a key by itself; a page that has it, and a preflight that allows it, is trusted."""
    key, entry = new_key("acme")
    (tmp_path / "keys.txt").write_text(entry.line())
    keys = KeyFile(tmp_path / "keys.txt", clock=SystemClock())
    rule = by_credentials(keys=keys, takes_certificates=False)
    async with served(_backends(), http=ANY_PORT, tenant_of=rule, keys=keys) as gateway:
        statuses = [
            (
                await exchanged(gateway.http_address, CHAT, said(), headers={"origin": "app://x", **shown})
            ).status
            for shown in ({"authorization": f"Bearer {key}"}, {"x-api-key": "wrong"}, {})
        ]
    assert statuses == [200, 401, 403]
