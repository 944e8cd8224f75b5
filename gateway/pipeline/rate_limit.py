"""How much each tenant asks of this process in a minute: the gate that turns away whoever asks more."""

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.errors import RateLimited
from gateway.policy.model import Policy
from gateway.telemetry.report import CallReport

MINUTE_S = 60.0
MOST_TENANTS = 10_000
"""Tenants that are remembered; beyond it those go that have their whole minute again, or the oldest."""


@dataclass(slots=True)
class _Bucket:
    """What a tenant may still take of one kind; it fills evenly, up to a minute's worth."""

    left: float
    at_s: float

    def fill(self, per_minute: int, now_s: float) -> None:
        self.left = min(per_minute, self.left + (now_s - self.at_s) * per_minute / MINUTE_S)
        self.at_s = now_s

    def wait_s(self, per_minute: int, needed: int) -> float:
        """Return the seconds until there is room; what is larger than a minute waits for all of it."""
        return max(0.0, min(needed, per_minute) - self.left) * MINUTE_S / per_minute


class TenantRates:
    """Counts requests and tokens of each tenant. A request is let in if a token is left for its prompt.

    What the answer takes is counted when it is over, and may go below nothing: the next one waits for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}

    def check(self, tenant: str, policy: Policy) -> None:
        """Raise RateLimited for a tenant whose next request would be turned away, however short.

        It takes nothing: whoever asks too much is told before its bytes are read.
        """
        self._check(tenant, 0, policy)

    def gate(self, tenant: str, prompt_tokens: int, policy: Policy) -> None:
        """Raise RateLimited, with the time to come back, for a tenant that has had its minute's worth."""
        self._check(tenant, prompt_tokens, policy)
        self._take(self._requests, tenant, 1)
        self._take(self._tokens, tenant, prompt_tokens)

    def _check(self, tenant: str, prompt_tokens: int, policy: Policy) -> None:
        rates = policy.limits.rates_of(tenant)
        waits = (
            self._fill(self._requests, tenant, rates.requests_per_minute, needed=1),
            self._fill(self._tokens, tenant, rates.tokens_per_minute, needed=prompt_tokens),
        )
        if wait_s := max(waits):
            what = "requests" if waits[0] == wait_s else "tokens"
            raise RateLimited(f"the tenant has had its {what} of this minute", retry_after_s=wait_s)

    def note(self, report: CallReport) -> None:
        """Count what an answer took beyond the estimate of its prompt."""
        decision, usages = report.decision, [each.usage for each in report.attempts if each.usage is not None]
        if decision is None or decision.routing_input is None or not usages:
            return
        used = sum(usage.prompt_tokens + usage.completion_tokens for usage in usages)
        self._take(self._tokens, report.tenant, used - decision.routing_input.prompt_tokens)

    def _fill(
        self, buckets: dict[str, _Bucket], tenant: str, per_minute: int | None, *, needed: int
    ) -> float:
        """Fill a tenant's bucket up to now, and return the seconds until it has what is needed."""
        if per_minute is None:
            buckets.pop(tenant, None)
            return 0.0
        now_s = self._clock.monotonic_s()
        bucket = buckets.get(tenant)
        if bucket is None:
            self._make_room(buckets)
            bucket = buckets[tenant] = _Bucket(left=per_minute, at_s=now_s)
        bucket.fill(per_minute, now_s)
        return bucket.wait_s(per_minute, needed)

    def _take(self, buckets: dict[str, _Bucket], tenant: str, amount: int) -> None:
        if (bucket := buckets.get(tenant)) is not None:
            bucket.left -= amount

    def _make_room(self, buckets: dict[str, _Bucket]) -> None:
        if len(buckets) >= MOST_TENANTS:
            idle_since_s = self._clock.monotonic_s() - MINUTE_S
            for tenant in [name for name, each in buckets.items() if each.at_s < idle_since_s]:
                del buckets[tenant]
        if len(buckets) >= MOST_TENANTS:
            del buckets[next(iter(buckets))]
