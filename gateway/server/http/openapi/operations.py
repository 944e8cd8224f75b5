"""What each endpoint takes, returns, and may refuse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.decision import Reason

ANY_CALL: Final = frozenset({
    Reason.INVALID_REQUEST, Reason.UNAUTHENTICATED, Reason.RATE_LIMITED, Reason.QUEUE_FULL, Reason.DEADLINE,
    Reason.INTERNAL, Reason.RECORDS_UNAVAILABLE,
})  # fmt: skip
"""Why any call may be refused."""
_DECIDED: Final = ANY_CALL | {Reason.NOT_IN_ROUTE, Reason.MODEL_NOT_ALLOWED, Reason.LEDGER_UNAVAILABLE}
_ANSWERED: Final = frozenset(Reason) - {
    Reason.TICKET_UNKNOWN,
    Reason.RECORDS_OFF,
    Reason.HANDOFF_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedEndpoint:
    """An endpoint; schemas by their names in the document."""

    summary: str
    answer: str
    request: str = ""
    """The body; "" where there is none."""
    errors: tuple[str, ...] = ("OpenAIError",)
    reasons: frozenset[Reason] = ANY_CALL
    streams: bool = False
    takes_hints: bool = False
    """Whether headers may say how the policy is tightened for a request."""
    names_model: bool = False
    pages: bool = False
    """Whether the query says which part of a list is wanted."""


_CHAT: Final = DescribedEndpoint(
    summary="A chat completion, as OpenAI's API has it.",
    answer="ChatCompletion",
    request="ChatRequest",
    reasons=_ANSWERED,
    streams=True,
    takes_hints=True,
    names_model=True,
)
_MODEL_ERRORS: Final = ("OpenAIError", "AnthropicError")
ENDPOINTS: Final[Mapping[tuple[str, str], DescribedEndpoint]] = {
    ("POST", "/v1/chat/completions"): _CHAT,
    ("POST", "/openai/deployments/{model}/chat/completions"): _CHAT,
    ("POST", "/v1/responses"): DescribedEndpoint(
        summary="A response, as OpenAI's Responses API has it; nothing is stored.",
        answer="Response",
        request="ResponsesRequest",
        reasons=_ANSWERED,
        streams=True,
        takes_hints=True,
        names_model=True,
    ),
    ("POST", "/v1/messages"): DescribedEndpoint(
        summary="A message, as Anthropic's API has it.",
        answer="Message",
        request="MessagesRequest",
        errors=("AnthropicError",),
        reasons=_ANSWERED,
        streams=True,
        takes_hints=True,
        names_model=True,
    ),
    ("POST", "/v1/embeddings"): DescribedEndpoint(
        summary="The vectors of texts, as OpenAI's API has them.",
        answer="Embeddings",
        request="EmbeddingsRequest",
        reasons=_ANSWERED,
        takes_hints=True,
        names_model=True,
    ),
    ("POST", "/v1/messages/count_tokens"): DescribedEndpoint(
        summary="How long a prompt is for the model that would answer.",
        answer="TokenCount",
        request="CountRequest",
        errors=("AnthropicError",),
        reasons=_DECIDED,
        takes_hints=True,
        names_model=True,
    ),
    ("GET", "/v1/models"): DescribedEndpoint(
        summary="The models and aliases that a caller may name; in Anthropic's shape to `anthropic-version`.",
        answer="Models",
        errors=_MODEL_ERRORS,
        pages=True,
    ),
    ("GET", "/v1/models/{model}"): DescribedEndpoint(
        summary="One of them.", answer="Model", errors=_MODEL_ERRORS, names_model=True
    ),
    ("POST", "/v1/gateway/explain"): DescribedEndpoint(
        summary="Where a request of any dialect, or for embeddings, would go and why; no model is asked.",
        answer="Explanation",
        request="ExplainRequest",
        reasons=_DECIDED,
        takes_hints=True,
        names_model=True,
    ),
    ("POST", "/v1/gateway/feedback"): DescribedEndpoint(
        summary="How good an answer was, for the operator's records.",
        answer="FeedbackTaken",
        request="FeedbackRequest",
        reasons=ANY_CALL | {Reason.RECORDS_OFF},
    ),
    ("DELETE", "/v1/gateway/sessions/{session_id}"): DescribedEndpoint(
        summary="Forget a conversation: the next request with its id begins a new one.",
        answer="SessionEnded",
        reasons=ANY_CALL | {Reason.LEDGER_UNAVAILABLE},
    ),
    ("GET", "/v1/gateway/handoffs/{ticket_id}"): DescribedEndpoint(
        summary="A request that waits for a person, and the person's answer.",
        answer="Handoff",
        reasons=ANY_CALL | {Reason.TICKET_UNKNOWN, Reason.HANDOFF_UNAVAILABLE},
    ),
}
"""By method and path, as the document has them."""
