"""Gives the answer to an identical request again, or lets requests in flight share one call."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import StrEnum
from functools import partial

import structlog

from gateway.clock import Clock
from gateway.domain.answer import Answer, Delta, StreamEvent
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.extras.cache.in_flight import InFlight, as_cached
from gateway.extras.cache.request_key import RequestKeys, flight_key, is_repeatable
from gateway.extras.cache.store import AnswerStore
from gateway.extras.cache.stored_answer import StoredAnswer, is_worth_keeping, read, written
from gateway.pipeline.buffered import deltas_of
from gateway.pipeline.context import CallContext
from gateway.pipeline.extras import Dispatch
from gateway.policy.caching import CachePolicy
from gateway.policy.model import Policy, privacy_class
from gateway.tasks import Tasks

PAUSE_S = 5.0
"""So long a store that did not answer is not asked again."""
_log = structlog.get_logger()


class LookUp(StrEnum):
    """What came of a request whose answer may be kept or shared."""

    HIT = "hit"
    MISS = "miss"
    JOINED = "joined"
    """It got the answer of a call in flight."""


OnLookUp = Callable[[LookUp], None]
"""Counts what came of a request."""


class AnswerCache:
    """The cache of one policy: its answers end with it."""

    def __init__(
        self,
        policy: Policy,
        section: CachePolicy,
        store: AnswerStore,
        *,
        models_hash: str,
        on_look_up: OnLookUp,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._section = section
        self._store = store
        self._models_hash = models_hash
        self._on_look_up = on_look_up
        self._clock = clock
        self._tasks = Tasks()
        self._in_flight = InFlight(tasks=self._tasks, clock=clock)
        self._known_keys: RequestKeys | None = None
        self._paused_until_s = 0.0

    def around(self, dispatch: Dispatch) -> Dispatch:
        """Return a dispatch that asks no model where the answer is known."""

        def answers(
            request: Request, decision: Decision, context: CallContext, delivery: Delivery
        ) -> AsyncGenerator[StreamEvent, None]:
            begin = partial(dispatch, request, decision, context, delivery)
            if not is_repeatable(request):
                return begin()
            return self._answers(request, decision, context, delivery, begin)

        return answers

    @property
    def in_flight(self) -> int:
        """How many calls may be joined."""
        return len(self._in_flight)

    async def drain(self) -> None:
        """Wait until what is to be kept is kept; before the store is closed."""
        await self._tasks.drain()

    async def _answers(
        self,
        request: Request,
        decision: Decision,
        context: CallContext,
        delivery: Delivery,
        begin: Callable[[], AsyncGenerator[StreamEvent, None]],
    ) -> AsyncGenerator[StreamEvent, None]:
        control, is_kept = context.cache_control, may_be_kept(decision.privacy_class, self._section)
        keys = await self._keys()
        key = None if keys is None else keys.of(request, decision)
        stored = await self._read(key) if key is not None and is_kept and control.may_read else None
        if stored is not None and stored.model in decision.chain:
            age_s = max(0.0, self._clock.unix_s() - stored.made_unix_s)
            if age_s <= min(control.max_age_s, self._section.ttl_s):
                self._on_look_up(LookUp.HIT)
                for event in _events(stored.answer(decision, age_s=age_s), delivery):
                    yield event
                return
        if key is not None and self._section.coalesce and control.may_read:
            flight = flight_key(key, request, decision, delivery)
            answering = self._in_flight.answers(flight, begin, decision, context)
        else:
            answering = begin()
        async with aclosing(answering) as events:
            async for event in events:
                if isinstance(event, Answer):
                    is_joined = event.cached_age_s is not None
                    self._on_look_up(LookUp.JOINED if is_joined else LookUp.MISS)
                    if key is not None and is_kept and control.may_keep and is_worth_keeping(event):
                        self._tasks.start("answer to the cache", self._keep(key, event))
                yield event

    async def _keys(self) -> RequestKeys | None:
        """Return what makes the keys; None while the store of their secret cannot be asked."""
        if self._known_keys is None and not self._is_paused:
            try:
                secret = await self._store.secret()
            except ConnectionError as error:
                self._pause(error)
                return None
            self._known_keys = RequestKeys(secret, self._policy, models_hash=self._models_hash)
        return self._known_keys

    async def _read(self, key: bytes) -> StoredAnswer | None:
        if self._is_paused:
            return None
        try:
            data = await self._store.get(key)
            return None if data is None else read(data)
        except ConnectionError as error:
            self._pause(error)
        except ValueError as error:
            _log.warning("cache.unreadable", why=str(error))
        return None

    async def _keep(self, key: bytes, answer: Answer) -> None:
        if self._is_paused:
            return
        try:
            data = written(answer, unix_s=self._clock.unix_s())
            await self._store.put(key, data, ttl_s=self._section.ttl_s)
        except ConnectionError as error:
            self._pause(error)

    @property
    def _is_paused(self) -> bool:
        return self._clock.monotonic_s() < self._paused_until_s

    def _pause(self, error: ConnectionError) -> None:
        self._paused_until_s = self._clock.monotonic_s() + PAUSE_S
        _log.error("cache.unavailable", why=str(error), asked_again_after_s=PAUSE_S)


def may_be_kept(class_: PrivacyClass, section: CachePolicy) -> bool:
    """Say whether answers to requests of a class are kept."""
    return class_ <= privacy_class(section.max_class)


def _events(answer: Answer, delivery: Delivery) -> list[StreamEvent]:
    """Return an answer as its caller takes it: a stream has each part as a piece before the whole."""
    pieces: list[Delta] = list(deltas_of(answer)) if delivery.is_streamed else []
    if pieces and answer.cached_age_s is not None:
        pieces[0] = as_cached(pieces[0], age_s=answer.cached_age_s)
    return [*pieces, answer]
