"""Conditions of rules: CEL, type-checked when a policy is loaded. No other module uses the CEL library.

The library is loaded for the first condition: it takes 6 MB, and a policy need not have one.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, get_args

from gateway.domain.privacy import PrivacyClass
from gateway.domain.signals import ConversationSignals
from gateway.policy.loading.messages import did_you_mean
from gateway.policy.model import Condition, Facts, FindingType
from gateway.privacy.detectors.defaults import UNREADABLE

if TYPE_CHECKING:
    from cel_expr_python import cel

_KIND_OF: Final[Mapping[type, str]] = {int: "int", bool: "bool", str: "string"}
VARIABLES: Final[Mapping[str, str]] = {
    "complexity": "double",
    "privacy": "double",
    "budget": "double",
    "budget.plan": "double",
    "privacy_class": "int",
    "findings": "list(string)",
    "tenant": "string",
    "labels": "map(string, string)",
    "prompt_tokens": "int",
    "deadline_s": "double",
    "session.class": "int",
    "session.model": "string",
    **{name: _KIND_OF[type(value)] for name, value in ConversationSignals().values().items()},
}
"""The variables of a condition with their CEL types; the privacy classes are constants of type int."""

_ERROR = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(\d+):(\d+): (.*?)(?: \[[A-Z_]+\])?$", re.MULTILINE)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '[_@]([^_']+)_?' applied to '\((\w+), ([\w(), ]+)\)'")
_FINDING = re.compile(r"""(['"])(\w*)\1\s+in\s+findings\b""")
_FUNCTIONS = (
    "all", "bool", "contains", "double", "endsWith", "exists", "exists_one", "filter", "has", "int", "map",
    "matches", "size", "startsWith", "string",
)  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    "NOT_FOUND": "a key is missing in a map (test has(labels.key) first)",
    "INVALID_ARGUMENT": "an argument that its function or operator does not take",
    "OUT_OF_RANGE": "a number out of range",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error in a condition, with line and column of its text, both from 1."""

    line: int
    column: int
    message: str


class ConditionRefused(ValueError):
    """A condition does not compile, or is not of type bool."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(mistake.message for mistake in mistakes))
        self.mistakes = mistakes


class Conditions:
    """Compiles the conditions of one policy; they share the converted facts of a request."""

    def __init__(self, own_findings: Collection[str] = ()) -> None:
        self._findings = (*get_args(FindingType), UNREADABLE, *own_findings)
        self._read: set[str] = set()
        """The variables that conditions may read; to convert one takes CEL longer than to evaluate it."""
        self._last: tuple[Facts, cel.Activation] | None = None

    def compile(self, when: str) -> Condition:
        """Compile a condition; raises ConditionRefused with all mistakes."""
        try:
            expression = _environment().compile(when)
        except RuntimeError as error:
            raise ConditionRefused(tuple(_mistakes(str(error), when))) from None
        if (type_ := expression.return_type()) != _type_of("bool"):
            kind = type_.name().lower()
            raise ConditionRefused((Mistake(1, 1, f"must be of type bool, but is {kind}"),))
        if unknown := tuple(_unknown_findings(when, self._findings)):
            raise ConditionRefused(unknown)
        # A name with a dot may be written with spaces around it.
        self._read.update(name for name in VARIABLES if name.partition(".")[0] in when)
        self._last = None
        return _Condition(expression, self)

    def activation(self, facts: Facts) -> "cel.Activation":
        """Convert facts for CEL; returns the same object for the same facts."""
        last = self._last
        if last is not None and last[0] is facts:
            return last[1]
        activation = _environment().Activation(_data(facts, self._read))
        self._last = (facts, activation)
        return activation


def checked_syntax(when: str) -> bytes:
    """Return the syntax tree of a valid condition: a `google.protobuf.Any` of `cel.expr.CheckedExpr`."""
    return bytes(_environment().compile(when).serialize())


class _Condition:
    """A compiled condition; it holds only if its value is the bool true."""

    __slots__ = ("_bool", "_conditions", "_expression")

    def __init__(self, expression: "cel.Expression", conditions: Conditions) -> None:
        self._expression = expression
        self._conditions = conditions
        self._bool = _type_of("bool")

    def holds(self, facts: Facts) -> bool:
        try:
            value = self._expression.eval(self._conditions.activation(facts))
        except RuntimeError:
            # The library's message may hold a value of the request.
            raise ValueError("a value that CEL cannot take") from None
        if value.type() == self._bool:
            return value.value() is True
        # A value of type ERROR is truthy in Python, and its text may hold a value of the request.
        kind = str(value.value()).partition(":")[0]
        raise ValueError(_KINDS.get(kind, "an error of another kind"))


@functools.cache
def _type_of(kind: str) -> "cel.Type":
    """Return the type of CEL that has this name in `VARIABLES`."""
    from cel_expr_python import cel

    string = cel.Type.STRING
    return {
        "double": cel.Type.DOUBLE,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "string": string,
        "list(string)": cel.Type.List(string),
        "map(string, string)": cel.Type.Map(string, string),
    }[kind]


@functools.cache
def _environment() -> "cel.Env":
    from cel_expr_python import cel

    constants = "".join(
        f"- {{name: {each.name}, type_name: int, value: {each.value}}}\n" for each in PrivacyClass
    )
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(f"variables:\n{constants}"),
        variables={name: _type_of(kind) for name, kind in VARIABLES.items()},
    )


_VALUES: Final[Mapping[str, Callable[[Facts], object]]] = {
    "complexity": lambda facts: facts.complexity,
    "privacy": lambda facts: facts.privacy,
    "budget": lambda facts: facts.budget,
    "budget.plan": lambda facts: facts.budget_plan,
    "privacy_class": lambda facts: int(facts.privacy_class),
    "findings": lambda facts: list(facts.findings),
    "tenant": lambda facts: facts.tenant,
    "labels": lambda facts: dict(facts.labels),
    "prompt_tokens": lambda facts: facts.prompt_tokens,
    "deadline_s": lambda facts: facts.deadline_s,
    "session.class": lambda facts: int(facts.session_class),
    "session.model": lambda facts: facts.session_model,
    **{name: attrgetter(f"signals.{name}") for name in ConversationSignals.__slots__},
}
"""Gives the value of each variable as CEL takes it."""


def _data(facts: Facts, names: Iterable[str]) -> dict[str, object]:
    return {name: _VALUES[name](facts) for name in names}


def _mistakes(report: str, when: str) -> Iterator[Mistake]:
    found = list(_ERROR.finditer(report))
    if not found:
        yield Mistake(1, 1, _STATUS.sub("", report.partition("\n")[0]))
    lines = when.split("\n")
    for match in found:
        line, column = int(match[1]), int(match[2])
        text = lines[line - 1] if line <= len(lines) else ""
        yield Mistake(line, column, _reworded(match[3], text, column))


def _reworded(message: str, text: str, column: int) -> str:
    """Return the library's message in terms of a policy."""
    if match := _UNDECLARED.search(message):
        if text[column - 1 : column] == "(":
            return f"unknown function '{match[1]}'{did_you_mean(match[1], _FUNCTIONS)}"
        known = (*VARIABLES, *(each.name for each in PrivacyClass))
        return f"unknown variable '{match[1]}'{did_you_mean(match[1], known)}"
    if match := _OVERLOAD.search(message):
        operator, left, right = match.groups()
        detail = f"'{operator}' does not take {left} and {right}"
        if {left, right} == {"int", "double"}:
            return f"{detail} {_write(operator, text, column, is_left_int=left == 'int')}"
        return detail
    if message.startswith("Syntax error: "):
        return message.partition(" expecting {")[0]
    return message


def _write(operator: str, text: str, column: int, *, is_left_int: bool) -> str:
    """Return how to correct a comparison of int and double, by the literal or name next to the operator."""
    before = re.search(r"([\w.]+)\s*$", text[: column - 1])
    after = re.match(r"\s*(-?[\w.]++)(?!\s*\()", text[column - 1 + len(operator) :])
    left, right = before[1] if before else "", after[1] if after else ""
    integer, double = (left, right) if is_left_int else (right, left)
    if re.fullmatch(r"-?\d+", integer):
        return f"(write {integer}.0)"
    if match := re.fullmatch(r"(-?\d+)\.0*", double):
        return f"(write {match[1]})"
    if re.fullmatch(r"[A-Za-z_]\w*", integer):
        return f"(write double({integer}))"
    return "(write double(...))"


def _unknown_findings(when: str, known: Collection[str]) -> Iterator[Mistake]:
    """Yield a mistake for each finding type that no detector reports: such a rule would never hold."""
    for match in _FINDING.finditer(when):
        if match[2] not in known:
            before = when[: match.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            yield Mistake(line, column, f"unknown finding '{match[2]}'{did_you_mean(match[2], known)}")
