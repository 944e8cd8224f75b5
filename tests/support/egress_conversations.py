"""Conversations for the proof that nothing leaves: what a turn bars a model from, all later ones do.

The machine knows which turns are of one conversation; the gateway has to find out, by ids or by its own
answers. Two processes of it take turns at one store; each may end and begin again between two turns.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Literal

from gateway.backends.base import Call
from gateway.backends.permit import permitted
from gateway.clock import Deadline
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer, Chunk
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.strings import strings_of
from gateway.errors import BackendUnreachable, SessionsUnavailable
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.extras import Extras
from gateway.pipeline.run import Pipeline
from gateway.policy.loading.load import parse_policy
from gateway.sessions.sessions import Sessions
from gateway.sessions.sqlite import SqliteSessions, open_file
from gateway.sessions.store import StoredSession
from gateway.testing.scripted import ScriptedBackend, Step, reply
from tests.support.fakes import FakeClock
from tests.support.pipeline_calls import context_of, incoming_of

POLICY = parse_policy(
    """\
version: 1
models:
  cloud:   {kind: openai, model: a, clearance: public, price_per_million_usd: {input: 1, output: 1}}
  masking: {kind: openai, model: b, clearance: public, price_per_million_usd: {input: 1, output: 1},
            mask: [EMAIL]}
  edge:    {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
rules: [{name: all, route: [cloud, masking, edge], context: {trim: oldest, above_tokens: 1000}}]
resilience: {attempts: 1}
replies: [{id: sorry, text: x}]
""",
    name="p",
)
IN_MEMORY = next(iter(glob("/dev/shm")), None)
"""Where a file needs no disk."""
CLIENTS = 3
WORKERS = 2
Said = Literal["nothing", "an address", "a card"]
PRIVATE_SAID: tuple[Said, ...] = ("an address", "a card")
PRIVATE: dict[Said, str] = {
    "nothing": "",
    "an address": "write to zorbelnut@example.org",
    "a card": "my card is 4111 1111 1111 1111",
}
"""A mask takes the address; nothing takes the card."""
BARS: dict[Said, set[str]] = {"nothing": set(), "an address": {"cloud"}, "a card": {"cloud", "masking"}}
NEVER_SENT = ("zorbelnut", "4111")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of one of several conversations."""

    of: int
    worker: int = 0
    says: Said = "nothing"
    sends_id: bool = False
    keeps: int = 99
    """How many messages of the end the client still sends; without an id at least one of our answers."""
    edits: bool = False
    """Whether the client puts other words for the private ones of its past."""
    quotes: int | None = None
    """Whose last answer the client puts into its history: the conversations are one from then on."""
    fails: bool = False
    restarts: bool = False
    is_lost: bool = False
    """Whether the store cannot be read."""
    overtaken_by: Said | None = None
    """What another turn of the conversation says that begins later and ends sooner."""


@dataclass
class Client:
    """A conversation, and the models that its earlier turns might not go to."""

    session_id: str
    past: list[Message] = field(default_factory=list)
    barred: set[str] = field(default_factory=set)


class LostStore(SqliteSessions):
    """Cannot be read while it `is_lost`."""

    is_lost = False

    async def find(self, keys: Sequence[bytes]) -> Sequence[StoredSession]:
        """Look up, or fail."""
        if self.is_lost:
            raise SessionsUnavailable("lost")
        return await super().find(keys)


class Wire(ScriptedBackend):
    """A model; what it is sent is taken down, of a cloud model only what its permit is for."""

    def __init__(self, name: str, bench: "ConversationBench") -> None:
        super().__init__(name, bench.next_step)
        self._bench = bench

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Take down, then answer."""
        spec = POLICY.models[self.name]
        if spec.leaves_host:
            permit = permitted(call, model=self.name, clearance=PrivacyClass[spec.clearance.upper()])
            text = "\n".join(string.text for string in strings_of(permit.request))
            self._bench.wire.append((self.name, text))
        async with aclosing(super().stream(call)) as chunks:
            async for chunk in chunks:
                yield chunk


class ConversationBench:
    """Two processes of a gateway over one store, and three clients."""

    def __init__(self, path: Path) -> None:
        self.wire: list[tuple[str, str]] = []
        self.leaks: list[str] = []
        self.counts: Counter[str] = Counter()
        self._path, self._clock = path, FakeClock()
        self._fails = False
        self._answers = 0
        self._stores = [self._opened() for _ in range(WORKERS)]
        self._sessions = [self._begun(store) for store in self._stores]
        self._clients = [Client(f"s{number}") for number in range(CLIENTS)]

    def _opened(self) -> LostStore:
        return LostStore(open_file(self._path), clock=self._clock)

    def _begun(self, store: LostStore) -> Sessions:
        return Sessions(store, restricts_when_lost=True, clock=self._clock)

    def next_step(self, call: Call) -> Step:
        """Return an answer that no other conversation has, or a failure."""
        del call
        self._answers += 1
        if self._fails:
            return BackendUnreachable("model", "down")
        return reply(f"This is answer number {self._answers}, and no other one is like it.")

    async def play(self, turn: Turn) -> None:
        """Play a turn, then look at what was sent."""
        if turn.restarts:
            await self._stores[turn.worker].aclose()
            self._stores[turn.worker] = self._opened()
            self._sessions[turn.worker] = self._begun(self._stores[turn.worker])
        client = self._clients[turn.of]
        if turn.quotes is not None and turn.quotes != turn.of:
            other = self._clients[turn.quotes]
            quoted = [each for each in other.past if each.role is Role.ASSISTANT][-1:]
            client.past[-1:-1] = quoted
            if quoted and turn.keeps > 1 and not turn.is_lost:
                client.barred |= other.barred
        self._fails = turn.fails
        self._stores[turn.worker].is_lost = turn.is_lost
        self.wire.clear()
        await self._ask(client, turn)
        self._stores[turn.worker].is_lost = False

    async def _ask(self, client: Client, turn: Turn) -> None:
        question = Message(role=Role.USER, content=f"Now what? {PRIVATE[turn.says]}")
        history = self._kept(client, turn)
        has_answer = any(each.role is Role.ASSISTANT for each in history)
        request = Request(
            request_id="r",
            tenant="acme",
            session_id=client.session_id if turn.sends_id or not has_answer else "",
            messages=(*history, question),
        )
        barred = set(client.barred)
        pipeline = self._pipeline(turn.worker)
        context = context_of(request, Deadline.after(60.0, self._clock), clock=self._clock)
        async with aclosing(pipeline.stream(incoming_of(request), context)) as events:
            async for event in events:
                if isinstance(event, Decision):
                    if turn.overtaken_by is not None:
                        await self._overtake(client, turn, turn.overtaken_by)
                        self.wire.clear()
                    self._note(event, client, barred, turn)
                elif isinstance(event, Answer):
                    client.past.append(question)
                    if event.degraded is None:
                        client.past.append(event.message)
        self._look(barred, turn)

    async def _overtake(self, client: Client, turn: Turn, says: Said) -> None:
        past = list(client.past)
        faster = Turn(of=turn.of, worker=1 - turn.worker, says=says, sends_id=True)
        await self._ask(client, faster)
        client.past = past

    def _kept(self, client: Client, turn: Turn) -> list[Message]:
        history = client.past[-turn.keeps :] if turn.keeps else []
        if not turn.edits:
            return history
        return [
            Message(role=Role.USER, content="What was it?") if each.role is Role.USER else each
            for each in history
        ]

    def _note(self, decision: Decision, client: Client, before: set[str], turn: Turn) -> None:
        """Take down who is barred from now on; `before`: those that were when the turn began."""
        barred = {each.model for each in decision.refused if each.reason is Reason.CLEARANCE}
        if turn.is_lost:  # It was restricted by mishap: what it says itself still bars.
            barred &= BARS[turn.says]
        if back := before & set(decision.chain):
            self.leaks.append(f"chain: {', '.join(sorted(back))} may answer again")
        client.barred |= barred
        self.counts["turns"] += 1
        self.counts["turns of a class from before"] += decision.privacy_reason == "session"
        self.counts["turns that are shortened"] += bool(decision.trimmed)

    def _look(self, barred: set[str], turn: Turn) -> None:
        for model, text in self.wire:
            self.counts[f"calls of {model}"] += 1
            if model in barred:
                self.leaks.append(f"provider {model}: sent a turn that is barred from it")
            if found := [word for word in NEVER_SENT if word in text]:
                self.leaks.append(f"provider {model}: {len(found)} private values ({turn.says})")

    def _pipeline(self, worker: int) -> Pipeline:
        ledger = MemoryLedger(clock=self._clock)
        backends = {name: Wire(name, self) for name in POLICY.models}
        return Pipeline(
            policy=POLICY,
            assessor=PolicyAssessor(POLICY, Assessor(POLICY, clock=self._clock)),
            dispatcher=Dispatcher(backends=backends, ledger=ledger, clock=self._clock),
            budgets=SpendCache(ledger, clock=self._clock),
            clock=self._clock,
            extras=Extras(sessions=self._sessions[worker]),
        )

    async def aclose(self) -> None:
        """Close the stores."""
        for store in self._stores:
            await store.aclose()


def directed() -> Iterator[Sequence[Turn]]:
    """Yield a conversation for each way in which a private turn may be forgotten."""
    for says in PRIVATE_SAID:
        for sends_id in (True, False):
            first = Turn(of=0, says=says, sends_id=True)
            yield first, Turn(of=0, sends_id=sends_id, edits=True)
            yield first, Turn(of=0, sends_id=sends_id, keeps=1)
            yield first, Turn(of=0, sends_id=sends_id, edits=True, worker=1)
            yield first, Turn(of=0, sends_id=sends_id, edits=True, restarts=True)
            yield first, *[Turn(of=0, sends_id=sends_id, keeps=1, edits=True)] * 3
        yield Turn(of=0, says=says, sends_id=True, fails=True), Turn(of=0, sends_id=True, keeps=0)
        yield first, Turn(of=0, sends_id=True, keeps=0, is_lost=True), Turn(of=0, sends_id=True, keeps=0)
        yield Turn(of=0, sends_id=True), first, Turn(of=0, edits=True, worker=1), Turn(of=0, keeps=1)
        quoting = Turn(of=0, sends_id=True, quotes=1, edits=True)
        yield Turn(of=0, sends_id=True), Turn(of=1, says=says, sends_id=True), quoting
        yield (
            Turn(of=0, sends_id=True),
            Turn(of=0, sends_id=True, overtaken_by=says),
            Turn(of=0, sends_id=True, keeps=0),
        )


def long_one() -> Sequence[Turn]:
    """Return a conversation that is shortened in the end."""
    return Turn(of=0, says="an address", sends_id=True), *[Turn(of=0, keeps=999)] * 80


def drawn(seed: int, count: int) -> Iterator[Sequence[Turn]]:
    """Yield `count` sets of conversations, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        yield [
            Turn(
                of=rng.randrange(CLIENTS),
                worker=rng.randrange(WORKERS),
                says=rng.choice(PRIVATE_SAID) if rng.random() < 0.3 else "nothing",
                sends_id=rng.random() < 0.5,
                keeps=rng.choice((0, 1, 2, 3, 99)),
                edits=rng.random() < 0.7,
                quotes=rng.randrange(CLIENTS) if rng.random() < 0.1 else None,
                fails=rng.random() < 0.2,
                restarts=rng.random() < 0.2,
                is_lost=rng.random() < 0.1,
                overtaken_by=rng.choice(PRIVATE_SAID) if rng.random() < 0.2 else None,
            )
            for _ in range(rng.randint(2, 8))
        ]


def play(conversations: Iterable[Sequence[Turn]]) -> tuple[Counter[str], list[str]]:
    """Play conversations, each set on a store of its own; return what happened how often, and every leak."""
    return asyncio.run(_play(conversations))


async def _play(conversations: Iterable[Sequence[Turn]]) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    leaks: list[str] = []
    for turns in conversations:
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            bench = ConversationBench(Path(folder) / "sessions")
            for turn in turns:
                await bench.play(turn)
            await bench.aclose()
        counts += bench.counts
        leaks += bench.leaks
    return counts, leaks
