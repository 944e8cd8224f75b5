"""The faults of a provider, unary and streamed: tries, seconds and verdict, beside LiteLLM's router.

    python -m benchmarks.faults [--litellm PYTHON] [--json FILE]

PYTHON is one that has LiteLLM installed; it need not be this one. The verdict is by the same rule for both: a
whole answer of one model (or none where none may be), within 5 s, without more requests than the table of the
tests allows. How soon exactly the gateway must be is tested there.
"""

import argparse
import asyncio
import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import structlog
from rich.console import Console
from rich.table import Table

from gateway.simulate.faults import parse_fault
from gateway.simulate.server import SimulatedCloud
from tests.support.fault_cases import CASES, PRICES, Case, Expected, play

LATE_S = 5.0
"""Each timeout is 0.6 s and one model is up, so nobody needs longer, however it waits between retries."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault in one mode through one gateway."""

    fault: str
    mode: str
    through: str
    strong_requests: int
    backup_requests: int
    seconds: float
    outcome: str
    verdict: str


def judge(expected: Expected, *, text: str, error: str, seconds: float, strong: int, backup: int) -> str:
    """Return "pass", or the first thing that is wrong."""
    if expected.model:
        if error:
            return "no answer"
        if not text.startswith(("This is strong,", "This is backup,")) or text.count("This is") != 1:
            return "two voices" if text.endswith(".") else "truncated"
        if not text.endswith("."):
            return "truncated"
    elif text and not error and text != "Sorry.":
        return "routed around"
    if seconds > LATE_S:
        return "late"
    for name, seen in (("strong", strong), ("backup", backup)):
        if seen > sum(model == name for model, _ in expected.attempts):
            return f"{seen} requests to {name}"
    return "pass"


async def through_gateway(case: Case, *, is_streamed: bool) -> Row:
    """Play a case through the whole gateway."""
    expected = case.streamed if is_streamed else case.unary
    with tempfile.TemporaryDirectory() as folder:
        seen, running, _ = await play(case, Path(folder), is_streamed=is_streamed)
    strong, backup = running.requests("strong"), running.requests("backup")
    answer = seen.completed
    verdict = judge(
        expected,
        text=answer.text if answer else "",
        error="" if seen.code is grpc.StatusCode.OK else seen.reason,
        seconds=seen.seconds,
        strong=strong,
        backup=backup,
    )
    if verdict == "pass" and seen.attempts != expected.attempts:
        verdict = "untrue list of tries"
    return Row(
        fault=case.name,
        mode="streamed" if is_streamed else "unary",
        through="gateway",
        strong_requests=strong,
        backup_requests=backup,
        seconds=round(seen.seconds, 3),
        outcome=(answer.model or "canned") if answer else f"{seen.code.name} {seen.reason}",
        verdict=verdict,
    )


class LiteLLM:
    """LiteLLM's router in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, cloud: SimulatedCloud) -> None:
        self._process = process
        self._cloud = cloud

    async def ask(self, *, is_streamed: bool) -> dict[str, object]:
        """Send one request."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps({"is_streamed": is_streamed}).encode() + b"\n")
        told: dict[str, object] = json.loads(await self._process.stdout.readline())
        return told

    async def play(self, case: Case, *, is_streamed: bool) -> Row:
        """Play a case."""
        expected = case.streamed if is_streamed else case.unary
        self._cloud.reset()
        for model, fault in case.faults:
            self._cloud.add_fault(model, parse_fault(fault))
        told = await self.ask(is_streamed=is_streamed)
        models = self._cloud.bill().models
        strong, backup = (models[name].requests if name in models else 0 for name in ("strong", "backup"))
        text, error, seconds = str(told["text"]), str(told["error"]), float(str(told["seconds"]))
        return Row(
            fault=case.name,
            mode="streamed" if is_streamed else "unary",
            through="litellm",
            strong_requests=strong,
            backup_requests=backup,
            seconds=round(seconds, 3),
            outcome=error or text[8:14].strip(",") or "empty",
            verdict=judge(expected, text=text, error=error, seconds=seconds, strong=strong, backup=backup),
        )


async def measure(litellm: str | None) -> list[Row]:
    """Play every case in both modes."""
    rows = []
    for case in CASES:
        for is_streamed in (False, True):
            rows.append(await through_gateway(case, is_streamed=is_streamed))
    if litellm is None:
        return rows
    async with SimulatedCloud(PRICES).serve() as cloud:
        process = await asyncio.create_subprocess_exec(
            litellm, str(Path(__file__).with_name("litellm_router.py")), cloud.base_url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            router = LiteLLM(process, cloud)
            await router.ask(is_streamed=False)  # The first call imports it.
            # What only this gateway's policy can ask for is no fault of LiteLLM's.
            for case in CASES:
                if not case.more:
                    for is_streamed in (False, True):
                        rows.append(await router.play(case, is_streamed=is_streamed))
        finally:
            process.kill()
            await process.wait()
    return rows


def main() -> None:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--litellm", metavar="PYTHON")
    parser.add_argument("--json", metavar="FILE", type=Path)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = asyncio.run(measure(arguments.litellm))
    table = Table("fault", "mode", "through", "strong", "backup", "seconds", "outcome", "verdict")
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    console = Console(width=140)
    console.print(table)
    for through in dict.fromkeys(row.through for row in rows):
        mine = [row for row in rows if row.through == through]
        passed = sum(row.verdict == "pass" for row in mine)
        console.print(f"{through}: {passed} of {len(mine)} pass")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
