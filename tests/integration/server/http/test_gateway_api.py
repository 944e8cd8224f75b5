"""The gateway's own endpoints over HTTP say what gRPC says, and refuse what it refuses."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.clock import SystemClock
from gateway.domain.privacy import PrivacyClass
from gateway.errors import EngineDown
from gateway.extras.handoff.encryption import KeyRing, new_key
from gateway.extras.handoff.queue import KEY_VARIABLE, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.records.writer import Records
from gateway.server.access import by_header
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import ScriptedBackend, Step, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.raw_http import CHAT, RawReply, exchanged, said
from tests.support.served import ANY_PORT, Served, served

EXPLAIN = "/v1/gateway/explain"
FEEDBACK = "/v1/gateway/feedback"
HANDOFFS = "/v1/gateway/handoffs/"
MAIL = "jane.roe@example.org"
TEXT = f"write to {MAIL}"
TURNS = [{"role": "user", "content": TEXT}]
KEY = new_key()


def models(step: Step | None = None) -> dict[str, ScriptedBackend]:
    """Return models that all do one thing, by default answer."""
    return {name: ScriptedBackend(name, lambda _: step or reply("fine")) for name in ("edge", "cloud")}


async def posted(
    gateway: Served, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> RawReply:
    """Return the response to a body."""
    return await exchanged(gateway.http_address, path, json.dumps(body).encode(), headers=headers)


async def got(gateway: Served, ticket_id: str, *, tenant: str = "acme") -> RawReply:
    """Return the response to a request for a ticket."""
    return await exchanged(
        gateway.http_address, HANDOFFS + ticket_id, method="GET", headers={"x-tenant": tenant}
    )


BODIES: Mapping[str, tuple[dict[str, Any], dict[str, str]]] = {
    "chat": ({"model": "auto", "messages": TURNS}, {}),
    "responses": ({"model": "auto", "input": TEXT}, {}),
    "messages": ({"model": "auto", "max_tokens": 9, "messages": TURNS}, {"anthropic-version": "2023-06-01"}),
    "messages without its header": (
        {
            "model": "auto",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": TURNS,
        },
        {},
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_explain_says_where_a_body_of_any_dialect_would_go(name: str) -> None:
    """The place of each finding, never its text; no model is asked."""
    body, headers = BODIES[name]
    backends = models()
    async with served(backends, http=ANY_PORT) as gateway:
        told = await posted(gateway, EXPLAIN, body, headers)
        elsewhere = await gateway.stub.Explain(
            pb.ExplainRequest(messages=[pb.Message(role=pb.ROLE_USER, content=TEXT)])
        )
    assert told.status == 200
    decision, (finding,) = told.json["decision"], told.json["findings"]
    (expected,) = elsewhere.findings
    assert decision["findings"] == [{"type": expected.type, "count": 1}]
    assert (decision["rule"], decision["chain"]) == (
        elsewhere.decision.rule,
        list(elsewhere.decision.chain),
    )
    assert decision["privacy_class"] == PrivacyClass(elsewhere.decision.privacy_class).name.lower()
    assert finding == {
        "type": expected.type,
        "start": TEXT.index(MAIL),
        "end": len(TEXT),
        "confidence": expected.confidence,
        "message_index": 1 if "system" in body else 0,
        "path": "content",
    }
    assert MAIL.encode() not in told.body
    assert [backend.calls for backend in backends.values()] == [[], []]


@pytest.mark.parametrize(
    ("name", "changed", "param"),
    [
        ("chat", {"messages": []}, "messages"),
        ("chat", {"temperature": 9}, "temperature"),
        ("responses", {"max_output_tokens": 0}, "max_output_tokens"),
        ("messages", {"max_tokens": 0}, "max_tokens"),
        ("messages", {"stop_sequences": [""]}, "stop_sequences[0]"),
    ],
)
async def test_explain_names_the_wrong_member_as_its_dialect_does(
    name: str, changed: dict[str, Any], param: str
) -> None:
    """In OpenAI's shape, whichever dialect the body has."""
    body, headers = BODIES[name]
    async with served(models(), http=ANY_PORT) as gateway:
        told = await posted(gateway, EXPLAIN, body | changed, headers)
    assert (told.status, told.json["error"]["param"]) == (400, param)
    assert told.json["error"]["code"] == "invalid_request"


