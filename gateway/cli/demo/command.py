"""`gateway demo`: runs the whole gateway with real processes, and prints every route in a table."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.cli.demo.cases import CASES, HARD, DemoCase, DemoResult, attempt_words
from gateway.cli.demo.stage import (
    CALL_TIMEOUT_S,
    MAX_TOKENS,
    Stage,
    running_process,
    running_stage,
    state_url,
)
from gateway.cli.demo.table import accounts_table, answers, demo_console, next_steps, results, summary
from gateway.cli.exits import CommandFailed
from gateway.cli.terminal import program
from gateway.client.channel import GatewayClient
from gateway.client.prompt import prompt
from gateway.clock import Clock, SystemClock
from gateway.domain.optional import is_installed, require
from gateway.ledger.accounts import Totals
from gateway.ledger.open import open_ledger
from gateway.simulate.billing import Bill
from gateway.v1 import gateway_pb2 as pb


def demo(
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also send one hard prompt to the real OpenAI API; needs OPENAI_API_KEY."
        ),
    ] = False,
) -> None:
    """Show every route once, with real processes, without an account or a download.

    Starts a gateway, an engine process with the embedded model and a simulated provider, makes them fail one
    after the other, and compares the provider's bill with the gateway's ledger at the end.

    Exit status: 0 if every row is as expected and the accounts agree, else 1.

    Example: gateway demo
    """
    require("edge", because="the demo has a llama_cpp model")
    if live and not os.environ.get("OPENAI_API_KEY"):
        raise CommandFailed("--live: the variable OPENAI_API_KEY is not set")
    console = demo_console()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        problems = asyncio.run(_run(Path(folder), console))
        if live:
            problems = [*problems, *asyncio.run(_run_live(Path(folder), console))]
    for problem in problems:
        console.print(f"not as expected: {problem}", style="red", markup=False)
    if problems:
        raise CommandFailed(f"not as expected: {len(problems)} of the facts above")
    console.print("", next_steps(program()), sep="\n")


async def _run(folder: Path, console: Console) -> Sequence[str]:
    console.print("Starting a gateway, its engine and a simulated cloud provider ...")
    cases = [case for case in CASES if not case.is_by_sdk or is_installed("openai")]
    if len(cases) < len(CASES):
        console.print("Without the row through the openai SDK, which is not installed: pip install openai")
    async with running_stage(folder) as stage:
        rows = []
        with console.status("") as status:
            for number, case in enumerate(cases, start=1):
                status.update(f"{number} of {len(cases)}: {case.title}")
                result = await _play(stage, case)
                rows.append((case, result, case.expected.problems(result)))
        bill = stage.cloud.bill()
    exit_status = stage.gateway.exit_status
    totals = await _totals(folder)
    console.print(
        results(rows, width=console.width),
        answers(rows, width=console.width),
        "",
        accounts_table(bill, totals),
        "",
        summary(rows, bill, totals, engine_kills=stage.engine_kills, exit_status=exit_status),
    )
    return [
        *(f"{case.title}: {problem}" for case, _, problems in rows for problem in problems),
        *_account_problems(bill, totals),
        *([f"the gateway ended with status {exit_status}"] if exit_status != 0 else []),
    ]


async def _play(stage: Stage, case: DemoCase) -> DemoResult:
    stage.cloud.clear_faults()
    await case.prepare(stage)
    bytes_before = stage.cloud.bill().bytes_received
    play = _ask_by_sdk if case.is_by_sdk else _ask
    deltas, response, duration_s = await play(stage, case, SystemClock())
    provider_bytes = stage.cloud.bill().bytes_received - bytes_before
    return DemoResult(
        response=response, deltas=deltas, provider_bytes=provider_bytes, duration_ms=duration_s * 1000
    )


_Played = tuple[int, pb.GenerateResponse, float]
"""The number of pieces of a streamed answer, 0 for another one; the answer; the seconds that it took."""


async def _ask(stage: Stage, case: DemoCase, clock: Clock) -> _Played:
    request = prompt(case.text, max_tokens=MAX_TOKENS)
    async with stage.client(case.tenant) as client:
        started_s = clock.monotonic_s()
        deltas, response = 0, pb.GenerateResponse()
        if case.expected.is_streamed:
            async for event in client.stream(request, timeout_s=CALL_TIMEOUT_S):
                deltas += event.HasField("delta")
                response = event.completed if event.HasField("completed") else response
        else:
            response = await client.generate(request, timeout_s=CALL_TIMEOUT_S)
        return deltas, response, clock.monotonic_s() - started_s


async def _ask_by_sdk(stage: Stage, case: DemoCase, clock: Clock) -> _Played:
    from gateway.cli.demo.openai_sdk import ask_by_sdk, sdk_client  # It has to be installed.

    async with sdk_client(stage.gateway.http_url, tenant=case.tenant, timeout_s=CALL_TIMEOUT_S) as client:
        started_s = clock.monotonic_s()
        response = await ask_by_sdk(client, case.text, max_tokens=MAX_TOKENS)
        return 0, response, clock.monotonic_s() - started_s


async def _run_live(folder: Path, console: Console) -> Sequence[str]:
    console.print("Live: one hard prompt to the real API ...")
    path = Path(str(files("gateway.cli.demo").joinpath("live.yaml")))
    async with (
        running_process(path, state_url="memory:") as gateway,
        GatewayClient(gateway.target) as client,
    ):
        response = await client.generate(prompt(HARD), timeout_s=CALL_TIMEOUT_S)
    console.print(f"{', '.join(attempt_words(response))}; {response.cost_usd:.6f} USD", markup=False)
    console.print(response.text, markup=False)
    if response.route == pb.ROUTE_CLOUD:
        return []
    return [f"live: expected ROUTE_CLOUD, got {pb.Route.Name(response.route)}"]


async def _totals(folder: Path) -> Totals:
    ledger = open_ledger(state_url(folder))
    try:
        return await ledger.totals()
    finally:
        await ledger.aclose()


def _account_problems(bill: Bill, totals: Totals) -> Sequence[str]:
    facts = (
        ("settled by the ledger", bill.billed_usd_nanos, totals.settled_usd_nanos),
        ("of unknown outcome in the ledger", 0, totals.unknown_usd_nanos),
        ("still reserved in the ledger", 0, totals.held_usd_nanos),
    )
    return [
        f"{what}: expected {wanted} nano-dollars, got {got}" for what, wanted, got in facts if wanted != got
    ]
