"""The faults of the simulated provider: kinds, syntax, and assignment to requests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

EVERY_MODEL = "*"
"""Name that means every model when a fault is set."""

ValueKind = Literal["none", "status", "count", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault: the meaning and the default of its value, and a line of help."""

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
    "silence": FaultKind(value="none", help="accepts the request and never answers"),
    "slow": FaultKind(value="seconds", default=1, help="answers after this many seconds"),
    "drip": FaultKind(
        value="seconds", default=0.1, help="streams one token after each interval of this many seconds"
    ),
    "cut": FaultKind(value="count", default=3, help="closes the connection after this many tokens"),
    "stall": FaultKind(value="count", default=3, help="sends nothing more after this many tokens"),
    "stall-at-end": FaultKind(value="none", help="streams up to the finish_reason, then sends nothing more"),
    "garbage": FaultKind(value="count", default=3, help="sends one invalid chunk after this many tokens"),
    "no-prefill": FaultKind(value="none", help="400 if the last message is the assistant's"),
    "filtered": FaultKind(
        value="count", default=3, help="finish_reason content_filter after this many tokens"
    ),
    "refusal": FaultKind(value="none", help="refuses in words, as the model's answer"),
    "error-event": FaultKind(
        value="count", default=3, help="ends a stream with an error event after this many tokens"
    ),
    "no-finish": FaultKind(value="none", help="ends cleanly without a finish_reason"),
    "no-done": FaultKind(value="none", help="ends a stream without [DONE]"),
    "open-end": FaultKind(value="none", help="sends no [DONE] and leaves the stream open"),
    "no-usage": FaultKind(value="none", help="omits the usage"),
    "zero-usage": FaultKind(value="none", help="reports a usage of 0 tokens"),
    "late-usage": FaultKind(
        value="seconds", default=1, help="sends the usage this many seconds after the end"
    ),
    "repeat-finish": FaultKind(
        value="seconds", default=0, help="sends a finish_reason with every token, this many seconds apart"
    ),
    "endless": FaultKind(value="none", help="never stops, ignores max_tokens"),
    "compressed": FaultKind(value="none", help="answers in gzip without being asked"),
    "bomb": FaultKind(value="none", help="answers in gzip that unpacks to 256 MiB of spaces"),
    "absurd-usage": FaultKind(value="none", help="reports 2^62 tokens of prompt and of answer"),
    "length": FaultKind(value="count", default=200, help="no fault: an answer of this many tokens"),
}

_VALUE_SYNTAX: Mapping[ValueKind, str] = {
    "none": "",
    "status": "=STATUS",
    "count": "=TOKENS",
    "seconds": "=SECONDS",
}

FAULTS = "\n".join(
    f"{name + _VALUE_SYNTAX[kind.value]:<18} {kind.help}"
    + ("" if kind.default is None else f" ({kind.default:g})")
    for name, kind in KINDS.items()
)
"""Help for the terminal: one line for each fault, with the default of its value in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault; `times` None means always. Raises ValueError for invalid values."""

    kind: str
    value: float | None = None
    retry_after_s: float | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown fault or a value out of its range."""
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValueError(f"fault {self.kind!r} does not exist; choose one of {', '.join(KINDS)}")
        if kind.value == "none" and self.value is not None:
            raise ValueError(f"fault {self.kind} takes no value")
        if self.value is not None:
            _check_value(self.kind, kind.value, self.value)
        if self.retry_after_s is not None and not 0 <= self.retry_after_s < math.inf:
            raise ValueError(f"fault {self.kind}: retry_after_s must be 0 or more seconds")
        if self.times is not None and self.times < 1:
            raise ValueError(f"fault {self.kind}: times must be 1 or more")

    def amount(self) -> float:
        """Return the value, or the default of the kind; 0 for a kind without a value."""
        return self.value if self.value is not None else KINDS[self.kind].default or 0


def _check_value(name: str, kind: ValueKind, value: float) -> None:
    if kind == "status" and not (value == int(value) and 300 <= value <= 599):
        raise ValueError(f"fault {name}: the value must be an HTTP status from 300 to 599")
    if kind == "count" and not (0 <= value <= 1_000_000 and value == int(value)):
        raise ValueError(f"fault {name}: the value must be a whole number of tokens from 0 to 1000000")
    if kind == "seconds" and not 0 <= value <= 86_400:
        raise ValueError(f"fault {name}: the value must be a number of seconds from 0 to 86400")


def parse_fault(text: str) -> Fault:
    """Parse `FAULT[=VALUE][,times=N][,retry_after_s=S]`; raises ValueError."""
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
        raise ValueError(f"fault {kind}: times must be a whole number")
    return Fault(
        kind=kind,
        value=numbers.get("value"),
        retry_after_s=numbers.get("retry_after_s"),
        times=None if times is None else int(times),
    )


def parse_model_fault(text: str) -> tuple[str, Fault]:
    """Parse `MODEL:FAULT...`, where MODEL may contain colons and `*` means every model; raises ValueError."""
    model, colon, fault = text.rpartition(":")
    if not colon or not model:
        raise ValueError(f"{text!r} is not MODEL:FAULT, as in 'sim-strong:status=503,times=2'")
    return model, parse_fault(fault)


def split_model(model: str) -> tuple[str, Fault | None]:
    """Split `NAME+FAULT...` into the name and its fault; raises ValueError."""
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
    """The faults of each model, applied in the order in which they were set."""

    def __init__(self) -> None:
        self._set: dict[str, list[Fault]] = {}
        self._applied: dict[str, int] = {}

    def add(self, model: str, fault: Fault) -> None:
        """Append a fault to those of a model."""
        self._set.setdefault(model, []).append(fault)

    def clear(self) -> None:
        """Delete all faults, and the counts of those in model names."""
        self._set.clear()
        self._applied.clear()

    def take(self, model: str) -> tuple[str, Fault | None]:
        """Return the bare name of `model` and the fault of this request; raises ValueError.

        The fault in the name comes first, then those set for the name, then those for `*`.
        """
        name, fault = split_model(model)
        if fault is not None and (fault.times is None or self._applied.get(model, 0) < fault.times):
            self._applied[model] = self._applied.get(model, 0) + 1
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
