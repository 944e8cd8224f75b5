"""What it costs to ask what is left of budgets, by the number of tenants that call within a second.

    python benchmarks/spend_cache.py [--calls 20000] [--json]

Tenants take turns on a clock that moves 10,000 calls a second, so that all of them stay in the cache. The
ledger answers immediately; CPU time of this process, the best of three rounds. Flat means: one tenant's
requests cost the same however many other tenants there are.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.ledger.accounts import Account
from gateway.ledger.spend_cache import SpendCache
from tests.support.fakes import FakeClock

TENANTS = (10, 100, 1_000, 10_000)
CALLS_PER_S = 10_000
ROUNDS = 3


class Ledger:
    """A ledger on which nothing is spent."""

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is spent on each account."""
        return [0] * len(accounts)


def account(tenant: int) -> Account:
    """Return the account of a tenant."""
    key = f"daily/{tenant}"
    return Account(key=key, budget="daily", limit_usd_nanos=1, begins_at_unix_s=0.0, resets_at_unix_s=86400.0)


async def cpu_s(tenants: int, calls: int) -> float:
    """Return the CPU seconds of one call, after each tenant has called once."""
    clock = FakeClock()
    cache = SpendCache(Ledger(), clock=clock)
    accounts = [(account(tenant),) for tenant in range(tenants)]
    for each in accounts:
        await cache.spent_and_limits(each)
    begin_s = time.process_time()
    for number in range(calls):
        clock.advance(1 / CALLS_PER_S)
        await cache.spent_and_limits(accounts[number % tenants])
    return (time.process_time() - begin_s) / calls


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000, help="calls in each round; default 20000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    microseconds = {
        tenants: 1e6 * min(asyncio.run(cpu_s(tenants, arguments.calls)) for _ in range(ROUNDS))
        for tenants in TENANTS
    }
    if arguments.json:
        print(json.dumps({"cpu_us_per_call": microseconds}))
        return
    table = Table("tenants", "CPU µs a call", "times 10 tenants")
    for tenants, each in microseconds.items():
        table.add_row(f"{tenants:,}", f"{each:.1f}", f"{each / microseconds[TENANTS[0]]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
