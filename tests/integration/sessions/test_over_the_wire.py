"""A private turn is trimmed away by the client, and the next turn stays home all the same."""

import json
from pathlib import Path

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.domain.address import Address
from gateway.records.writer import Records
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.served import ANY_PORT, Served, served

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud, edge]}]
replies: [{id: sorry, text: "Sorry."}]
"""
PRIVATE = "my card is 4111 1111 1111 1111"
LATER = "Now a question about nothing private."
ANSWER = "That is the card of somebody, which I shall keep to myself."


def models() -> dict[str, ScriptedBackend]:
    """Return models that answer the same."""
    return {name: ScriptedBackend(name, [reply(ANSWER)]) for name in ("edge", "cloud")}


def asked(*texts: str, session_id: str = "") -> pb.GenerateRequest:
    """Return a request; every second text is the assistant's."""
    roles = (pb.ROLE_USER, pb.ROLE_ASSISTANT)
    messages = [pb.Message(role=roles[at % 2], content=text) for at, text in enumerate(texts)]
    return pb.GenerateRequest(messages=messages, session_id=session_id)


@pytest.mark.parametrize("session_id", ["s", ""])
async def test_the_next_turn_stays_home(session_id: str) -> None:
    """By its id, or by our answer in what is left of its history; the cloud is sent nothing."""
    backends = models()
    async with served(backends, policy=POLICY) as gateway:
        await gateway.stub.Generate(asked(PRIVATE, session_id=session_id))
        trimmed = asked(LATER, session_id=session_id) if session_id else asked("Hello", ANSWER, LATER)
        answered = await gateway.stub.Generate(trimmed)
        explained = await gateway.stub.Explain(
            pb.ExplainRequest(messages=trimmed.messages, session_id=session_id)
        )

    assert answered.decision.chain == ["edge"]
    assert answered.decision.privacy_reason == "session"
    assert answered.decision.session.status == pb.SESSION_STATUS_KEPT
    assert answered.decision.session.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
    assert explained.decision.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
    assert backends["cloud"].calls == []


async def test_to_explain_is_no_turn() -> None:
    """A request that is only explained adds nothing to its conversation."""
    async with served(models(), policy=POLICY) as gateway:
        request = asked(PRIVATE, session_id="s")
        await gateway.stub.Explain(pb.ExplainRequest(messages=request.messages, session_id="s"))
        answered = await gateway.stub.Generate(asked(LATER, session_id="s"))

    assert answered.model == "cloud"


async def test_a_caller_ends_it_over_grpc() -> None:
    """The next request begins a new conversation."""
    async with served(models(), policy=POLICY) as gateway:
        await gateway.stub.Generate(asked(PRIVATE, session_id="s"))
        first = await gateway.stub.EndSession(pb.EndSessionRequest(session_id="s"))
        again = await gateway.stub.EndSession(pb.EndSessionRequest(session_id="s"))
        answered = await gateway.stub.Generate(asked(LATER, session_id="s"))

    assert (first.was_known, again.was_known) == (True, False)
    assert answered.model == "cloud"


async def chat(client: aiohttp.ClientSession, gateway: Served, text: str) -> dict[str, object]:
    """Ask over HTTP, within the session `s`."""
    async with client.post(
        f"{gateway.http_url}/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": text}]},
        headers={"x-session-id": "s", "x-gateway-decision": "true"},
    ) as response:
        assert response.status == 200
        told: dict[str, object] = (await response.json())["gateway"]
        return told


async def test_over_http() -> None:
    """The header names it, the answer tells of it, and DELETE ends it."""
    async with (
        served(models(), policy=POLICY, http=Address("127.0.0.1", 0)) as gateway,
        aiohttp.ClientSession() as client,
    ):
        await chat(client, gateway, PRIVATE)
        kept = await chat(client, gateway, LATER)
        url = f"{gateway.http_url}/v1/gateway/sessions/s"
        async with client.delete(url) as response:
            ended = response.status, await response.json()
        after = await chat(client, gateway, LATER)

    assert kept["model"] == "edge"
    assert ended == (200, {"was_known": True})
    assert after["model"] == "cloud"


async def test_the_records_say_that_a_caller_ended_it(tmp_path: Path) -> None:
    """With the hash that the conversation's other lines have, and never with its id."""
    path = tmp_path / "d.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(models(), policy=POLICY, records=records) as gateway:
        await gateway.stub.Generate(asked(PRIVATE, session_id="my-session"))
        for _ in range(2):
            await gateway.stub.EndSession(pb.EndSessionRequest(session_id="my-session"))

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (turn,) = (line for line in lines if line["kind"] == "request")
    ends = [line for line in lines if line["kind"] == "session_end"]
    assert [(line["session"], line["tenant"], line["was_known"]) for line in ends] == [
        (turn["session"], turn["tenant"], True),
        (turn["session"], turn["tenant"], False),
    ]
    assert all(line["request_id"] for line in ends)
    assert "my-session" not in path.read_text()


async def test_it_outlives_a_restart_in_a_file(tmp_path: Path) -> None:
    """With SQLite another process of the gateway knows the conversation."""
    url = f"sqlite://{tmp_path / 'ledger.db'}"
    async with served(models(), policy=POLICY, state_url=url) as gateway:
        await gateway.stub.Generate(asked(PRIVATE, session_id="s"))
    async with served(models(), policy=POLICY, state_url=url, address=ANY_PORT) as gateway:
        answered = await gateway.stub.Generate(asked(LATER, session_id="s"))

    assert answered.model == "edge"
    assert b"4111" not in (tmp_path / "ledger.db.sessions").read_bytes()
