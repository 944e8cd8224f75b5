"""What `gateway demo` prints: a row for each case, then the provider's bill beside the ledger."""

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.demo.cases import DemoCase, DemoResult, attempt_words
from gateway.ledger.accounts import Totals
from gateway.simulate.billing import Bill
from gateway.v1 import gateway_pb2 as pb

WIDTH = 120
"""What the table needs; also taken where output is no terminal."""
HEADINGS = (
    "case\nprompt",
    "complexity\nprivacy, class\nbudget",
    "rule\n> chain\nx refused",
    "attempts",
    "route\nmodel",
    "tokens\nUSD\nms",
)
NANOS = 1_000_000_000

Row = tuple[DemoCase, DemoResult, Sequence[str]]
"""A case, what came of it, and in what that differs from what was expected."""

_ROUTE_STYLES = {"LOCAL": "green", "CLOUD": "cyan", "CANNED": "yellow"}


def demo_console() -> Console:
    """Return a console that colours on a terminal only and does not squeeze the table elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def results(rows: Sequence[Row], *, width: int) -> RenderableType:
    """Return all cases with their verdicts: a table, or where that is too wide, one under the other."""
    cells = [
        _cells(number, case, result, _verdict(problems))
        for number, (case, result, problems) in enumerate(rows, start=1)
    ]
    return _table(cells) if width >= WIDTH else Group(*(_block(row) for row in cells))


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


def _block(row: Sequence[RenderableType]) -> Group:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for heading, cell in zip(HEADINGS[1:], row[1:], strict=True):
        grid.add_row(heading, cell)
    return Group(row[0], grid, "")


def _cells(number: int, case: DemoCase, result: DemoResult, verdict: Text) -> Sequence[RenderableType]:
    response = result.response
    tokens = f"{response.usage.prompt_tokens}+{response.usage.completion_tokens}" if response.model else "-"
    return (
        Text.assemble((f"{number}. {case.title}: ", "bold"), verdict, "\n", (_shortened(case.text), "dim")),
        _scores(response),
        _chain(response.decision),
        _attempts(case, result),
        _route(result),
        f"{tokens}\n{response.cost_usd:.6f}\n{result.duration_ms:.0f}",
    )


def _scores(response: pb.GenerateResponse) -> str:
    scores = response.decision.scores
    klass = pb.PrivacyClass.Name(response.decision.privacy_class).removeprefix("PRIVACY_CLASS_").lower()
    return f"{scores.complexity:.2f}\n{scores.privacy:.2f} {klass}\n{scores.budget:.2f}"


def _chain(decision: pb.Decision) -> Text:
    lines = [(decision.rule, "bold"), *((f"\n> {name}", "") for name in decision.chain)]
    for refusal in decision.refused:
        reason = pb.Reason.Name(refusal.reason).removeprefix("REASON_")
        lines.append((f"\nx {refusal.model} {reason}", "dim"))
    return Text.assemble(*lines)


def _attempts(case: DemoCase, result: DemoResult) -> Text:
    """Return a line an attempt; the same thing several times in a row is one line with its count."""
    groups = [(words, len(list(same))) for words, same in groupby(attempt_words(result.response))]
    text = Text("\n".join(words if count == 1 else f"{words} x{count}" for words, count in groups))
    if case.expected.is_provider_silent:
        text.append(f"\nprovider got {result.provider_bytes} bytes", style="dim")
    return text


def _route(result: DemoResult) -> Text:
    response = result.response
    name = pb.Route.Name(response.route).removeprefix("ROUTE_")
    parts: list[tuple[str, str]] = [(name, _ROUTE_STYLES[name]), (f"\n{response.model}", "")]
    if response.HasField("degraded"):
        parts = [(name, _ROUTE_STYLES[name]), (f"\n{response.degraded.canned_id}", "")]
    if result.deltas:
        parts.append((f"\nin {result.deltas} pieces", "dim"))
    return Text.assemble(*parts)


def _verdict(problems: Sequence[str]) -> Text:
    return Text("ok", "green") if not problems else Text("NOT OK", "bold red")


def _shortened(text: str, length: int = 72) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def answers(rows: Sequence[Row], *, width: int) -> Group:
    """Return the first words of everyone who answered."""
    seen: dict[str, str] = {}
    for _, result, _ in rows:
        response = result.response
        who = response.model or f"canned reply {response.degraded.canned_id}"
        seen.setdefault(who, response.text)
    lines = [_shortened(f"  {who}: {text}", width) for who, text in seen.items()]
    return Group(Text("What they answered", "bold italic"), *map(Text, lines))


def accounts_table(bill: Bill, totals: Totals) -> Table:
    """Return the provider's own count beside the gateway's ledger."""
    table = Table(
        box=box.HORIZONTALS, title="The provider's bill and the gateway's ledger", title_justify="left"
    )
    table.add_column("")
    for heading in ("requests", "bytes", "tokens in", "tokens out", "USD"):
        table.add_column(heading, justify="right")
    for name, model in bill.models.items():
        counts = (model.requests, "", model.prompt_tokens, model.completion_tokens)
        table.add_row(f"billed for {name}", *map(str, counts), _usd(model.billed_usd_nanos))
    table.add_row(
        "billed in all", str(bill.requests), str(bill.bytes_received), "", "", _usd(bill.billed_usd_nanos)
    )
    table.add_row("ledger: settled", "", "", "", "", _usd(totals.settled_usd_nanos))
    table.add_row("ledger: outcome unknown", "", "", "", "", _usd(totals.unknown_usd_nanos))
    table.add_row("ledger: still reserved", "", "", "", "", _usd(totals.held_usd_nanos))
    table.caption = "with the calls that spent the one tenant's budget, and those that failed"
    table.caption_justify = "left"
    return table


def _usd(nanos: int) -> str:
    return f"{nanos / NANOS:.9f}"
