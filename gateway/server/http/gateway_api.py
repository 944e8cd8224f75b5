"""The gateway's own endpoints: explain, feedback, hand-offs, sessions. Errors have OpenAI's shape."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.domain.privacy import Finding
from gateway.errors import InvalidRequest
from gateway.policy.model import Policy
from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.dialect import HttpDialect
from gateway.server.http.embeddings import Embeddings
from gateway.server.http.gateway_object import decision_object
from gateway.server.http.http_call import HttpCall
from gateway.server.http.http_server import Endpoint
from gateway.server.http.members import Members
from gateway.server.http.messages.messages_dialect import MessagesDialect
from gateway.server.http.middleware import HttpMiddleware
from gateway.server.http.responses.responses_api import Responses
from gateway.server.timestamp import timestamp_of
from gateway.server.validation.feedback import feedback_of, parse_ticket_id
from gateway.server.validation.request import parse_session_id

CHAT, RESPONSES, MESSAGES, EMBEDDINGS = ChatCompletions(), Responses(), MessagesDialect(), Embeddings()
Shown = Mapping[str, Any]


def gateway_endpoints(middleware: HttpMiddleware) -> Iterator[Endpoint]:
    """Yield the endpoints below /v1/gateway."""
    explain = middleware.unary("Explain", CHAT, _explain, route="/v1/gateway/explain")
    yield Endpoint("POST", "/gateway/explain", explain)
    feedback = middleware.unary("SubmitFeedback", CHAT, _feedback, route="/v1/gateway/feedback")
    yield Endpoint("POST", "/gateway/feedback", feedback)
    route = "/v1/gateway/handoffs/{ticket_id}"
    handoff = middleware.unary("GetHandoff", CHAT, _handoff, verb="GET", route=route)
    yield Endpoint("GET", "/gateway/handoffs/{ticket_id}", handoff)
    route = "/v1/gateway/sessions/{session_id}"
    end = middleware.unary("EndSession", CHAT, _end_session, verb="DELETE", route=route)
    yield Endpoint("DELETE", "/gateway/sessions/{session_id}", end)


async def _explain(http_call: HttpCall) -> Shown:
    """Return where a request would go and why, and where its findings are, never their text."""
    dialect = _dialect_of(http_call)
    decision = await http_call.pipeline.explain(http_call.incoming(dialect), http_call.context)
    return {"decision": decision_object(decision), "findings": list(map(_finding, decision.findings))}


def _dialect_of(http_call: HttpCall) -> HttpDialect:
    """Return the dialect of a body that was sent to no dialect's own path."""
    body = http_call.body
    if "input" in body:
        return EMBEDDINGS if _asks_for_vectors(body, http_call.pipeline.policy) else RESPONSES
    is_messages = "anthropic-version" in http_call.headers.headers or "system" in body
    return MESSAGES if is_messages else CHAT


def _asks_for_vectors(body: Mapping[str, Any], policy: Policy) -> bool:
    """Whether a body with `input` is one for embeddings: by a list of texts, by a member, or by the model."""
    texts, model = body["input"], body.get("model")
    if isinstance(texts, list) and any(isinstance(text, str) for text in texts):
        return True
    if not body.keys().isdisjoint(("dimensions", "encoding_format")):
        return True
    return isinstance(model, str) and policy.gives_vectors(model)


async def _feedback(http_call: HttpCall) -> Shown:
    members = Members(http_call.body)
    request_id, score = members.needed_text("request_id"), members.number("score")
    labels = members.members("labels")
    members.refuse_rest()
    feedback = feedback_of(
        request_id, score, {} if labels is None else _labels(labels), tenant=http_call.context.tenant
    )
    return {
        "request_id": feedback.request_id,
        "create_time": timestamp_of(http_call.pipeline.take_feedback(feedback)).ToJsonString(),
    }


def _labels(labels: Members) -> dict[str, str]:
    """Return labels, which are strings; their names, which nobody has checked yet, are not repeated."""
    found = {}
    for name, value in labels.values.items():
        if not isinstance(value, str):
            raise InvalidRequest(labels.path, "every value must be a string")
        found[name] = value
    return found


async def _handoff(http_call: HttpCall) -> Shown:
    """Return a ticket, and the answer of a person once there is one: never in the shape of a model's."""
    ticket_id = parse_ticket_id(http_call.body["ticket_id"])
    fetched = await http_call.pipeline.fetch_handoff(ticket_id, http_call.context)
    ticket = fetched.ticket
    shown = {
        "ticket_id": ticket.id,
        "request_id": ticket.request_id,
        "state": "pending" if fetched.answer is None else "answered",
        "create_time": timestamp_of(ticket.created_unix_s).ToJsonString(),
        "expire_time": timestamp_of(ticket.expires_unix_s).ToJsonString(),
    }
    if fetched.answer is None:
        return shown
    return {
        **shown,
        "answer": {
            "text": fetched.answer,
            "answer_time": timestamp_of(ticket.answered_unix_s or 0.0).ToJsonString(),
        },
    }


async def _end_session(http_call: HttpCall) -> Shown:
    """Forget a conversation of the tenant, and say whether it was known."""
    session_id = parse_session_id(http_call.body["session_id"])
    return {"was_known": await http_call.pipeline.end_session(session_id, http_call.context)}


def _finding(finding: Finding) -> Shown:
    """Return a finding by type and place, in the words of the gRPC contract."""
    return {
        "type": finding.type,
        "start": finding.start,
        "end": finding.end,
        "confidence": finding.confidence,
        "message_index": finding.message_index,
        "path": finding.path,
    }
