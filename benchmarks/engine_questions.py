"""Questions for our engine alone, for `benchmarks/engine.py`: overhead, prefix reuse, stalls."""

import asyncio
import random
import statistics
from time import perf_counter

from make_constructed_model import WORDS

from benchmarks.engine_contestants import Ours, Timing
from benchmarks.process_usage import cpu_s


def words(dice: random.Random, count: int) -> str:
    """Return a text of so many tokens."""
    return " " + " ".join(dice.choices(WORDS, k=count))


IDLE_S = 10.0
"""Seconds for which an engine is left alone: several of its heartbeats."""


async def idle_share(ours: Ours) -> float:
    """Return the processor time that an idle engine takes, as a share of one core."""
    await ours.status()
    before_s, start_s = cpu_s(ours.pid()), perf_counter()
    await asyncio.sleep(IDLE_S)
    return (cpu_s(ours.pid()) - before_s) / (perf_counter() - start_s)


async def step_overhead(ours: Ours, dice: random.Random, *, rounds: int) -> dict[str, float]:
    """Share of a step that is spent outside `llama_decode` while 8 slots answer."""
    shares = []
    for _ in range(rounds):
        before = await ours.status()
        await ours.run([words(dice, 8) for _ in range(8)], 128)
        after = await ours.status()
        steps_s = after.step_s - before.step_s
        shares.append(1 - (after.decode_s - before.decode_s) / steps_s)
    return {"median": statistics.median(shares), "least": min(shares), "most": max(shares)}


async def prefix_reuse(ours: Ours, dice: random.Random, *, rounds: int) -> dict[str, float]:
    """Time to the first token of a second request that shares 1,000 tokens, over the first one's."""
    shares, firsts, seconds = [], [], []
    for _ in range(rounds + 1):
        system = words(dice, 1000)
        first = await ours.one(f"{system} {words(dice, 8)}", 8)
        second = await ours.one(f"{system} {words(dice, 8)}", 8)
        firsts.append(first.first_s)
        seconds.append(second.first_s)
        shares.append(second.first_s / first.first_s)
    return {
        "median": statistics.median(shares),
        "most": max(shares),
        "first_ms": statistics.median(firsts) * 1000,
        "second_ms": statistics.median(seconds) * 1000,
    }


async def stream_stall(ours: Ours, dice: random.Random, *, rounds: int) -> dict[str, float]:
    """p99 gap between tokens of 8 streams while a 3,000-token prompt is read, over their quiet p99."""
    found = []
    arrival: dict[str, float] = {}
    for _ in range(rounds):
        start_s = perf_counter()
        streams = [asyncio.create_task(ours.one(words(dice, 8), 400)) for _ in range(8)]
        await asyncio.sleep(4.0)
        arrival = {"at_s": perf_counter() - start_s}
        long = await ours.one(words(dice, 3000), 2)
        arrival["until_s"] = perf_counter() - start_s
        for stream in streams:
            await stream
        timings = [await stream for stream in streams]
        quiet = gaps(timings, 0.0, arrival["at_s"])
        disturbed = gaps(timings, arrival["at_s"], arrival["at_s"] + long.first_s)
        found.append((p99(quiet), p99(disturbed), long.first_s))
    ratios = [b / a for a, b, _ in found]
    return {
        "median": statistics.median(ratios),
        "most": max(ratios),
        "quiet_p99_ms": statistics.median(a for a, _, _ in found) * 1000,
        "disturbed_p99_ms": statistics.median(b for _, b, _ in found) * 1000,
        "long_prompt_first_s": statistics.median(c for _, _, c in found),
    }


def gaps(timings: list[Timing], from_s: float, until_s: float) -> list[float]:
    """Return the times between pieces that came within a span."""
    return [
        b - a
        for t in timings
        for a, b in zip(t.at_s, t.at_s[1:], strict=False)
        if from_s <= a and b <= until_s
    ]


def p99(values: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(values, n=100)[98]
