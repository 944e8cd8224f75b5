"""How much a gateway process answers concurrently, and the share of one tenant: the section `limits`."""

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from gateway.policy.spec import Name
from gateway.policy.strict import Strict


class Rates(Strict):
    """Rate limits of a tenant: token buckets that refill evenly and hold one minute."""

    requests_per_minute: int | None = Field(
        None, ge=1, le=100_000_000, description="Requests of a tenant in a minute. Default: no bound."
    )
    tokens_per_minute: int | None = Field(
        None,
        ge=1,
        le=100_000_000_000,
        description="Tokens of a tenant in a minute, of prompts and answers. Default: no bound.",
    )


class RatesOfTenant(Rates):
    """The rates of one tenant."""

    tenant: Name = Field(description="The tenant's name.")


class Limits(Rates):
    """Bounds on concurrent requests; a request above them waits in a bounded queue, or is refused.

    A request above a rate per minute is refused immediately, with the time to wait. Limits are per process.
    """

    concurrency: int = Field(
        1000, ge=1, le=1_000_000, description="Requests that one gateway process answers concurrently."
    )
    tenant_concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="How many of them may be one tenant's. Default: all but a tenth of concurrency, and all "
        "where every caller is the same tenant, since authentication is off.",
    )
    queue: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for their turn, at the gateway and at each model with a "
        "concurrency; tenants take turns, and of a full queue the tenant that fills it is refused.",
    )
    tenants: tuple[RatesOfTenant, ...] = Field(
        (), strict=False, description="Tenants with their own rates, which replace those for everybody."
    )

    @field_validator("tenants")
    @classmethod
    def _once_each(cls, tenants: tuple[RatesOfTenant, ...]) -> tuple[RatesOfTenant, ...]:
        if len({each.tenant for each in tenants}) < len(tenants):
            raise PydanticCustomError("duplicate", "a tenant appears twice")
        return tenants

    def tenant_share(self, *, has_tenants: bool) -> int:
        """Return how many requests of one tenant are answered concurrently.

        `has_tenants` is False if authentication is off, so that every caller is the same tenant.
        """
        if self.tenant_concurrency is not None:
            return self.tenant_concurrency
        return max(1, self.concurrency * 9 // 10) if has_tenants else self.concurrency

    def rates_of(self, tenant: str) -> Rates:
        """Return the rates of a tenant."""
        return next((each for each in self.tenants if each.tenant == tenant), self)
