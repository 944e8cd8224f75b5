"""What every transport tells of an error: which fields are to blame, and whether another try may help."""

from gateway.domain.decision import Reason
from gateway.errors import BackendQuotaUsedUp, GatewayError, NotCapable, NotDegraded

RETRY_LATER = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"})
_FIELDS = {Reason.CONTEXT_LENGTH_EXCEEDED: "messages", Reason.CAPABILITY: "config.json_schema"}
"""Which field is to blame where no model took a request; for a provider's 400 nobody knows."""


def causes_of(error: GatewayError) -> tuple[GatewayError, ...]:
    """Return what models said, or the error itself."""
    return error.causes if isinstance(error, NotDegraded) else (error,)


def is_worth_retrying(error: GatewayError) -> bool:
    """Say whether the same request may succeed later."""
    return error.code in RETRY_LATER and not any(
        isinstance(cause, BackendQuotaUsedUp) for cause in causes_of(error)
    )


def blamed_fields(error: GatewayError) -> list[str]:
    """Return the fields that no model took: those that models named, else what the reason says."""
    named = {cause.field for cause in causes_of(error) if isinstance(cause, NotCapable)}
    if isinstance(error, NotDegraded):
        named |= error.fields
    return sorted(named) or [_FIELDS.get(error.reason, "request")]
