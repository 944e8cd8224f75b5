"""What a gateway may have besides a policy, a ledger and a port, and what it does with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from gateway.app.observability import Observability
from gateway.app.reload.controller import ReloadSource
from gateway.app.workers.engine_registry import EngineRegistry
from gateway.backends.base import Backend
from gateway.clock import Clock
from gateway.domain.address import Address
from gateway.domain.mirrored import MirrorResult
from gateway.extras.cache.answer_cache import LookUp
from gateway.extras.mirror.mirror import Begin, Mirror, OnResult
from gateway.pipeline.extras import Extras
from gateway.policy.model import Policy
from gateway.records.writer import Records
from gateway.telemetry.report import Observer

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalParts:
    """What a gateway may have besides a policy, a ledger and a port."""

    replaced: Mapping[str, Backend] = field(default_factory=dict)
    """Backends, scripted ones for example, in the place of models of the policy."""
    engines: EngineRegistry | None = None
    """The engines of a parent, which shares them among its workers; None: this process has its own."""
    records: Records | None = None
    """Closed at the end."""
    shadow: Policy | None = None
    """Decides beside the policy, and does nothing."""
    observability: Observability | None = None
    reload: ReloadSource | None = None
    """What may change the policy; None: nothing does."""
    http: Address | None = None
    """Where calls over HTTP are taken; None: nowhere."""
    observers: tuple[Observer, ...] = ()
    """Are told of each call that is over."""

    @property
    def shares_port(self) -> bool:
        """Whether other workers of its parent listen on the same address."""
        return self.engines is not None

    def all_observers(self) -> Iterator[Observer]:
        """Yield who is told of each call, records and telemetry among them."""
        yield from self.observers
        if self.records is not None:
            yield self.records.note
        if self.observability is not None:
            yield from self.observability.observers

    def on_cache_look_up(self, look_up: LookUp) -> None:
        """Count what the cache made of a request."""
        if self.observability is not None:
            self.observability.measures.record_cache_look_up(look_up)

    def extras(self, mirror: Mirror | None) -> Extras:
        """Return what the records add to the pipeline."""
        if self.records is None:
            return Extras()
        return Extras(
            gates=(self.records.gate,),
            mirror=mirror,
            take_feedback=self.records.take_feedback,
            note_session_end=self.records.note_session_end,
        )

    def mirror(self, begin: Begin, policy: Policy, *, clock: Clock) -> Mirror | None:
        """Return what has requests answered a second time; None where nothing keeps what comes of it."""
        if self.records is None:
            if policy.mirror is not None:
                _log.warning(
                    "mirror.off", why="nothing keeps what comes of it: gateway serve --decisions FILE"
                )
            return None
        return Mirror(begin, on_result=_told(self.records, self.observability), clock=clock)


NO_PARTS = OptionalParts()


def _told(records: Records, observability: Observability | None) -> OnResult:
    """Return what puts a second answer into the records, and counts it."""

    def tell(result: MirrorResult, policy: Policy) -> None:
        records.take_mirrored(result, policy)
        if observability is not None:
            observability.measures.record_mirrored(result)

    return tell
