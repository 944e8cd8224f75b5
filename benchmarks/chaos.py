"""Random faults, kills of gateways, workers and engines, and Redis restarts, under load; then all is counted.

    python -m benchmarks.chaos [--seconds 600] [--seed 1] [--json FILE]

Three gateways share a ledger in Redis: one that nothing kills, whose memory is watched; one that is killed
as a whole; one of two workers, which are killed one by one. Engines of all three are killed. The exit status
is 0 if at the end no request was without an end in time; no truncated answer looked complete; the ledger was
never over a cap, is not below the provider's bill by a nano-dollar, nor above it by more than is unknown, and
holds nothing; every ticket of a hand-off is there; every gateway answers, with every slot, and has nothing in
flight; and memory is flat. Time in which this process is stopped makes nobody late.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from gateway.clock import SystemClock
from gateway.errors import LedgerUnavailable
from gateway.extras.handoff.encryption import KeyRing, new_key
from gateway.extras.handoff.queue import KEY_VARIABLE, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.ledger.accounts import Totals, accounts_for
from gateway.ledger.open import open_ledger
from gateway.policy.loading.load import load_policy
from gateway.policy.model import Policy
from gateway.simulate.faults import parse_fault
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.chaos_parts import HOME, Callers, Gateway
from tests.support.fault_cases import PRICES
from tests.support.redis_server import RedisServer, running_redis

POLICY = """
version: 1
models:
  edge: {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 32}}
  strong: {{kind: openai, model: strong, base_url: "{base_url}", clearance: internal, max_tokens: 64,
           price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  backup: {{kind: openai, model: backup, base_url: "{base_url}", clearance: internal, max_tokens: 64,
           price_per_million_usd: {{input: 0.50, output: 4.00}}}}
budgets:
  - {{name: all-spend, per: all, limit_usd: 1000, window: month}}
  - {{name: pinch, per: all, limit_usd: {pinch_usd}, window: minute}}
rules:
  - {{name: home, when: 'has(labels.home)', route: [edge]}}
  - {{name: default, route: [strong, backup, edge]}}
resilience:
  {{attempts: 3, backoff_s: {{first: 0.05, max: 1.5}}, first_token_s: 0.6, stall_s: 0.6, attempt_s: 0.6}}
replies: [{{id: sorry, text: "Sorry."}}]
handoff: {{queue: redis, max_waiting: 100000}}
"""
PINCH_USD = "0.01"
"""A cap that the load meets in most minutes."""
FAULTS = (
    "status=503,times=6", "status=500,times=2", "status=429,times=3", "status=429,retry_after_s=1,times=2",
    "reset,times=2", "silence,times=2", "slow=2,times=2", "cut=3,times=3", "stall=3,times=2",
    "garbage=3,times=3", "no-finish,times=2", "no-usage,times=2", "open-end,times=2",
    "context-too-long,times=1",
)  # fmt: skip
HARMS = {"fault": 16, "gateway killed": 1, "worker killed": 1, "engine killed": 0.5, "Redis restarted": 1}
ENGINE_BACK_S = 90.0
"""The longest wait before an engine is started again, and its loading."""
CALLERS = 8
SLOTS = 8
"""Of an engine, by default."""
GROWTH_KB = 24_000
GROWTH_FILES = 16
"""What the gateway that nothing kills may grow by after the first quarter."""


@dataclass
class Observed:
    """What was seen on the way."""

    harms: Counter[str] = field(default_factory=Counter)
    memory_kb: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    most_of_pinch: float = 0.0
    """The largest share of the small cap that was ever charged or reserved."""
    wrong: list[str] = field(default_factory=list)


async def disturb(
    cloud: SimulatedCloud,
    gateways: Sequence[Gateway],
    redis: RedisServer,
    rng: random.Random,
    until_s: float,
    wrong: list[str],
) -> Counter[str]:
    """Do one harm after the other, and start again what ended by itself, which is noted as wrong."""
    done: Counter[str] = Counter()
    _, killed, shared = gateways
    while time.monotonic() < until_s:
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        wrong += filter(None, [await gateway.mourned() for gateway in gateways])
        harm = rng.choices(list(HARMS), list(HARMS.values()))[0]
        done[harm] += 1
        match harm:
            case "fault":
                cloud.add_fault(rng.choice(["strong", "backup"]), parse_fault(rng.choice(FAULTS)))
            case "engine killed":
                rng.choice(gateways).kill_engine()
            case "worker killed":
                shared.kill_worker()
            case "gateway killed":
                await killed.kill()
                await killed.start()
            case _:
                redis.kill()
                await asyncio.sleep(rng.uniform(0.0, 1.0))
                redis.start()
    cloud.clear_faults()
    return done


async def watch(spared: Gateway, url: str, policy: Policy, observed: Observed, until_s: float) -> None:
    """Look at caps and memory again and again."""
    ledger, clock = open_ledger(url), SystemClock()
    while time.monotonic() < until_s:
        with suppress(FileNotFoundError):  # It ended by itself, which is noted elsewhere.
            observed.memory_kb.append(spared.resident_kb())
            observed.files.append(spared.open_files())
        accounts = accounts_for(
            policy.budgets, tenant="default", labels={}, model="strong", unix_s=clock.unix_s()
        )
        with suppress(LedgerUnavailable):  # Redis is being restarted: there is a next time.
            for account, charged in zip(accounts, await ledger.spent(accounts), strict=True):
                if account.budget == "pinch":
                    observed.most_of_pinch = max(observed.most_of_pinch, charged / account.limit_usd_nanos)
                if charged > account.limit_usd_nanos:
                    observed.wrong.append(f"{account.budget}: {charged} of {account.limit_usd_nanos}")
        await asyncio.sleep(0.5)
    await ledger.aclose()


class LateClock(SystemClock):
    """Four minutes on: every deadline has passed, and Redis does not take it for a wrong clock yet."""

    def unix_s(self) -> float:
        """Seconds since 1970, and four minutes."""
        return super().unix_s() + 240.0


async def run(seconds: float, seed: int) -> tuple[list[str], dict[str, object]]:
    """Return what is wrong after so many seconds of it, and what was seen."""
    rng, observed = random.Random(seed), Observed()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        redis = stack.enter_context(running_redis())
        cloud = await stack.enter_async_context(SimulatedCloud(PRICES).serve())
        path = folder / "policy.yaml"
        path.write_text(POLICY.format(base_url=cloud.base_url, pinch_usd=PINCH_USD))
        environ = {KEY_VARIABLE: new_key()}
        gateways = [
            Gateway(name, policy=path, state=redis.url, environ=environ, workers=workers)
            for name, workers in (("spared", 1), ("killed", 1), ("shared", 2))
        ]
        for gateway in gateways:
            stack.push_async_callback(gateway.kill)
            await gateway.start()
        callers = Callers(gateways, rng)
        until_s = time.monotonic() + seconds
        stack.callback(asyncio.create_task(callers.notice_stops()).cancel)
        calling = [asyncio.create_task(callers.run(until_s)) for _ in range(CALLERS)]
        watching = asyncio.create_task(watch(gateways[0], redis.url, load_policy(path), observed, until_s))
        observed.harms = await disturb(cloud, gateways, redis, rng, until_s, observed.wrong)
        await asyncio.gather(*calling, watching)
        wrong = [*callers.wrong, *observed.wrong, *flatness(observed), *await calm(gateways, callers)]
        wrong += await tickets(callers.tickets, gateways, redis.url, environ)
        wrong += [f"{each.name}: defect: {defect}" for each in gateways for defect in each.defects()]
        bill = cloud.bill().billed_usd_nanos
        ledger = open_ledger(redis.url, clock=LateClock())
        totals = await ledger.totals()
        await ledger.aclose()
    if observed.most_of_pinch < 0.9:
        wrong.append(
            f"the small cap was never met ({observed.most_of_pinch:.0%}): the run shows little of it"
        )
    return [*wrong, *books(bill, totals)], {
        "calls": dict(callers.counts),
        "harms": dict(observed.harms),
        "tickets": len(callers.tickets),
        "most of the small cap": f"{observed.most_of_pinch:.1%}",
        "memory of the spared gateway, kB, at each quarter": quarters(observed.memory_kb),
        "its open files": quarters(observed.files),
        "bill, nano-dollars": bill,
        "settled": totals.settled_usd_nanos,
        "unknown": totals.unknown_usd_nanos,
    }


def quarters(samples: Sequence[int]) -> list[int]:
    """Return the samples at a quarter, the half, three quarters and the end of the time."""
    return [samples[max(0, len(samples) * part // 4 - 1)] for part in (1, 2, 3, 4)] if samples else []


def flatness(observed: Observed) -> list[str]:
    """Return what grew after the first quarter."""
    wrong = []
    for what, samples, most in (
        ("memory, kB", observed.memory_kb, GROWTH_KB),
        ("open files", observed.files, GROWTH_FILES),
    ):
        looks = quarters(samples)
        if looks and looks[-1] - looks[0] > most:
            wrong.append(f"the spared gateway grew: {what}: {looks}")
    return wrong


def books(bill: int, totals: Totals) -> list[str]:
    """Compare the ledger with the bill: what is settled was billed, and what was billed is in the ledger."""
    wrong = []
    if totals.held_usd_nanos:
        wrong.append(f"{totals.held_usd_nanos} nano-dollars are held by nobody")
    if not totals.settled_usd_nanos <= bill <= totals.settled_usd_nanos + totals.unknown_usd_nanos:
        wrong.append(f"settled {totals.settled_usd_nanos}, bill {bill}, unknown {totals.unknown_usd_nanos}")
    return wrong


async def calm(gateways: Sequence[Gateway], callers: Callers) -> list[str]:
    """Return what is wrong when nobody harms any more: who does not answer, and what is still busy."""
    wrong = []
    await asyncio.sleep(21.0)  # The longest time that a breaker stays open, so that every model is back.
    for gateway in gateways:
        with suppress(TimeoutError):  # Then it does not answer, which is seen below.
            await gateway.until_serving("model.edge", patience_s=ENGINE_BACK_S)
    await asyncio.sleep(60.0 - SystemClock().unix_s() % 60.0)  # The small cap is whole again, and fits these.
    for gateway in gateways:
        async with grpc.aio.insecure_channel(gateway.target) as channel:
            stub = pb_grpc.GatewayServiceStub(channel)
            home = await asyncio.gather(*(callers.call(stub, {HOME: "yes"}) for _ in range(SLOTS)))
            away = [await callers.call(stub) for _ in range(40)]
        if set(home) != {"ROUTE_LOCAL"}:
            wrong.append(f"{gateway.name}, in calm weather, as many as it has slots: {dict(Counter(home))}")
        if set(away) != {"ROUTE_CLOUD"}:
            wrong.append(f"{gateway.name}, in calm weather: {dict(Counter(away))}")
    for gateway in gateways:
        wrong += await gateway.idle_problems()
    return wrong


async def tickets(ids: set[str], gateways: Sequence[Gateway], url: str, environ: dict[str, str]) -> list[str]:
    """Return what was lost of the requests that wait for people; one of them is answered and fetched."""
    wrong = [] if ids else ["no canned reply had a ticket: the run shows nothing of hand-off"]
    queue = open_queue(url, clock=SystemClock())
    taken = await Responder(queue, KeyRing.of(environ), by="chaos", clock=SystemClock()).take_next(lease_s=60)
    if taken is not None:
        await Responder(queue, KeyRing.of(environ), by="chaos", clock=SystemClock()).answer(
            taken[0].id, "Yes."
        )
    await queue.aclose()
    async with grpc.aio.insecure_channel(gateways[-1].target) as channel:
        stub = pb_grpc.GatewayServiceStub(channel)
        for ticket_id in ids:
            try:
                response = await stub.GetHandoff(pb.GetHandoffRequest(ticket_id=ticket_id), timeout=10.0)
            except grpc.aio.AioRpcError as error:
                wrong.append(f"a ticket is lost: {error.code().name}")
                continue
            if taken is not None and ticket_id == taken[0].id and response.answer.text != "Yes.":
                wrong.append("the answer of a person did not arrive")
    return wrong


def main() -> None:
    """Run, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was seen to this file")
    arguments = parser.parse_args()
    wrong, seen = asyncio.run(run(arguments.seconds, arguments.seed))
    for name, value in seen.items():
        print(f"{name}: {value}")
    for what, count in Counter(wrong).items():
        print(f"WRONG ({count}): {what}")
    print("nothing is wrong" if not wrong else f"{len(wrong)} things are wrong")
    if arguments.json:
        arguments.json.write_text(json.dumps({"seen": seen, "wrong": wrong}, indent=1) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
