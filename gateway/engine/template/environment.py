"""The Jinja environment of chat templates: the functions of transformers, in a sandbox with limits.

A template comes with a model file, so it may be wrong or hostile. Each iteration of a loop and each call of a
macro checks the time limit. Texts and lists over a size limit also end a rendering.
"""

import functools
import json
import math
import re
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, do, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from gateway.clock import Clock, Deadline

MAX_TEXT_CHARS = 16 << 20
"""Most characters of a rendering and of each intermediate text: more than any local context holds."""
MAX_WIDTH = 1 << 20
"""Largest number passed to a function or filter: it may be the width of its result."""
MAX_INT_BITS = 4096
"""Most bits of a product or a power."""
_WIDE_FORMAT = re.compile(r"\d{6}|\*")
"""Matches a format whose width may be megabytes."""


class Refused(TemplateError):
    """The template called `raise_exception`; its message may quote the conversation."""


class TooLarge(TemplateError):
    """A text, a list or a number is over its limit."""


class TooSlow(TemplateError):
    """A rendering is over its time limit."""


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compiles chat templates; may be used by several threads."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, clock: Clock) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, do, _GenerationBlock]
        )
        self._clock = clock
        self._rendering = threading.local()
        self.globals.pop("lipsum")
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = self.strftime_now
        self.filters["tojson"] = _tojson
        # Jinja's own filter marks a text as HTML and then escapes text that is appended.
        self.filters["safe"] = str
        self.filters["join"] = self._join
        self.filters = {name: _bounded(name, function) for name, function in self.filters.items()}

    def until(self, deadline: Deadline) -> None:
        """Set the deadline of the next renderings of this thread."""
        self._rendering.deadline = deadline

    def step(self) -> str:
        """Raise TooSlow after the deadline; compiled templates call it in every loop."""
        if self._rendering.deadline.has_passed(self._clock):
            raise TooSlow
        return ""

    def join(self, *parts: object) -> str:
        """Return the result of the operator `~`."""
        return self.concat(map(str, parts))

    def concat(self, parts: Iterable[str]) -> str:
        """Join the texts of a rendering, a macro or a block."""
        found, size = [], 0
        for part in parts:
            size += len(part)
            if size > MAX_TEXT_CHARS:
                raise TooLarge
            found.append(part)
        return "".join(found)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator; raises TooLarge for a result over the limit."""
        if _result_size(operator, left, right) > MAX_TEXT_CHARS:
            raise TooLarge
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  as in Jinja
        """Call a function or a method; raises TooLarge for a result over the limit."""
        method = getattr(__obj, "__wrapped__", __obj)  # Jinja wraps `format`.
        text, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(text, str) and name == "join" and len(args) == 1:
            return __self._join(args[0], text)
        _check_call(name, text, *args, *kwargs.values())
        return super().call(__context, __obj, *args, **kwargs)

    def _join(self, values: Iterable[Any], between: str = "", attribute: str | None = None) -> str:
        found = values if attribute is None else (self.getitem(value, attribute) for value in values)
        return self.concat(
            part
            for at, value in enumerate(found)
            for part in ((between, str(value)) if at else (str(value),))
        )

    def strftime_now(self, form: str) -> str:
        """Return the local time in a form of strftime."""
        return datetime.fromtimestamp(self._clock.unix_s()).strftime(form)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Let a template change its own lists, as llama.cpp does; no list outlives a rendering."""
        fills = isinstance(obj, list) and attr in ("append", "pop")
        return fills or super().is_safe_attribute(obj, attr, value)

    def _generate(self, source: nodes.Template, *args: Any, **keys: Any) -> str:
        bounded = _Bounding().visit(source)
        bounded.set_environment(self)
        return super()._generate(bounded, *args, **keys)


class _GenerationBlock(Extension):
    """`{% generation %}` marks a model's answer for training; here only its content counts."""

    tags = frozenset({"generation"})  # type: ignore[assignment]  # Jinja says set.

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Bounding(NodeTransformer):
    """Adds a time check to loops and macros, and the text limit to the operator `~`.

    `schema.items` without a call is the key of a JSON schema, not the method of a dict."""

    def __init__(self) -> None:
        self._called: set[int] = set()

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  the name is Jinja's
        self._called.add(id(node.node))
        self.generic_visit(node)
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        is_called = id(node) in self._called
        if is_called or node.ctx != "load" or not hasattr(dict, node.attr):
            return node
        return nodes.Getitem(node.node, nodes.Const(node.attr), node.ctx, lineno=node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        return self._with_step(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._with_step(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._with_step(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _method("join", node.nodes, node.lineno)

    def _with_step(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_method("step", [], node.lineno), lineno=node.lineno))
        return node


def _method(name: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
    attribute = nodes.EnvironmentAttribute(name, lineno=line)
    return nodes.Call(attribute, arguments, [], None, None, lineno=line)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter with the limits applied."""

    @functools.wraps(function)  # Jinja marks filters that take the context.
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _check_call(name, *args, *kwargs.values())
        return function(*args, **kwargs)

    return bounded


def _check_call(name: str, *values: object) -> None:
    """Raise TooLarge if the result of this function or filter would be over the limit."""
    texts = [value for value in values if isinstance(value, str)]
    size: float = max((value for value in values if isinstance(value, int)), default=0) * (
        MAX_TEXT_CHARS // MAX_WIDTH
    )
    if name == "replace" and len(texts) == 3:
        size = len(texts[0]) + texts[0].count(texts[1]) * len(texts[2])
    if name == "format" and texts:
        size = _formatted_size(texts[0], texts[1:])
    if size > MAX_TEXT_CHARS:
        raise TooLarge


def _result_size(operator: str, left: Any, right: Any) -> float:
    """Return the size of a result, as `_size` counts; infinity for a number over its limit."""
    sizes = [_size(left), _size(right)]
    if operator == "+":
        return sum(size for size in sizes if size is not None)
    if operator == "%":
        return _formatted_size(left, right if isinstance(right, tuple) else (right,))
    if sizes == [None, None]:
        return math.inf if _bits(operator, left, right) > MAX_INT_BITS else 0
    times, size = (right, sizes[0]) if sizes[1] is None else (left, sizes[1])
    return times * size if isinstance(times, int) and size is not None else 0


def _size(value: object) -> int | None:
    """Return the size of a text or a list in characters; None for a value without a size."""
    if isinstance(value, str):
        return len(value)
    return 16 * len(value) if isinstance(value, (list, tuple)) else None


def _formatted_size(form: object, values: Iterable[object]) -> float:
    if not isinstance(form, str):
        return 0
    if _WIDE_FORMAT.search(form):
        return math.inf
    return len(form) + sum(len(value) for value in values if isinstance(value, str))


def _bits(operator: str, left: Any, right: Any) -> int:
    if not (isinstance(left, int) and isinstance(right, int)):
        return 0
    bits, others = left.bit_length(), right.bit_length()
    return bits * max(0, right) if operator == "**" else bits + others


def _raise_exception(message: object = "") -> str:
    raise Refused(str(message))


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON without HTML's escapes; the parameters are those of transformers."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
