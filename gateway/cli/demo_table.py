"""What `gateway demo` prints: a row for each case, then the provider's bill beside the ledger."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.demo_cases import Case, Result, attempt_words
from gateway.ledger.states import Totals
from gateway.simulate.billing import Bill
from gateway.v1 import gateway_pb2 as pb

MIN_WIDTH = 140
"""Where output is no terminal; on one, the terminal's own width is taken."""
NANOS = 1_000_000_000

_ROUTE_STYLES = {"LOCAL": "green", "CLOUD": "cyan", "CANNED": "yellow"}


def demo_console() -> Console:
    """Return a console that colours on a terminal only and does not squeeze the table elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=MIN_WIDTH)


def result_table(rows: Sequence[tuple[Case, Result, Sequence[str]]]) -> Table:
    """Return the table of all cases; the last part of a row says whether it came out as expected."""
    table = Table(show_lines=True, expand=True, title="Every route, one request each", title_justify="left")
    for heading, ratio in (("case, prompt", 5), ("scores", 3), ("rule, chain", 3), ("attempts", 4)):
        table.add_column(heading, ratio=ratio)
    table.add_column("route, model", ratio=3)
    table.add_column("tokens", justify="right")
    table.add_column("cost, USD", justify="right")
    table.add_column("ms", justify="right")
    table.add_column("")
    for number, (case, result, problems) in enumerate(rows, start=1):
        table.add_row(*_cells(number, case, result), _verdict(problems))
    return table


def _cells(number: int, case: Case, result: Result) -> Sequence[RenderableType]:
    response = result.response
    return (
        Text.assemble((f"{number}. {case.title}", "bold"), "\n", (_shortened(case.text), "dim")),
        _scores(response),
        _chain(response.decision),
        "\n".join(attempt_words(response)),
        _route(result),
        f"{response.usage.prompt_tokens}+{response.usage.completion_tokens}" if response.model else "-",
        f"{response.cost_usd:.6f}",
        f"{result.duration_ms:.0f}",
    )


def _scores(response: pb.GenerateResponse) -> str:
    scores = response.decision.scores
    klass = pb.PrivacyClass.Name(response.decision.privacy_class).removeprefix("PRIVACY_CLASS_").lower()
    privacy = f"privacy {scores.privacy:.2f} {klass}"
    return f"complexity {scores.complexity:.2f}\n{privacy}\nbudget {scores.budget:.2f}"


def _chain(decision: pb.Decision) -> Text:
    lines = [(f"{decision.rule}\n", "bold"), *((f"> {name}\n", "") for name in decision.chain)]
    for refusal in decision.refused:
        lines.append((f"x {refusal.model} {pb.Reason.Name(refusal.reason).removeprefix('REASON_')}\n", "dim"))
    text = Text.assemble(*lines)
    text.rstrip()
    return text


def _route(result: Result) -> Text:
    response = result.response
    name = pb.Route.Name(response.route).removeprefix("ROUTE_")
    parts: list[tuple[str, str]] = [(name, _ROUTE_STYLES[name]), (f"\n{response.model}", "")]
    if response.HasField("degraded"):
        parts = [(name, _ROUTE_STYLES[name]), (f"\n{response.degraded.canned_id}", "")]
    if result.deltas:
        parts.append((f"\nin {result.deltas} pieces", "dim"))
    return Text.assemble(*parts)


def _verdict(problems: Sequence[str]) -> Text:
    return Text("ok", "green") if not problems else Text("NOT AS EXPECTED", "bold red")


def _shortened(text: str, length: int = 72) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def answers(rows: Sequence[tuple[Case, Result, Sequence[str]]]) -> Group:
    """Return the first words of some answers, so that one sees who speaks."""
    seen: dict[str, str] = {}
    for _, result, _ in rows:
        response = result.response
        who = response.model or f"canned reply {response.degraded.canned_id}"
        seen.setdefault(who, response.text)
    return Group(
        Text("What they answered", "bold italic"),
        *(Text.assemble(f"  {who}: ", (_shortened(text, 110), "dim")) for who, text in seen.items()),
    )


def accounts_table(bill: Bill, totals: Totals) -> Table:
    """Return the provider's own count beside the gateway's ledger."""
    table = Table(title="The provider's bill and the gateway's ledger", title_justify="left")
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
    return table


def _usd(nanos: int) -> str:
    return f"{nanos / NANOS:.9f}"
