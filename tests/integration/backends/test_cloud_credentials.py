"""What a policy adds to each call reaches the provider: headers, keys of every source, URL and body."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.http.credentials import token_of
from gateway.domain.answer import FinishReason
from gateway.errors import BackendCredentials, StartupError
from tests.support.calls import call_of
from tests.support.cloud_calls import RawServer, backend_at, http, whole
from tests.support.fakes import FakeClock
from tests.support.provider_bytes import line
from tests.support.provider_bytes import whole as whole_body
from tests.support.provider_calls import calling, entry

OK = http(200, json.dumps(whole_body("Yes.")).encode())
REFUSED = http(401, b'{"error": {"code": "invalid_api_key", "message": "no"}}')


def headers_of(request: bytes) -> Mapping[str, str]:
    """Return the headers of a request that was received."""
    head = request.split(b"\r\n\r\n")[0].decode()
    fields = [each.split(": ", 1) for each in head.split("\r\n")[1:]]
    return {name.lower(): value for name, value in fields}


async def test_headers_query_and_body_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their source; the caller's own values go before those of the policy."""
    (tmp_path / "extra").write_text("from-file\n")
    monkeypatch.setenv("EXTRA_TOKEN", "from-env")
    fields: dict[str, Any] = {
        "headers": {
            "X-Team": "edge",
            "X-Token": {"env": "EXTRA_TOKEN"},
            "Cookie": {"file": str(tmp_path / "extra")},
        },
        "query": {"api-version": "v1"},
        "extra_body": {"top_k": 3, "chat_template_kwargs": {"enable_thinking": False}},
        "auth": {"header": "api-key", "prefix": ""},
    }
    call = call_of()
    assert call.permit is not None
    config = replace(call.request.config, top_k=7)
    asked = call_of(config=config)
    async with RawServer(OK).serve() as server, backend_at(server.base_url, **fields) as backend:
        await whole(backend, call)
        await whole(backend, asked)
    first, second = server.received
    headers = headers_of(first)
    assert (headers["x-team"], headers["x-token"], headers["cookie"]) == ("edge", "from-env", "from-file")
    assert (headers["api-key"], headers.get("authorization")) == ("key-1", None)
    assert first.startswith(b"POST /v1/chat/completions?api-version=v1 ")
    body = json.loads(first.split(b"\r\n\r\n")[1])
    assert (body["top_k"], body["chat_template_kwargs"]) == (3, {"enable_thinking": False})
    assert json.loads(second.split(b"\r\n\r\n")[1])["top_k"] == 7


