"""The bodies of answers, and of errors in the shapes of two dialects."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.answer import Route
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.session import SessionStatus
from gateway.domain.signals import ConversationSignals
from gateway.server.http.chat.answer_body import FINISH_REASONS
from gateway.server.http.http_error import OTHER_CODES, code_of_reason
from gateway.server.http.openapi.schemas import (
    COUNT,
    FLAG,
    NOTHING,
    NUMBER,
    TEXT,
    TIME,
    Schema,
    either,
    many,
    named,
    only,
    record,
    words,
)
from gateway.server.http.unknown import UNKNOWN_URL

_NULLABLE: Final = either(TEXT, NOTHING)
_REASON: Final = words(*Reason)
_TYPED: Final = record("type", type=TEXT)
_COUNTED: Final = many(record("type", "count", type=TEXT, count=COUNT))
_CODE: Final = words(*sorted({*map(code_of_reason, Reason), *OTHER_CODES, UNKNOWN_URL}))
_DEGRADED: Final = record("reason", reason=_REASON, canned_id=TEXT, retry_after_s=NUMBER, ticket_id=TEXT)
_KINDS: Final[Mapping[type, Schema]] = {int: COUNT, bool: FLAG, str: TEXT}
_SIGNALS: Final = ConversationSignals().values()
_DECISION: Final = record(
    *("scores", "privacy_class", "findings", "rule", "chain", "refused", "policy_hash", "masked"),
    scores=record("complexity", "privacy", "budget", complexity=NUMBER, privacy=NUMBER, budget=NUMBER),
    privacy_class=words(*(each.name.lower() for each in PrivacyClass)),
    privacy_reason=TEXT,
    findings=_COUNTED,
    rule=TEXT,
    chain=many(TEXT),
    refused=many(record("model", "reason", model=TEXT, reason=_REASON)),
    policy_hash=TEXT,
    masked=_COUNTED,
    signals=record(
        *_SIGNALS,
        **{name: _KINDS[type(each)] for name, each in _SIGNALS.items()},
    ),
    limits=record(),
    trimmed=many(record("model", "messages", "tokens", model=TEXT, messages=COUNT, tokens=COUNT)),
    session=record(
        *("status", "privacy_class", "model", "why"),
        status=words(*SessionStatus),
        privacy_class=words(*(each.name.lower() for each in PrivacyClass)),
        model=TEXT,
        why=TEXT,
    ),
)
_GATEWAY: Final = record(
    *("request_id", "route", "model", "cost_usd", "decision", "attempts"),
    request_id=TEXT,
    route=words(*(each.lower() for each in Route)),
    model=TEXT,
    cost_usd=NUMBER,
    decision=named("Decision"),
    attempts=many(record("model", "outcome", "start_ms", "duration_ms", "cost_usd")),
    cached_age_s=NUMBER,
    degraded=named("Degraded"),
)
_CHOICE: Final = record(
    *("index", "message", "finish_reason"),
    index=only(0),
    message=record("role", "content", role=only("assistant"), content=_NULLABLE, tool_calls=many(_TYPED)),
    finish_reason=words(*sorted(set(FINISH_REASONS.values()))),
)
_CHAT: Final = record(
    *("id", "object", "created", "model", "choices"),
    id=TEXT,
    object=only("chat.completion"),
    created=COUNT,
    model=TEXT,
    choices=many(_CHOICE, minItems=1, maxItems=1),
    usage=record(
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        prompt_tokens=COUNT,
        completion_tokens=COUNT,
        total_tokens=COUNT,
    ),
    gateway=named("Gateway"),
)
_RESPONSE: Final = record(
    *("id", "object", "created_at", "status", "model", "output", "usage"),
    id=TEXT,
    object=only("response"),
    created_at=COUNT,
    status=words("completed", "incomplete"),
    model=TEXT,
    output=many(_TYPED),
    usage=either(
        NOTHING,
        record(
            *("input_tokens", "output_tokens", "total_tokens"),
            input_tokens=COUNT,
            output_tokens=COUNT,
            total_tokens=COUNT,
        ),
    ),
    gateway=named("Gateway"),
)
_MESSAGE: Final = record(
    *("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"),
    id=TEXT,
    type=only("message"),
    role=only("assistant"),
    model=TEXT,
    content=many(_TYPED),
    stop_reason=words("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"),
    stop_sequence=_NULLABLE,
    usage=record("input_tokens", "output_tokens", input_tokens=COUNT, output_tokens=COUNT),
    gateway=named("Gateway"),
)
_OPENAI_MODEL: Final = record(
    *("id", "object", "created", "owned_by"), id=TEXT, object=only("model"), created=COUNT, owned_by=TEXT
)
_ANTHROPIC_MODEL: Final = record(
    *("id", "type", "display_name", "created_at"),
    id=TEXT,
    type=only("model"),
    display_name=TEXT,
    created_at=TIME,
)
_FINDING: Final = record(
    *("type", "start", "end", "confidence", "message_index", "path"),
    type=TEXT,
    start=COUNT,
    end=COUNT,
    confidence=NUMBER,
    message_index={"type": "integer", "minimum": -1},
    path=TEXT,
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "ChatCompletion": _CHAT,
    "Response": _RESPONSE,
    "Message": _MESSAGE,
    "Embeddings": record(
        *("object", "model", "data"),
        object=only("list"),
        model=TEXT,
        data=many(
            record(
                *("object", "index", "embedding"),
                object=only("embedding"),
                index=COUNT,
                embedding=either(many(NUMBER), TEXT),
            )
        ),
        usage=record("prompt_tokens", "total_tokens", prompt_tokens=COUNT, total_tokens=COUNT),
        gateway=named("Gateway"),
    ),
    "TokenCount": record("input_tokens", input_tokens=COUNT),
    "Models": either(
        record("object", "data", object=only("list"), data=many(_OPENAI_MODEL)),
        record("data", "has_more", data=many(_ANTHROPIC_MODEL), has_more=FLAG, first_id=_NULLABLE),
    ),
    "Model": either(_OPENAI_MODEL, _ANTHROPIC_MODEL),
    "Decision": _DECISION,
    "Degraded": _DEGRADED,
    "Gateway": _GATEWAY,
    "Explanation": record("decision", "findings", decision=named("Decision"), findings=many(_FINDING)),
    "SessionEnded": record("was_known", was_known=FLAG),
    "FeedbackTaken": record("request_id", "create_time", request_id=TEXT, create_time=TIME),
    "Handoff": record(
        *("ticket_id", "request_id", "state", "create_time", "expire_time"),
        ticket_id=TEXT,
        request_id=TEXT,
        state=words("pending", "answered"),
        create_time=TIME,
        expire_time=TIME,
        answer=record("text", "answer_time", text=TEXT, answer_time=TIME),
    ),
    "OpenAIError": record(
        "error",
        error=record(
            *("message", "type", "param", "code"), message=TEXT, type=TEXT, param=_NULLABLE, code=_CODE
        ),
        gateway=record("request_id", "degraded", request_id=TEXT, degraded=named("Degraded")),
    ),
    "AnthropicError": record(
        *("type", "error", "request_id"),
        type=only("error"),
        error=record("type", "message", "code", type=TEXT, message=TEXT, code=_CODE, param=TEXT),
        request_id=TEXT,
        gateway=record("request_id", "degraded", request_id=TEXT, degraded=named("Degraded")),
    ),
}
"""By the names that the document gives them."""
