"""Hint for the caller by the reason of an error; docs/reference/errors.md is generated from it."""

from collections.abc import Mapping

from gateway.domain.decision import Reason

HINTS: Mapping[Reason, str] = {
    Reason.CLEARANCE: "try again when the local model answers, or leave the private data out",
    Reason.CONTEXT_LENGTH_EXCEEDED: "shorten the prompt or lower max_tokens: the request fits no model",
    Reason.CAPABILITY: "leave out what the error names, or change it: no model of the route can do it",
    Reason.DEADLINE: "set a longer deadline, or ask for fewer tokens",
    Reason.BUDGET_EXHAUSTED: "wait for the next window, or raise max_cost_usd if that was the limit",
    Reason.LEDGER_UNAVAILABLE: "try again in a minute: the ledger is unavailable, so nothing may be spent",
    Reason.BREAKER_OPEN: "wait as long as the error says: the model failed too often recently",
    Reason.RETRY_BUDGET: "send fewer requests: too many calls are retries",
    Reason.RATE_LIMITED: "wait as long as the error says, and send fewer requests",
    Reason.QUEUE_FULL: "wait as long as the error says, or set a longer deadline",
    Reason.ENGINE_DOWN: "try again in a few seconds: the engine restarts",
    Reason.UPSTREAM_UNREACHABLE: "try again later: the gateway has already retried",
    Reason.UPSTREAM_SILENT: "try again later: the failed call may have been charged",
    Reason.UPSTREAM_ERROR: "try again later: the gateway has already retried",
    Reason.UPSTREAM_PROTOCOL: "try again later; tell the operator if the error persists",
    Reason.UPSTREAM_CREDENTIALS: "tell the operator: the provider refuses the gateway's key",
    Reason.CONTENT_FILTERED: "change the prompt: the provider's content filter refuses it",
    Reason.STREAM_TRUNCATED: "discard the text so far; another request makes, and charges, a new answer",
    Reason.ALL_FAILED: "try again later: every model failed, for different reasons",
    Reason.INVALID_REQUEST: "correct the field that the error names; the same request fails again",
    Reason.INTERNAL: "report it with the request id: it is a defect of the gateway",
    Reason.UNAUTHENTICATED: "send a valid API key or client certificate",
    Reason.LOW_CONFIDENCE: "rephrase the prompt or allow a stronger model: the confidence is too low",
    Reason.RECORDS_UNAVAILABLE: "try again in a few seconds: a request that cannot be recorded is refused",
    Reason.RECORDS_OFF: "tell the operator: only gateway serve --decisions FILE takes feedback",
    Reason.NOT_IN_ROUTE: "leave model unset, or have the operator add the model to the rule that holds",
    Reason.MODEL_NOT_ALLOWED: "name a model that the key may use, or have the operator allow it in keys",
    Reason.TICKET_UNKNOWN: "discard the ticket: it is another tenant's, or it has expired",
    Reason.HANDOFF_UNAVAILABLE: "try again in a minute: the hand-off queue is unavailable",
}
"""Has every reason of the contract, which a test checks."""
