"""What a caller does about an error, by the gateway's reason; docs/reference/errors.md is made from it."""

from collections.abc import Mapping

from gateway.types import Reason

ADVICE: Mapping[Reason, str] = {
    Reason.CLEARANCE: "come back when the edge answers again, or ask without the private part",
    Reason.CONTEXT_LENGTH_EXCEEDED: "shorten the prompt or lower max_tokens: it fits no model",
    Reason.CAPABILITY: "change what the error names: a JSON schema or order of roles that no model takes",
    Reason.DEADLINE: "give it more time, or ask for fewer tokens",
    Reason.BUDGET_EXHAUSTED: "wait for the next window, or raise max_cost_usd if that was the limit",
    Reason.LEDGER_UNAVAILABLE: "try again in a minute: nothing may be spent until the ledger is back",
    Reason.BREAKER_OPEN: "wait as long as the error says: the model failed too often lately",
    Reason.RETRY_BUDGET: "slow down: too many requests are being tried again",
    Reason.RATE_LIMITED: "wait as long as the error says, and send fewer at once",
    Reason.QUEUE_FULL: "wait as long as the error says, or give a longer deadline",
    Reason.ENGINE_DOWN: "try again in some seconds: the engine is being started again",
    Reason.UPSTREAM_UNREACHABLE: "try again later: the gateway tried already",
    Reason.UPSTREAM_SILENT: "try again later: it may have been charged",
    Reason.UPSTREAM_ERROR: "try again later: the gateway tried already",
    Reason.UPSTREAM_PROTOCOL: "try again later; tell the operator if it stays",
    Reason.UPSTREAM_CREDENTIALS: "tell the operator: the provider refuses the gateway's key",
    Reason.CONTENT_FILTERED: "change what is asked: the provider's filter refuses it",
    Reason.STREAM_TRUNCATED: "drop the text so far, or ask again: that makes, and charges, a new answer",
    Reason.ALL_FAILED: "try again later: every model failed for a reason of its own",
    Reason.INVALID_REQUEST: "correct the field that the error names; sent again as it is, it fails again",
    Reason.INTERNAL: "report it with the request id: it is a defect of the gateway",
    Reason.UNAUTHENTICATED: "send a valid API key or client certificate",
    Reason.LOW_CONFIDENCE: "ask a stronger model or another way: the one that may answer is not sure",
    Reason.RECORDS_UNAVAILABLE: "try again in some seconds: it answers nothing that it cannot record",
    Reason.RECORDS_OFF: "tell the operator: only gateway serve --decisions FILE takes feedback",
    Reason.TICKET_UNKNOWN: "forget the ticket: it is not yours, or it has expired",
    Reason.HANDOFF_UNAVAILABLE: "try again in a minute: the queue of hand-offs is away",
}
"""Every reason that the contract has; a test holds it complete."""
