"""What a serving process keeps whatever its policy says, and the pipeline that it makes of each policy."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from secrets import token_bytes
from typing import NamedTuple

from gateway.app.reload.policy_file import unset_variables
from gateway.backends.base import Backend, open_backend
from gateway.clock import Clock
from gateway.dispatch.breaker import Breakers
from gateway.dispatch.budget import Ledger
from gateway.dispatch.dispatcher import Dispatcher, ModelHealth
from gateway.errors import StartupError
from gateway.extras.cache.opener import CacheOpener
from gateway.extras.handoff.open import HandoffOpener
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.active_policy import ActivePolicy, Retire
from gateway.pipeline.assess import Elsewhere, PolicyAssessor
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.extras import Extras, as_it_is
from gateway.pipeline.loop_share import LoopShare
from gateway.pipeline.rate_limit import TenantRates
from gateway.pipeline.run import Pipeline
from gateway.pipeline.scoring_pool import ScoringPool
from gateway.pipeline.shadow import Shadow
from gateway.policy.entities import EntitySource, ModelEntities, PresidioEntities
from gateway.policy.model import ModelSpec, Policy
from gateway.privacy.entities.ask import EntityDetector, EntityLookup
from gateway.privacy.entities.model import ModelDetector
from gateway.privacy.entities.presidio import PresidioDetector, open_presidio
from gateway.privacy.summary_cache import SummaryCache
from gateway.server.admin.threads import in_operator_thread
from gateway.sessions.sessions import Sessions


def _api_key(name: str, spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    """Return the key that a model is called with; raises StartupError where a variable of it is not set."""
    for path, said in unset_variables(spec, environ):
        raise StartupError(f"models.{name}.{'.'.join(map(str, path))}: {said}")
    return None if spec.key_variable is None else environ[spec.key_variable].strip()


class _PolicyBackends:
    """The backends that come and go with policies; a model that two policies name alike is one backend."""

    def __init__(self, *, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._backends: dict[tuple[str, ModelSpec], Backend] = {}
        self._users: Counter[tuple[str, ModelSpec]] = Counter()

    def take(self, models: Mapping[str, ModelSpec]) -> Mapping[str, Backend]:
        """Return the backend of each model, as new or as it runs; all of them or, by StartupError, none."""
        keys = {name: _api_key(name, spec, self._environ) for name, spec in models.items()}
        taken = {}
        for name, spec in models.items():
            backend = self._backends.get((name, spec))
            taken[name] = backend or open_backend(name, spec, api_key=keys[name], clock=self._clock)
        for name, spec in models.items():
            self._backends[name, spec] = taken[name]
            self._users[name, spec] += 1
        return taken

    async def give_back(self, models: Mapping[str, ModelSpec]) -> None:
        """Close those that nobody has taken any more."""
        for each in models.items():
            self._users[each] -= 1
            if not self._users[each]:
                del self._users[each]
                await self._backends.pop(each).aclose()


class _Judges(NamedTuple):
    """What takes long to make of a policy, so that a new one is made ready in a thread."""

    assessor: Assessor
    presidio: Mapping[PresidioEntities, PresidioDetector]


class Stores(NamedTuple):
    """What is kept at the state URL for every policy."""

    ledger: Ledger
    sessions: Sessions
    caches: CacheOpener


class Runtime:
    """The engines, the ledger and what was learned of the models: it outlives every policy.

    `lasting` are the backends that no policy changes: those of the engines, and scripted ones.
    """

    def __init__(
        self,
        *,
        lasting: Mapping[str, Backend],
        stores: Stores,
        handoff: HandoffOpener,
        shadow: Policy | None,
        extras: Extras,
        has_tenants: bool,
        environ: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._handoff = handoff
        self._lasting = lasting
        self.ledger = stores.ledger
        self._clock = clock
        self.rates = TenantRates(clock)
        self._value_key = token_bytes(16)
        self.scoring = ScoringPool(clock, has_tenants=has_tenants, value_key=self._value_key)
        summaries = SummaryCache(has_tenants=has_tenants)
        self._elsewhere = Elsewhere(self.scoring, LoopShare(clock), summaries)
        self._sessions = stores.sessions
        self._caches = stores.caches
        self._extras = replace(
            extras,
            rates=self.rates,
            sessions=stores.sessions,
            shadow=None if shadow is None else self._shadow_of(shadow),
        )
        self._policy_backends = _PolicyBackends(environ=environ, clock=clock)
        self._health = ModelHealth.unknown(clock, has_tenants=has_tenants)
        self._budgets = SpendCache(stores.ledger, clock=clock)

    @property
    def breakers(self) -> Breakers:
        """The breakers of this process."""
        return self._health.breakers

    @property
    def budgets(self) -> SpendCache:
        """What is known of budgets."""
        return self._budgets

    @property
    def cache_bytes(self) -> int:
        """How much the answers that are kept take in the memory of this process."""
        return self._caches.size_bytes

    async def begin(self, policy: Policy) -> ActivePolicy:
        """Return the first policy, with its pipeline; raises StartupError."""
        pipeline, retire = self._pipeline(policy, self._judges(policy))
        await self._handoff.check()
        return ActivePolicy(pipeline, retire=retire)

    async def prepare(self, policy: Policy) -> tuple[Pipeline, Retire]:
        """Return the pipeline of another policy, and how to free it; a StartupError leaves all as it was.

        Requests go on meanwhile: patterns are compiled in a thread.
        """
        return self._pipeline(policy, await in_operator_thread(self._judges, policy))

    def _judges(self, policy: Policy) -> _Judges:
        return _Judges(
            assessor=Assessor(policy, clock=self._clock, value_key=self._value_key),
            presidio={
                source: open_presidio(source)
                for source in policy.privacy.entities
                if isinstance(source, PresidioEntities)
            },
        )

    def _pipeline(self, policy: Policy, judges: _Judges) -> tuple[Pipeline, Retire]:
        handoffs = self._handoff.service(policy.handoff)
        cache = self._caches.cache(policy)
        others = {name: spec for name, spec in policy.models.items() if name not in self._lasting}
        backends = {**self._lasting, **self._policy_backends.take(others)}
        dispatcher = Dispatcher(backends=backends, ledger=self.ledger, clock=self._clock, health=self._health)

        async def retire() -> None:
            if cache is not None:
                await cache.drain()
            await dispatcher.drained()
            await self._policy_backends.give_back(others)

        pipeline = Pipeline(
            policy=policy,
            assessor=PolicyAssessor(policy, judges.assessor, elsewhere=self._elsewhere),
            dispatcher=dispatcher,
            budgets=self._budgets,
            clock=self._clock,
            extras=replace(
                self._extras,
                entities=tuple(
                    self._entity_lookup(source, backends, judges) for source in policy.privacy.entities
                ),
                handoffs=handoffs,
                around_dispatch=as_it_is if cache is None else cache.around,
            ),
        )
        return pipeline, retire

    def _shadow_of(self, policy: Policy) -> Shadow:
        scorers = Assessor(policy, clock=self._clock, value_key=self._value_key)
        assessor = PolicyAssessor(policy, scorers, elsewhere=self._elsewhere)
        return Shadow(policy, assessor=assessor, clock=self._clock)

    async def aclose(self) -> None:
        """Close what this opened."""
        await self.scoring.aclose()
        await self._sessions.aclose()
        await self._caches.aclose()
        await self._handoff.aclose()

    def _entity_lookup(
        self, source: EntitySource, backends: Mapping[str, Backend], judges: _Judges
    ) -> EntityLookup:
        detector: EntityDetector = (
            ModelDetector(backends[source.model])
            if isinstance(source, ModelEntities)
            else judges.presidio[source]
        )
        return EntityLookup(detector, limit_s=source.limit_ms / 1000, clock=self._clock)

    def forget(self, before: Policy, after: Policy) -> None:
        """Drop what was learned of the names that mean another model now."""
        for name, spec in after.models.items():
            if name in before.models and before.models[name].identity != spec.identity:
                self._health.forget(name)
