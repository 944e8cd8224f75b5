"""How the simulated provider can fail: the faults, their spelling, and which request gets which."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

EVERY_MODEL = "*"
"""Stands for every model where a fault is set."""

ValueKind = Literal["none", "status", "count", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One way to fail: what its value means, the value when none is given, and a line of help."""

    value: ValueKind
    default: float | None = None
    help: str


KINDS: Mapping[str, FaultKind] = {
    "status": FaultKind(value="status", default=503, help="answers with this HTTP status"),
    "unauthorized": FaultKind(value="none", help="401 invalid_api_key"),
    "context-too-long": FaultKind(value="none", help="400 context_length_exceeded"),
    "content-filter": FaultKind(value="none", help="400 content_filter"),
    "quota": FaultKind(value="none", help="429 insufficient_quota"),
    "reset": FaultKind(value="none", help="resets the connection before any header"),
    "silence": FaultKind(value="none", help="takes the request and never answers"),
    "slow": FaultKind(value="seconds", default=1, help="answers after this many seconds"),
    "drip": FaultKind(value="seconds", default=0.1, help="streams one token every so many seconds"),
    "cut": FaultKind(value="count", default=3, help="closes the connection after so many tokens"),
    "stall": FaultKind(value="count", default=3, help="says nothing more after so many tokens"),
    "stall-at-end": FaultKind(value="none", help="streams to the finish_reason, then says nothing more"),
    "garbage": FaultKind(value="count", default=3, help="sends one unreadable chunk after so many tokens"),
    "no-prefill": FaultKind(value="none", help="400 for messages that end with one of the assistant"),
    "filtered": FaultKind(value="count", default=3, help="finish_reason content_filter after so many tokens"),
    "no-finish": FaultKind(value="none", help="ends cleanly without a finish_reason"),
    "no-done": FaultKind(value="none", help="ends a stream without [DONE]"),
    "open-end": FaultKind(value="none", help="ends a stream without [DONE] and leaves it open"),
    "no-usage": FaultKind(value="none", help="leaves out the usage"),
    "zero-usage": FaultKind(value="none", help="counts no token, whatever it said"),
    "late-usage": FaultKind(value="seconds", default=1, help="counts tokens so many seconds after the end"),
    "repeat-finish": FaultKind(
        value="seconds", default=0, help="a finish_reason with every token, and so many seconds between them"
    ),
    "endless": FaultKind(value="none", help="never stops, whatever max_tokens says"),
    "compressed": FaultKind(value="none", help="answers in gzip, unasked"),
    "bomb": FaultKind(value="none", help="answers in gzip, unasked, which unpacks to 256 MiB of blanks"),
    "absurd-usage": FaultKind(value="none", help="counts 2^62 tokens of the prompt and of the answer"),
    "length": FaultKind(value="count", default=200, help="no fault: an answer of so many tokens"),
}

_SHOWN: Mapping[ValueKind, str] = {"none": "", "status": "=STATUS", "count": "=TOKENS", "seconds": "=SECONDS"}

FAULTS = "\n".join(
    f"{name + _SHOWN[kind.value]:<18} {kind.help}" + ("" if kind.default is None else f" ({kind.default:g})")
    for name, kind in KINDS.items()
)
"""Help for the terminal: one line a fault, with the default of its value in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault to show; `times` None means for ever. Raises ValueError for what makes no sense."""

    kind: str
    value: float | None = None
    retry_after_s: float | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        """Refuse a fault that does not exist or a value out of its range."""
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValueError(f"fault {self.kind!r} does not exist; there are {', '.join(KINDS)}")
        if kind.value == "none" and self.value is not None:
            raise ValueError(f"fault {self.kind} takes no value")
        if self.value is not None:
            _check_value(self.kind, kind.value, self.value)
        if self.retry_after_s is not None and not 0 <= self.retry_after_s < math.inf:
            raise ValueError(f"fault {self.kind}: retry_after_s is 0 or more seconds")
        if self.times is not None and self.times < 1:
            raise ValueError(f"fault {self.kind}: times is 1 or more")

    def amount(self) -> float:
        """Return the value, or the default of the kind; 0 for a kind that takes none."""
        return self.value if self.value is not None else KINDS[self.kind].default or 0


def _check_value(name: str, kind: ValueKind, value: float) -> None:
    if kind == "status" and not (value == int(value) and 300 <= value <= 599):
        raise ValueError(f"fault {name}: the value is an HTTP status from 300 to 599")
    if kind == "count" and not (0 <= value <= 1_000_000 and value == int(value)):
        raise ValueError(f"fault {name}: the value is a whole number of tokens from 0 to 1000000")
    if kind == "seconds" and not 0 <= value <= 86_400:
        raise ValueError(f"fault {name}: the value is a number of seconds from 0 to 86400")


def parse_fault(text: str) -> Fault:
    """Read `FAULT[=VALUE][,times=N][,retry_after_s=S]`; raises ValueError."""
    head, *options = text.split(",")
    kind, has_value, value = head.partition("=")
    numbers = {"value": _number(kind, value)} if has_value else {}
    for option in options:
        key, has_number, number = option.partition("=")
        if key not in ("times", "retry_after_s") or not has_number or key in numbers:
            raise ValueError(f"fault {kind}: {option!r} is not times=N or retry_after_s=S, each at most once")
        numbers[key] = _number(key, number)
    times = numbers.get("times")
    if times is not None and times != int(times):
        raise ValueError(f"fault {kind}: times is a whole number")
    return Fault(
        kind=kind,
        value=numbers.get("value"),
        retry_after_s=numbers.get("retry_after_s"),
        times=None if times is None else int(times),
    )


def parse_model_fault(text: str) -> tuple[str, Fault]:
    """Read `MODEL:FAULT...`, where MODEL may hold colons and `*` is every model; raises ValueError."""
    model, colon, fault = text.rpartition(":")
    if not colon or not model:
        raise ValueError(f"{text!r} is not MODEL:FAULT, as in 'sim-strong:status=503,times=2'")
    return model, parse_fault(fault)


def split_model(model: str) -> tuple[str, Fault | None]:
    """Split `NAME+FAULT...` into the name and the fault that it asks for; raises ValueError."""
    name, plus, fault = model.partition("+")
    return name, parse_fault(fault) if plus else None


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name}={text!r} is not a finite number")
    return number


class FaultBook:
    """Which faults are set for which model; they are shown in the order in which they were set."""

    def __init__(self) -> None:
        self._set: dict[str, list[Fault]] = {}
        self._shown: dict[str, int] = {}

    def add(self, model: str, fault: Fault) -> None:
        """Set a fault after those that are set for this model already."""
        self._set.setdefault(model, []).append(fault)

    def clear(self) -> None:
        """Forget every fault that was set, and how often those in model names were shown."""
        self._set.clear()
        self._shown.clear()

    def take(self, model: str) -> tuple[str, Fault | None]:
        """Return the bare name of `model` and the fault that this request gets; raises ValueError.

        The fault in the name comes first, then those set for the name, then those for `*`.
        """
        name, fault = split_model(model)
        if fault is not None and (fault.times is None or self._shown.get(model, 0) < fault.times):
            self._shown[model] = self._shown.get(model, 0) + 1
            return name, fault
        return name, self._next(name) or self._next(EVERY_MODEL)

    def _next(self, key: str) -> Fault | None:
        waiting = self._set.get(key)
        if not waiting:
            return None
        fault = waiting[0]
        if fault.times is not None:
            waiting[:1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
        return fault
