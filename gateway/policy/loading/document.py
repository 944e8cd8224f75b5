"""A reader for a subset of YAML 1.2 that keeps the line of every key; built on ruamel.yaml.

Anchors, aliases, tags and directives are refused: a policy does not need them, and without references a
document cannot expand to many times its size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from gateway.policy.source import Path, Problem, key_of

MAX_BYTES = 131_072
"""The most bytes of a policy, some thousand lines; a longer one would take seconds to parse."""
MAX_DEPTH = 16
"""The deepest nesting, four times what a policy needs; parse time grows with the square of the depth."""

EMPTY = "is empty; give it a value, or remove the key"
"""The message for a key without a value, and for null."""

_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TEXT = frozenset({_STRING, _MERGE, "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""Tags of values that stay text: YAML 1.2 has no dates, and no `=`."""


TOO_LONG = Problem(1, "file", f"is longer than {MAX_BYTES} bytes")
"""The problem of a text that is too long to parse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The value of a YAML text, with the positions of its parts."""

    value: object
    lines: Mapping[Path, int]
    """The line of every key and list item, from 1."""
    literals: Mapping[Path, int]
    """The first line of the text in every `|` block."""
    spans: Mapping[Path, tuple[int, int]]
    """The start and end of every scalar, in characters of the text, quotes included."""
    problems: tuple[Problem, ...]
    """What was refused; `value` holds the rest."""

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem at `path`, which may be missing."""
        return Problem(self.line_of(path), key_of(path), message)

    def problem_in_text(self, path: Path, *, line: int, message: str) -> Problem:
        """Return a problem in line `line`, from 1, of the text at `path`."""
        first = self.literals.get(path)
        at = self.line_of(path) if first is None else first + line - 1
        return Problem(at, key_of(path), message)

    def line_of(self, path: Path) -> int:
        """Return the line of `path`, or of its nearest parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str) -> Document:
    """Read one YAML document; errors are listed in `problems`, never raised."""
    try:
        refused = _refuse_events(text)
        node = None if refused else YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return _without_value(_problem_of(error, text))
    if refused:
        return _without_value(*refused)
    if node is None:
        return _without_value(Problem(1, "file", "is empty"))
    builder = _Builder()
    value = builder.build(node, ())
    return Document(
        value=value,
        lines=builder.lines,
        literals=builder.literals,
        spans=builder.spans,
        problems=tuple(builder.problems),
    )


def _without_value(*problems: Problem) -> Document:
    return Document(value=None, lines={}, literals={}, spans={}, problems=problems)


def _refuse_events(text: str) -> list[Problem]:
    """Return the YAML features that a policy may not use; stops where the nesting is too deep."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return [TOO_LONG]
    problems: list[Problem] = []
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        line = event.start_mark.line + 1
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            return [*problems, Problem(line, "file", f"is nested more than {MAX_DEPTH} deep")]
        if message := _refuse_event(event):
            problems.append(Problem(line, "file", message))
    return problems


def _refuse_event(event: Event) -> str | None:
    if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
        return "a directive (%) is not supported; a policy is YAML 1.2"
    if isinstance(event, AliasEvent):
        return "an alias (*) is not supported; write the value again"
    if isinstance(event, NodeEvent) and event.anchor is not None:
        return "an anchor (&) is not supported; write the value again where it is needed"
    if getattr(event, "tag", None) is not None:
        return "a tag (!) is not supported; write the plain value"
    return None


def _problem_of(error: YAMLError, text: str) -> Problem:
    if isinstance(error, ReaderError):
        return Problem(
            text.count("\n", 0, error.position) + 1, "file", "a character that YAML does not allow"
        )
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return Problem(line, "file", f"is not YAML: {error.problem or error.context}")
    return Problem(1, "file", "is not YAML")


class _Builder:
    """Converts nodes to plain values, and records their positions."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.literals: dict[Path, int] = {}
        self.spans: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._construct = YAML(typ="safe", pure=True).constructor.construct_object

    def build(self, node: Node, path: Path) -> object:
        """Return the value of a node."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        raise TypeError(f"a YAML node of an unknown kind, {type(node).__name__}")

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if message := _refuse_key(key_node):
                self.problems.append(Problem(line, key_of(path), message))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in values:
                first = self.lines[here]
                self.problems.append(
                    Problem(line, key_of(here), f"appears twice; the first is on line {first}")
                )
                continue
            self.lines[here] = line
            values[key] = self.build(value_node, here)
        return values

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        self.spans[path] = (node.start_mark.index, node.end_mark.index)
        if node.style == "|":
            self.literals[path] = node.start_mark.line + 2
        if node.tag in _PLAIN_TEXT:
            return str(node.value)
        try:
            value: object = self._construct(node)
        except ValueError:
            self.problems.append(
                Problem(
                    self.lines[path], key_of(path), "is a number that cannot be read; quote it to mean text"
                )
            )
            return None
        if value is None:
            self.problems.append(Problem(self.lines[path], key_of(path), EMPTY))
        return value


def _refuse_key(node: Node) -> str | None:
    if not isinstance(node, ScalarNode):
        return "a key must be text"
    if node.tag == _MERGE and node.style is None:
        return "the merge key << is not supported; write the keys out"
    if node.tag not in _PLAIN_TEXT:
        return f"the key {node.value[:64]} must be text; put it in quotes"
    return None
