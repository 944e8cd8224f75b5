"""Renders the status of a gateway as tables."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table

from gateway.admin.v1 import admin_pb2 as pb
from gateway.cli.render import Row
from gateway.cli.terminal import names_and_values, table
from gateway.ledger.money import NANOS_PER_USD

HASH_CHARS = 12
MOST_BUDGETS = 10
STATES = {
    pb.BREAKER_STATE_CLOSED: "closed",
    pb.BREAKER_STATE_OPEN: "open",
    pb.BREAKER_STATE_HALF_OPEN: "half open",
}


def status_tables(status: pb.GetStatusResponse) -> Iterator[Table]:
    """Yield the tables: the gateway, its engines, breakers, budgets and last decisions."""
    yield names_and_values(gateway_rows(status))
    if status.engines:
        yield table(ENGINE_COLUMNS, [engine_row(engine) for engine in status.engines])
    if breakers := breaker_rows(status):
        yield table(("BREAKER", *(f"WORKER {worker.number}" for worker in status.workers)), breakers)
    if status.budgets:
        yield table(BUDGET_COLUMNS, budget_rows(status))
    if decisions := decision_rows(status):
        yield table(DECISION_COLUMNS, decisions)


def gateway_rows(status: pb.GetStatusResponse) -> list[Row]:
    """Return the rows of the gateway as a whole."""
    hashes = sorted({worker.policy_hash[:HASH_CHARS] for worker in status.workers})
    pids = ", ".join(str(worker.pid) for worker in status.workers)
    rows: list[Row] = [
        ("version", status.version),
        ("policy", " and ".join(hashes)),
        ("workers", f"{len(status.workers)} of {status.workers_expected} (pid {pids})"),
        ("up", _duration(max((worker.uptime_s for worker in status.workers), default=0.0))),
        ("in flight", str(sum(worker.in_flight for worker in status.workers))),
    ]
    if status.HasField("spend"):
        spend = status.spend
        rows.append(
            (
                "spend",
                f"{_usd(spend.settled_usd_nanos)} settled, {_usd(spend.unknown_usd_nanos)} of unknown"
                f" outcome, {_usd(spend.held_usd_nanos)} reserved",
            )
        )
    else:
        rows.append(("spend", "the ledger does not answer"))
    return rows


ENGINE_COLUMNS = ("ENGINE", "STATE", "STARTS", "LOADED IN", "SLOTS", "QUEUED", "KV CELLS", "TOKENS/S")


def engine_row(engine: pb.Engine) -> Row:
    """Return the row of one local model."""
    state = "serving" if engine.is_serving else "down"
    load = f"{engine.load_s:.1f} s" if engine.load_s else ""
    if not engine.HasField("status"):
        return (engine.model, state, str(engine.starts), load, "", "", "", "")
    current = engine.status
    return (
        engine.model,
        state,
        str(engine.starts),
        load,
        f"{current.slots_busy} of {current.slots}",
        str(current.queued),
        f"{current.kv_cells_used} of {current.kv_cells}",
        f"{1 / current.token_s:.0f} a stream" if current.token_s else "",
    )


def breaker_rows(status: pb.GetStatusResponse) -> list[Row]:
    """Return a row for each model, with its breaker in every worker."""
    states = {
        (breaker.model, worker.number): _breaker(breaker)
        for worker in status.workers
        for breaker in worker.breakers
    }
    models = dict.fromkeys(model for model, _ in states)
    return [
        (model, *(states.get((model, worker.number), "") for worker in status.workers)) for model in models
    ]


def _breaker(breaker: pb.Breaker) -> str:
    state = STATES.get(breaker.state, "")
    return f"{state} for {breaker.retry_after_s:.0f} s" if breaker.retry_after_s else state


BUDGET_COLUMNS = ("BUDGET", "OF", "SPENT", "OF CAP", "GONE", "UNTIL")


def budget_rows(status: pb.GetStatusResponse) -> list[Row]:
    """Return the fullest budgets."""
    fullest = sorted(status.budgets, key=_share_used, reverse=True)[:MOST_BUDGETS]
    return [
        (
            budget.budget,
            budget.subject,
            _usd(budget.spent_usd_nanos),
            _usd(budget.limit_usd_nanos),
            f"{_share_used(budget):.0%}",
            datetime.fromtimestamp(budget.resets_at_unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
        for budget in fullest
    ]


def _share_used(budget: pb.Budget) -> float:
    return budget.spent_usd_nanos / budget.limit_usd_nanos if budget.limit_usd_nanos else 1.0


DECISION_COLUMNS = ("WHEN", "RULE", "CLASS", "COMPL", "PRIV", "BUDG", "ROUTE", "TRIES", "MS", "STATUS")


def decision_rows(status: pb.GetStatusResponse) -> list[Row]:
    """Return the last decisions of all workers, the latest first."""
    latest = sorted(
        (each for worker in status.workers for each in worker.decisions),
        key=lambda each: each.ended_unix_s,
        reverse=True,
    )
    most = max((len(worker.decisions) for worker in status.workers), default=0)
    return [
        (
            datetime.fromtimestamp(each.ended_unix_s, UTC).strftime("%H:%M:%S"),
            each.rule,
            each.privacy_class.lower(),
            f"{each.complexity:.2f}",
            f"{each.privacy:.2f}",
            f"{each.budget:.2f}",
            each.route.lower(),
            " ".join(each.attempts),
            f"{each.duration_ms:.0f}",
            f"{each.code} {each.reason}".strip(),
        )
        for each in latest[:most]
    ]


def _usd(nanos: int) -> str:
    return f"${nanos / NANOS_PER_USD:.6f}".rstrip("0").rstrip(".") if nanos else "$0"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
