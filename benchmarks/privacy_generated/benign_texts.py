"""Sources of whole texts in which nothing is private: what programs print, tables of results, lists of parts."""

from collections.abc import Callable, Iterator
from random import Random

from benchmarks.privacy_generated.value import Source

_WORDS = (
    "parser",
    "cache",
    "index",
    "timeout",
    "retry",
    "schema",
    "buffer",
    "docs",
    "tests",
    "build",
    "export",
    "layout",
)
_TEAMS = ("Lions", "Rovers", "United", "Wanderers", "City", "Eagles", "Tigers", "Rangers")
_PACKAGES = (
    "numpy",
    "requests",
    "left-pad",
    "lodash",
    "serde",
    "rails",
    "junit",
    "grpcio",
    "pydantic",
    "react",
)
_GOODS = ("hinge", "bracket", "M4 screw", "gasket", "bearing", "cable", "filter", "valve", "lamp", "switch")


def _hex(random: Random, count: int) -> str:
    return f"{random.getrandbits(4 * count):0{count}x}"


def _lines(random: Random, line: Callable[[Random], str], *counts: int) -> str:
    return "\n".join(line(random) for _ in range(random.choice(counts or (4, 8, 12))))


def _day(random: Random) -> str:
    return f"{random.randrange(2015, 2027)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"


def _time(random: Random) -> str:
    return f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}"


def _git_log(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f"{_hex(r, 7)} {r.choice(_WORDS)}: {r.choice(('fix', 'add', 'drop'))} {r.choice(_WORDS)} (#{r.randrange(9, 9999)})"
        ),
    )


def _diff(random: Random) -> str:
    at = random.randrange(1, 900)
    return (
        f"diff --git a/src/{random.choice(_WORDS)}.py b/src/{random.choice(_WORDS)}.py\nindex {_hex(random, 7)}..{_hex(random, 7)} 100644\n"
        f"@@ -{at},7 +{at},9 @@\n-    limit = {random.randrange(10**6)}\n+    limit = {random.randrange(10**9)}"
    )  # fmt: skip


def _trace(random: Random) -> str:
    frames = _lines(
        random,
        lambda r: (
            f'  File "/app/{r.choice(_WORDS)}/{r.choice(_WORDS)}.py", line {r.randrange(1, 2000)}, in {r.choice(_WORDS)}_{r.choice(_WORDS)}'
        ),
        3,
        6,
    )
    return f"Traceback (most recent call last):\n{frames}\nValueError: invalid literal for int() with base 10: '{_hex(random, 8)}'"


def _freeze(random: Random) -> str:
    return _lines(
        random, lambda r: f"{r.choice(_PACKAGES)}=={r.randrange(30)}.{r.randrange(20)}.{r.randrange(20)}"
    )


def _listing(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f"-rw-r--r-- 1 app app {r.randrange(100, 10**9):>10} Mar {r.randrange(1, 29):2} {_time(r)[:5]} {r.choice(_WORDS)}-{r.randrange(10**6)}.log"
        ),
    )


def _containers(random: Random) -> str:
    return "CONTAINER ID   IMAGE          STATUS\n" + _lines(
        random,
        lambda r: (
            f"{_hex(r, 12)}   web:{r.randrange(9)}.{r.randrange(9)}.{r.randrange(9)}      Up {r.randrange(2, 60)} hours"
        ),
        3,
        6,
    )


def _pods(random: Random) -> str:
    return "NAME   READY   STATUS    RESTARTS   AGE\n" + _lines(
        random,
        lambda r: (
            f"{r.choice(_WORDS)}-{_hex(r, 9)}-{_hex(r, 5)}   1/1   Running   {r.randrange(9)}   {r.randrange(1, 90)}d"
        ),
    )


def _plan(random: Random) -> str:
    return (
        f"Plan: {random.randrange(1, 9)} to add, {random.randrange(9)} to change, 0 to destroy.\n"
        + _lines(random, lambda r: f'  + id = "{r.choice(("vpc", "subnet", "sg", "i"))}-{_hex(r, 17)}"', 2, 4)
    )


def _metrics(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f'http_requests_total{{code="{r.choice((200, 404, 500))}",path="/{r.choice(_WORDS)}"}} {r.randrange(10**9)}'
        ),
    )


def _results(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f"{r.choice(_TEAMS)} {r.randrange(6)}-{r.randrange(6)} {r.choice(_TEAMS)} (attendance {r.randrange(1000, 80000):,})"
        ),
    )