async def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Without a restart; one that is gone fails the call, and the value is in no error."""
    path = tmp_path / "key"
    path.write_text("first\n")
    async with (
        RawServer(OK).serve() as server,
        backend_at(server.base_url, api_key=None, api_key_file=str(path)) as backend,
    ):
        await whole(backend, call_of())
        path.write_text("the-second\n")
        await whole(backend, call_of())
        path.unlink()
        with pytest.raises(BackendCredentials, match="api_key_file") as raised:
            await whole(backend, call_of())
    assert [headers_of(each)["authorization"] for each in server.received] == [
        "Bearer first",
        "Bearer the-second",
    ]
    assert "second" not in str(raised.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key_file": "/nowhere/key"},
        {"headers": {"X-Token": {"env": "NOT_SET_ANYWHERE"}}},
        {"headers": {"X-Token": {"file": "/nowhere/token"}}},
    ],
)
async def test_what_is_not_there_stops_the_start(fields: dict[str, Any]) -> None:
    """One line that names the key."""
    with pytest.raises(StartupError, match=r"\Acloud: (?:headers\.X-Token|api_key_file): [^\n]+\Z"):
        async with backend_at("http://127.0.0.1:9/v1", api_key=None, **fields):
            pass


def program(tmp_path: Path, code: str) -> list[str]:
    """Return a command that runs Python code, and adds a line to a file for each run."""
    script = tmp_path / "token.py"
    script.write_text(f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n{code}\n")
    return [sys.executable, "-S", str(script)]


def runs(tmp_path: Path) -> int:
    """Return how often the program ran."""
    path = tmp_path / "runs"
    return len(path.read_text()) if path.exists() else 0


async def test_a_token_is_kept_until_it_expires(tmp_path: Path) -> None:
    """And taken anew then, or when the provider refuses it; no shell sees the command."""
    clock = FakeClock()
    command = [
        *program(
            tmp_path, "import json, sys\nprint(json.dumps({'access_token': sys.argv[1], 'expires_in': 600}))"
        ),
        "$HOME",
    ]
    async with (
        RawServer(OK).serve() as server,
        backend_at(server.base_url, api_key=None, token_command=command, clock=clock) as backend,
    ):
        call = replace(call_of(clock=clock))
        assert runs(tmp_path) == 0
        await whole(backend, call)
        await whole(backend, call)
        assert runs(tmp_path) == 1
        clock.advance(541)
        await whole(backend, call_of(clock=clock))
        assert runs(tmp_path) == 2
        server.reply = REFUSED
        with pytest.raises(BackendCredentials):
            await whole(backend, call_of(clock=clock))
        server.reply = OK
        await whole(backend, call_of(clock=clock))
        assert runs(tmp_path) == 3
    assert {headers_of(each)["authorization"] for each in server.received} == {"Bearer $HOME"}


@pytest.mark.parametrize(
    "code",
    [
        "print('secret'); raise SystemExit(3)",
        "print('')",
        'print(\'{"a": "secret"}\')',
        "print('secret\\nx')",
    ],
)
async def test_a_program_without_a_token_fails_the_call(tmp_path: Path, code: str) -> None:
    """Nothing is sent, and nothing that it printed is in the error."""
    async with (
        RawServer(OK).serve() as server,
        backend_at(server.base_url, api_key=None, token_command=program(tmp_path, code)) as backend,
    ):
        with pytest.raises(BackendCredentials, match=r"\Acloud: token_command: [^\n]+\Z") as raised:
            await whole(backend, call_of())
    assert server.received == []
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("printed", "life_s"),
    [
        ("abc", 300.0),
        ('{"access_token": "abc", "expires_in": "90"}', 90.0),
        ('{"accessToken": "abc", "expires_on": 1500}', 500.0),
        ('{"token": "abc"}', 300.0),
    ],
)
def test_tokens_in_every_form(printed: str, life_s: float) -> None:
    """Plain, or in the JSON of the clouds' own programs."""
    assert token_of(printed.encode(), 1000.0) == ("abc", life_s)


def test_a_token_says_itself_when_it_expires() -> None:
    """One of JWT's form."""
    token = "e30.eyJleHAiOiAxNTAwfQ.c2ln"  # Its claims are {"exp": 1500}.
    assert token_of(token.encode(), 1000.0) == (token, 500.0)


async def test_a_word_of_the_policy_ends_an_answer() -> None:
    """Also one that is known otherwise."""
    body = json.dumps(whole_body("Yes.", "stop")).encode()
    words = {"STOP": "length"}
    async with (
        RawServer(http(200, body)).serve() as server,
        backend_at(server.base_url, finish_reasons=words) as backend,
    ):
        assert (await whole(backend, call_of())).finish_reason is FinishReason.LENGTH


async def test_calls_of_tools_come_over_the_wire() -> None:
    """In pieces, each once."""
    events = [
        calling(entry("dig", '{"depth"', index=0, id="call_1")),
        calling(entry(None, ": 2}", index=0), finish_reason="stop"),
    ]
    raw = b"".join(map(line, events)) + b"data: [DONE]\n\n"
    async with (
        RawServer(http(200, raw, content_type="text/event-stream")).serve() as server,
        backend_at(server.base_url) as backend,
    ):
        chunks = [chunk async for chunk in backend.stream(call_of())]
        reply = await backend.generate(call_of())
    calls = [call for chunk in chunks for call in chunk.tool_calls]
    assert (calls[0].id, calls[0].name) == ("call_1", "dig")
    assert "".join(call.arguments_json for call in calls) == '{"depth": 2}'
    assert chunks[-1].finish_reason is FinishReason.TOOL_CALLS
    assert [call.arguments_json for call in reply.tool_calls] == ['{"depth": 2}']
