"""Many requests at once against one cap, through the real dispatcher: in this process or as a program.

python -m tests.support.spender LEDGER_URL BILL_FILE REQUESTS SEED [faults]
"""

import asyncio
import logging
import os
import random
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import structlog

from gateway.backends.base import Call
from gateway.clock import Deadline, SystemClock
from gateway.dispatch.budget import Ledger
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.request import Request
from gateway.errors import BackendFailed, BackendReset
from gateway.ledger import file, redis
from gateway.ledger.money import cost_usd_nanos
from gateway.ledger.open import open_ledger
from gateway.policy.model import Budget, OpenAIModel, Price, Resilience
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.dispatch_doubles import a_decision, a_policy

CAP_USD_NANOS = 1_000_000_000
PATIENCE_S = 240.0
"""For a call and for an answer of Redis: a busy machine is no outcome that anybody asks about here."""
BUDGET = Budget(name="cap", per="all", limit_usd=Decimal(1), window="month")
MODEL = OpenAIModel(
    kind="openai",
    model="big",
    clearance="internal",
    max_tokens=1000,
    price_per_million_usd=Price(input=Decimal("2.5"), output=Decimal(10)),
)
"""A call is reserved at about a cent, so the cap is full when a hundred are under way."""


class Bills:
    """What a provider bills: one line a call, written before its answer leaves and there after a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, usd_nanos: int) -> None:
        """Bill one call."""
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{usd_nanos}\n".encode())
        os.close(file)

    def total(self) -> int:
        """Return the sum of the bill."""
        return sum(int(line) for line in self._path.read_text().splitlines()) if self._path.exists() else 0


@dataclass(frozen=True)
class Rush:
    """How many requests were answered, kept away by the budget, and failed otherwise."""

    answered: int
    refused: int
    failed: int

    def told(self) -> str:
        """Return it as a line."""
        return f"{self.answered} {self.refused} {self.failed}"

    @classmethod
    def read(cls, line: str) -> "Rush":
        """Return what a line tells."""
        return cls(*(int(word) for word in line.split()))


async def rush(ledger: Ledger, bills: Bills, *, requests: int, seed: int, faults: bool) -> Rush:
    """Send all requests at once, and wait until the ledger knows of their ends."""
    rng = random.Random(seed)

    def step(call: Call) -> Step:
        # Few enough that no breaker opens.
        kind = rng.choice(["answer"] * 18 + ["refused", "reset"]) if faults else "answer"
        if kind == "refused":
            return (Delay(rng.uniform(0, 0.05)), BackendFailed("cloud", "500"))
        usage = Usage(prompt_tokens=rng.randint(1, 60), completion_tokens=rng.randint(1, call.max_tokens))
        bills.add(cost_usd_nanos(MODEL, usage))
        if kind == "reset":
            return (Delay(rng.uniform(0, 0.05)), BackendReset("cloud", "reset"))
        return (Delay(rng.uniform(0, 0.05)), reply("fine", usage=usage))

    clock = SystemClock()
    policy = a_policy({"cloud": MODEL}, budgets=[BUDGET], resilience=Resilience(attempts=1))
    backend = ScriptedBackend("cloud", step, clock=clock)
    dispatcher = Dispatcher(backends={"cloud": backend}, ledger=ledger, clock=clock)

    async def ask(number: int) -> Reason | None:
        await asyncio.sleep(rng.uniform(0, 0.2))
        request = Request(
            request_id=f"r{number}", tenant="acme", messages=(Message(role=Role.USER, content="a question"),)
        )
        answer = await dispatcher.generate(
            request, a_decision("cloud"), policy=policy, deadline=Deadline.after(PATIENCE_S, clock)
        )
        return None if answer.degraded is None else answer.degraded.reason

    reasons = await asyncio.gather(*(ask(number) for number in range(requests)))
    await dispatcher.drained()
    answered, refused = reasons.count(None), reasons.count(Reason.BUDGET_EXHAUSTED)
    return Rush(answered=answered, refused=refused, failed=requests - answered - refused)


def tell(line: str) -> None:
    """Say a line to whoever started this program."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(url: str, bill: str, requests: str, seed: str, faults: str) -> None:
    """Say ready, wait for the word, spend, and tell the outcome."""
    # Standard output is for the test alone.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    redis.TIMEOUT_S = file.BUSY_TIMEOUT_S = PATIENCE_S  # type: ignore[misc]  # Final for everybody else.
    ledger = open_ledger(url)
    tell("ready")
    sys.stdin.readline()
    outcome = await rush(
        ledger, Bills(Path(bill)), requests=int(requests), seed=int(seed), faults=bool(faults)
    )
    tell(outcome.told())
    await ledger.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
