"""A cache around a bench of scripted models, and callers of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from gateway.clock import Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.answer import Answer, StreamEvent
from gateway.domain.cache_control import ANY_AGE, CacheControl
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.extras.cache.answer_cache import AnswerCache, LookUp
from gateway.extras.cache.memory import MemoryAnswers
from gateway.extras.cache.store import AnswerStore
from gateway.pipeline.context import CallContext
from gateway.policy.caching import CachePolicy
from tests.support.dispatch_doubles import Bench, a_decision, a_request
from tests.support.pipeline_calls import context_of

GREEDY = replace(a_request(), config=replace(a_request().config, temperature=0.0))
"""A request whose answer is the same whenever it is asked."""


class CachedBench:
    """The dispatcher of a bench with a cache around it."""

    def __init__(
        self, bench: Bench, section: CachePolicy | None = None, *, store: AnswerStore | None = None
    ) -> None:
        self.bench = bench
        self.looked_up: list[LookUp] = []
        section = section or CachePolicy()
        self.cache = AnswerCache(
            bench.policy,
            section,
            store or MemoryAnswers(max_bytes=section.max_mb * 1_000_000, clock=bench.clock),
            models_hash="",
            on_look_up=self.looked_up.append,
            clock=bench.clock,
        )
        self._dispatch = self.cache.around(self._uncached)

    def _uncached(
        self, request: Request, decision: Decision, context: CallContext, delivery: Delivery
    ) -> AsyncGenerator[StreamEvent, None]:
        return self.bench.dispatcher.stream(
            request,
            decision,
            policy=self.bench.policy,
            deadline=context.deadline,
            attempt_log=context.attempt_log,
            delivery=delivery,
        )

    def caller(self, *chain: str, **options: object) -> "CachedCaller":
        """Return a caller that has asked nothing yet."""
        return CachedCaller(self, chain, **options)  # type: ignore[arg-type]  # Those of its constructor.

    def events(
        self, request: Request, decision: Decision, context: CallContext, delivery: Delivery
    ) -> AsyncGenerator[StreamEvent, None]:
        """Have a request answered."""
        return self._dispatch(request, decision, context, delivery)


class CachedCaller:
    """One caller, and what it was told."""

    def __init__(
        self,
        bench: CachedBench,
        chain: Sequence[str],
        *,
        request: Request = GREEDY,
        timeout_s: float = 60.0,
        control: CacheControl = ANY_AGE,
        class_: PrivacyClass = PrivacyClass.PUBLIC,
        delivery: Delivery = Delivery.PIECES,
    ) -> None:
        clock = bench.bench.clock
        context = context_of(request, Deadline.after(timeout_s, clock), clock=clock)
        self.context = replace(context, cache_control=control)
        self.log: AttemptLog = self.context.attempt_log
        self.told: list[StreamEvent] = []
        decision = replace(a_decision(*chain), privacy_class=class_)
        self._begin = partial(bench.events, request, decision, self.context, delivery)

    async def answer(self) -> Answer:
        """Take all that comes, and return the answer."""
        async with aclosing(self._begin()) as events:
            async for event in events:
                self.told.append(event)
        assert isinstance(self.told[-1], Answer)
        return self.told[-1]

    def asking(self) -> "asyncio.Task[Answer]":
        """Take it beside others; cancel it to leave."""
        return asyncio.get_running_loop().create_task(self.answer())


class NotingStore:
    """A store that notes what it is asked, and can fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.kept: dict[bytes, bytes] = {}
        self.puts = self.gets = self.asked = 0

    async def secret(self) -> bytes:
        """Return the key of its hashes."""
        self._ask()
        return b"s" * 32

    async def get(self, key: bytes) -> bytes | None:
        """Return what was put."""
        self._ask()
        self.gets += 1
        return self.kept.get(key)

    async def put(self, key: bytes, answer: bytes, *, ttl_s: float) -> None:
        """Keep it for ever."""
        del ttl_s
        self._ask()
        self.puts += 1
        self.kept[key] = answer

    async def aclose(self) -> None:
        """Free nothing."""

    def _ask(self) -> None:
        self.asked += 1
        if self.fails:
            raise ConnectionError("Redis cannot be used (a test)")
