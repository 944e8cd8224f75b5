"""How much a gateway process takes on at once, and how much of it one tenant may have."""

from pydantic import Field

from gateway.policy.strict import Strict


class Limits(Strict):
    """Bounds on what is answered at once; whoever comes above them waits in a bounded queue, or is refused.

    Each process counts for itself.
    """

    concurrency: int = Field(
        1000, ge=1, le=1_000_000, description="Requests that are answered at once by one gateway process."
    )
    tenant_concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="How many of them may be one tenant's. Default: as concurrency.",
    )
    queue: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for their turn, at the gateway and at each model with a "
        "concurrency; tenants take turns, and of a full queue the tenant that fills it is refused.",
    )
