"""Output of `gateway demo`: every case, the provider's bill next to the ledger, and a summary."""

import os
from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.demo.cases import DemoCase, DemoResult, attempt_words
from gateway.ledger.accounts import Totals
from gateway.ledger.money import NANOS_PER_USD
from gateway.policy.loading.messages import counted
from gateway.simulate.billing import Bill
from gateway.v1 import gateway_pb2 as pb

WIDTH = 120
"""Width of the table in columns; also the default where output is no terminal and COLUMNS is not set."""
HEADINGS = (
    "case\nprompt",
    "complexity\nprivacy, class\nbudget",
    "rule\n> chain\nx refused",
    "attempts",
    "route\nmodel",
    "tokens\nUSD\nms",
)

Row = tuple[DemoCase, DemoResult, Sequence[str]]
"""A case, its result, and the differences from the expectation."""

_ROUTE_STYLES = {"LOCAL": "green", "CLOUD": "cyan", "CANNED": "yellow"}


def demo_console() -> Console:
    """Return a console with colour on a terminal only, and with a fixed width elsewhere."""
    console = Console(highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(highlight=False, width=WIDTH)


def results(rows: Sequence[Row], *, width: int) -> RenderableType:
    """Return all cases with their results: a table, or blocks if the terminal is too narrow for it."""
    if width < WIDTH:
        blocks = [_block(number, *row) for number, row in enumerate(rows, start=1)]
        return Group(Text("Every route, one request each\n", "italic"), *blocks)
    return _table([_cells(number, *row) for number, row in enumerate(rows, start=1)])


def _table(rows: Sequence[Sequence[RenderableType]]) -> Table:
    table = Table(
        box=box.HORIZONTALS, show_lines=True, title="Every route, one request each", title_justify="left"
    )
    for number, heading in enumerate(HEADINGS):
        is_last = number == len(HEADINGS) - 1
        table.add_column(heading, no_wrap=number > 0, justify="right" if is_last else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _block(number: int, case: DemoCase, result: DemoResult, problems: Sequence[str]) -> Group:
    """Return one case as lines of name and value."""
    response = result.response
    complexity, privacy, budget = _scores(response)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("  scores", f"complexity {complexity}, privacy {privacy}, budget {budget}")
    grid.add_row("  rule", f"{response.decision.rule}: {', '.join(response.decision.chain)}")
    if response.decision.refused:
        grid.add_row("  refused", ", ".join(_refusals(response.decision)))
    grid.add_row("  attempts", ", ".join(_attempts(case, result)))
    grid.add_row("  answer", Text(" ").join(_route(result)) + Text(f"; {', '.join(_costs(result))}"))
    return Group(_title(number, case, problems), grid, "")


def _cells(
    number: int, case: DemoCase, result: DemoResult, problems: Sequence[str]
) -> Sequence[RenderableType]:
    response = result.response
    chain = [f"> {name}" for name in response.decision.chain]
    refused = [f"x {refusal}" for refusal in _refusals(response.decision)]
    return (
        _title(number, case, problems),
        "\n".join(_scores(response)),
        "\n".join([response.decision.rule, *chain, *refused]),
        "\n".join(_attempts(case, result)),
        Text("\n").join(_route(result)),
        "\n".join(cost.split()[0] for cost in _costs(result)),
    )


def _title(number: int, case: DemoCase, problems: Sequence[str]) -> Text:
    verdict = ("ok", "green") if not problems else ("NOT OK", "bold red")
    return Text.assemble((f"{number}. {case.title}: ", "bold"), verdict, "\n", (_shortened(case.text), "dim"))


def _scores(response: pb.GenerateResponse) -> tuple[str, str, str]:
    scores = response.decision.scores
    klass = pb.PrivacyClass.Name(response.decision.privacy_class).removeprefix("PRIVACY_CLASS_").lower()
    return f"{scores.complexity:.2f}", f"{scores.privacy:.2f} {klass}", f"{scores.budget:.2f}"


def _refusals(decision: pb.Decision) -> Sequence[str]:
    return [
        f"{each.model} {pb.Reason.Name(each.reason).removeprefix('REASON_')}" for each in decision.refused
    ]


def _attempts(case: DemoCase, result: DemoResult) -> Sequence[str]:
    """Return every attempt; equal attempts in a row are one entry with a count."""
    groups = [(words, len(list(same))) for words, same in groupby(attempt_words(result.response))]
    attempts = [words if count == 1 else f"{words} x{count}" for words, count in groups]
    if case.expected.is_provider_silent:
        attempts.append(f"provider got {result.provider_bytes} bytes")
    return attempts


def _route(result: DemoResult) -> Sequence[Text]:
    response = result.response
    name = pb.Route.Name(response.route).removeprefix("ROUTE_")
    parts = [Text(name, _ROUTE_STYLES[name]), Text(response.model or response.degraded.canned_id)]
    if result.deltas:
        parts.append(Text(f"in {result.deltas} pieces"))
    return parts


def _costs(result: DemoResult) -> tuple[str, str, str]:
    response = result.response
    tokens = f"{response.usage.prompt_tokens}+{response.usage.completion_tokens}" if response.model else "0"
    return f"{tokens} tokens", f"{response.cost_usd:.6f} USD", f"{result.duration_ms:.0f} ms"


def _shortened(text: str, length: int = 72) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def answers(rows: Sequence[Row], *, width: int) -> Group:
    """Return the beginning of one answer of each model."""
    seen: dict[str, str] = {}
    for _, result, _ in rows:
        response = result.response
        who = response.model or f"canned reply {response.degraded.canned_id}"
        seen.setdefault(who, response.text)
    lines = [_shortened(f"  {who}: {text}", width) for who, text in seen.items()]
    return Group(Text("What they answered", "bold italic"), *map(Text, lines))


def accounts_table(bill: Bill, totals: Totals) -> Table:
    """Return the provider's bill next to the gateway's ledger."""
    table = Table(
        box=box.HORIZONTALS, title="The provider's bill and the gateway's ledger", title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for heading in ("requests", "bytes", "tokens", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, model in bill.models.items():
        tokens = f"{model.prompt_tokens}+{model.completion_tokens}"
        table.add_row(f"billed for {name}", str(model.requests), "", tokens, _usd(model.billed_usd_nanos))
    table.add_row(
        "billed in all", str(bill.requests), str(bill.bytes_received), "", _usd(bill.billed_usd_nanos)
    )
    table.add_row("ledger: settled", "", "", "", _usd(totals.settled_usd_nanos))
    table.add_row("ledger: outcome unknown", "", "", "", _usd(totals.unknown_usd_nanos))
    table.add_row("ledger: still reserved", "", "", "", _usd(totals.held_usd_nanos))
    table.caption = "includes failed calls, and those that used up one budget"
    table.caption_justify = "left"
    return table


def summary(
    rows: Sequence[Row], bill: Bill, totals: Totals, *, engine_kills: int, exit_status: int | None
) -> Table:
    """Return the summary: four measured results."""
    as_expected = sum(not problems for _, _, problems in rows)
    private_bytes = sum(result.provider_bytes for case, result, _ in rows if case.is_private)
    ledger = totals.settled_usd_nanos + totals.unknown_usd_nanos + totals.held_usd_nanos
    sign = "=" if bill.billed_usd_nanos == ledger else "is not"
    grid = Table.grid(padding=(0, 2))
    for name, value, is_right in (
        ("routes as expected", f"{as_expected} of {len(rows)}", as_expected == len(rows)),
        ("private bytes sent", str(private_bytes), private_bytes == 0),
        (
            f"bill {sign} ledger",
            f"{_usd(bill.billed_usd_nanos)} {sign} {_usd(ledger)} USD",
            bill.billed_usd_nanos == ledger,
        ),
        (
            "engine killed",
            f"{counted(engine_kills, 'time')}; the gateway continued, and ended with status {exit_status}",
            exit_status == 0,
        ),
    ):
        grid.add_row(Text(name, "bold"), Text(value, "green" if is_right else "bold red"))
    return grid


def next_steps(program: str) -> Text:
    """Return the next commands to try."""
    return Text.assemble(
        ("Next, in one terminal, and then in another:\n", "bold"),
        f"  {program} serve\n",
        f'  {program} generate "What is the capital of France?"',
    )


def _usd(nanos: int) -> str:
    return f"{nanos / NANOS_PER_USD:.9f}"