async def test_feedback_is_a_line_of_the_records(tmp_path: Path) -> None:
    """With the labels that the policy keeps, and under the caller's tenant."""
    path, policy = tmp_path / "d.jsonl", f"{POLICY}records: {{labels: [team]}}\n"
    records = Records(path, clock=SystemClock())
    reports = list[CallReport]()
    async with served(
        models(),
        policy=policy,
        records=records,
        tenant_of=by_header,
        http=ANY_PORT,
        observers=(reports.append,),
    ) as gateway:
        told = await posted(
            gateway,
            FEEDBACK,
            {"request_id": "r-1", "score": 0, "labels": {"team": "red", "mood": "blue"}},
            {"x-tenant": "acme"},
        )
    assert told.status == 200
    assert told.json["request_id"] == "r-1"
    assert told.json["create_time"].endswith("Z")
    (line,) = [each for each in map(json.loads, path.read_text().splitlines()) if each["kind"] == "feedback"]
    assert {key: line[key] for key in ("request_id", "tenant", "score", "labels")} == {
        "request_id": "r-1", "tenant": "acme", "score": 0.0, "labels": {"team": "red"},
    }  # fmt: skip
    assert [(report.method, report.code) for report in reports] == [("SubmitFeedback", "OK")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"score": 0.5}, "request_id"),
        ({"request_id": "a b", "score": 0.5}, "request_id"),
        ({"request_id": 7, "score": 0.5}, "request_id"),
        ({"request_id": "r"}, "score"),
        ({"request_id": "r", "score": None}, "score"),
        ({"request_id": "r", "score": True}, "score"),
        ({"request_id": "r", "score": 1.01}, "score"),
        ({"request_id": "r", "score": -0.5}, "score"),
        ({"request_id": "r", "score": 1, "labels": ["a"]}, "labels"),
        ({"request_id": "r", "score": 1, "labels": {"a": 1}}, "labels"),
        ({"request_id": "r", "score": 1, "labels": {"a b": "c"}}, "labels"),
        ({"request_id": "r", "score": 1, "labels": {"a": "c" * 65}}, "labels[a]"),
        ({"request_id": "r", "score": 1, "mood": "good"}, "mood"),
    ],
)
async def test_wrong_feedback_is_refused_by_name(body: dict[str, Any], param: str, tmp_path: Path) -> None:
    """As gRPC does, and nothing is written."""
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with served(models(), http=ANY_PORT, records=records) as gateway:
        told = await posted(gateway, FEEDBACK, body)
    assert (told.status, told.json["error"]["param"]) == (400, param)
    assert '"feedback"' not in (tmp_path / "d.jsonl").read_text()


async def test_without_records_feedback_is_refused() -> None:
    """It would be lost; a retry does not help."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await posted(gateway, FEEDBACK, {"request_id": "r", "score": 1})
    assert (told.status, told.json["error"]["code"]) == (501, "records_off")
    assert told.headers["x-should-retry"] == "false"


async def test_a_person_answers_over_http(tmp_path: Path) -> None:
    """The error of a request has the ticket; its answer has a shape of its own. Another's ticket is none."""
    state, environ = f"sqlite://{tmp_path / 'ledger.db'}", {KEY_VARIABLE: KEY}
    async with served(
        models(EngineDown("edge", "no engine")),
        policy=f"{POLICY}handoff: {{queue: sqlite, store_up_to: internal}}\n",
        tenant_of=by_header,
        state_url=state,
        environ=environ,
        http=ANY_PORT,
    ) as gateway:
        failed = await exchanged(gateway.http_address, CHAT, said("why?"), headers={"x-tenant": "acme"})
        ticket_id = failed.json["gateway"]["degraded"]["ticket_id"]
        pending = await got(gateway, ticket_id)
        queue = open_queue(state, clock=SystemClock())
        responder = Responder(queue, KeyRing.of(environ), by="jane", clock=SystemClock())
        taken = await responder.take_next(lease_s=60)
        assert taken is not None
        await responder.answer(taken[0].id, "Because.")
        await queue.aclose()
        answered = await got(gateway, ticket_id)
        elsewhere = await gateway.stub.GetHandoff(
            pb.GetHandoffRequest(ticket_id=ticket_id), metadata=(("x-tenant", "acme"),)
        )
        unknown = [
            await got(gateway, ticket_id, tenant="other"),
            await got(gateway, "ho_" + "0" * 32),
        ]
        wrong = await got(gateway, "no%20ticket")
    assert failed.status == 503
    assert pending.json == {
        "ticket_id": ticket_id,
        "request_id": failed.headers["x-gateway-request-id"],
        "state": "pending",
        **{key: pending.json[key] for key in ("create_time", "expire_time")},
    }
    proto = MessageToDict(elsewhere, preserving_proto_field_name=True)
    assert answered.json == {**proto, "state": "answered"}
    assert answered.json["answer"]["text"] == "Because."
    assert [(each.status, each.json["error"]["code"]) for each in unknown] == [(404, "ticket_unknown")] * 2
    assert unknown[0].json == unknown[1].json
    assert (wrong.status, wrong.json["error"]["param"]) == (400, "ticket_id")


async def test_paths_without_the_version_are_the_same() -> None:
    """As everywhere."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await posted(gateway, "/gateway/explain", BODIES["chat"][0])
    assert told.status == 200