def _league(random: Random) -> str:
    return "| team | played | goals | points |\n|---|---|---|---|\n" + _lines(
        random,
        lambda r: (
            f"| {r.choice(_TEAMS)} | {r.randrange(38)} | {r.randrange(90)}:{r.randrange(90)} | {r.randrange(100)} |"
        ),
    )


def _invoice(random: Random) -> str:
    rows = _lines(
        random,
        lambda r: (
            f"{r.choice(_GOODS):12} {r.randrange(1, 500):>4} x {r.uniform(0.1, 90):>8.2f} = {r.uniform(1, 9000):>10,.2f}"
        ),
        3,
        6,
    )
    return f"Invoice INV-{random.randrange(10**5):05} of {_day(random)}\n{rows}\nTotal {random.uniform(100, 99999):,.2f} EUR, due in 30 days"


def _stock(random: Random) -> str:
    return "sku;name;qty;price\n" + _lines(
        random,
        lambda r: (
            f"{r.randrange(10**7, 10**9)};{r.choice(_GOODS)};{r.randrange(1000)};{r.uniform(1, 99):.2f}"
        ),
    )


def _sensors(random: Random) -> str:
    return "time,temperature,pressure\n" + _lines(
        random, lambda r: f"{_day(r)}T{_time(r)},{r.uniform(-20, 40):.2f},{r.uniform(950, 1050):.3f}"
    )


def _training(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f"epoch {r.randrange(100)} step {r.randrange(10**6)} loss {r.uniform(0, 5):.6f} lr {r.uniform(0, 1e-3):.2e} {r.randrange(10**4)} tok/s"
        ),
    )


def _events(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f'{{"ts": {r.randrange(14 * 10**11, 18 * 10**11)}, "id": {r.randrange(10**9, 10**11)}, "kind": "{r.choice(_WORDS)}", "v": {r.random():.8f}}}'
        ),
    )


def _changelog(random: Random) -> str:
    return (
        f"## {random.randrange(9)}.{random.randrange(30)}.{random.randrange(9)} - {_day(random)}\n"
        + _lines(
            random,
            lambda r: f"- {r.choice(_WORDS)}: {r.choice(('faster', 'fixed', 'removed'))} ({_hex(r, 8)})",
            3,
            5,
        )
    )


def _recipe(random: Random) -> str:
    return f"Heat the oven to {random.randrange(150, 250)} °C. Mix {random.randrange(100, 900)} g flour, {random.randrange(1, 9)} eggs and {random.randrange(50, 500)} ml milk. Bake {random.randrange(10, 90)} minutes; serves {random.randrange(2, 12)}."


def _sum(random: Random) -> str:
    a, b = random.randrange(10**6), random.randrange(10**6)
    return f"What is {a} * {b}? Show each step, and check the result modulo {random.randrange(3, 99)}."


def _matrix(random: Random) -> str:
    return (
        "["
        + ",\n ".join(
            "[" + ", ".join(f"{random.uniform(-1, 1):.4f}" for _ in range(5)) + "]" for _ in range(4)
        )
        + "]"
    )


def _timetable(random: Random) -> str:
    return _lines(
        random,
        lambda r: (
            f"{_time(r)[:5]}  line {r.randrange(1, 99)}  platform {r.randrange(1, 20)}  +{r.randrange(15)} min"
        ),
    )


def _hexdump(random: Random) -> str:
    return _lines(
        random,
        lambda r: f"{r.getrandbits(28):08x}  " + " ".join(f"{r.randrange(256):02x}" for _ in range(16)),
        3,
        6,
    )


_TEXTS: dict[str, Callable[[Random], str]] = {
    "git log": _git_log, "diff": _diff, "stack trace": _trace, "list of packages": _freeze, "listing of files": _listing,
    "containers": _containers, "pods": _pods, "plan": _plan, "metrics": _metrics, "results": _results, "league": _league,
    "invoice": _invoice, "stock": _stock, "sensors": _sensors, "training": _training, "events": _events,
    "changelog": _changelog, "recipe": _recipe, "sum": _sum, "matrix": _matrix, "timetable": _timetable, "hex dump": _hexdump,
}  # fmt: skip


def sources() -> Iterator[Source]:
    """Yield a source for each kind of text."""
    for name, draw in _TEXTS.items():
        yield Source(name=f"text {name}", kind="benign text", type=None, draw=draw, is_text=True)
