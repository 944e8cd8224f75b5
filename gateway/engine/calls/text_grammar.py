"""The grammar of a string that is written as it is, up to a text that ends it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import cast

from gateway.engine.calls.offered import Schema
from gateway.engine.calls.special import SpecialTokens

ANY_TEXT = r"(.|\n)*"
"""The regular expression of any text."""


def text_and_end(schema: Schema, end: str, special: SpecialTokens, terminal: Callable[[str], str]) -> str:
    """Return an expression of Lark for a string of a schema and its end; `terminal` adds a terminal."""
    allowed = " & ".join(f"/{each}/" for each in _expressions(schema))
    parts = list(special.split(end))
    if isinstance(parts[0], int):
        return f"{terminal(allowed)} {special.lark(end)}"
    inside = f"/{ANY_TEXT}{escaped(parts[0])}{ANY_TEXT}/"
    body = f"({allowed} & ~{inside}) {json.dumps(parts[0], ensure_ascii=False)}"
    return f"{terminal(body)} {special.lark(end[len(parts[0]) :])}"


def _expressions(schema: Schema) -> Iterator[str]:
    """Yield regular expressions that a text must match, each as a whole."""
    least, most = cast(int, schema.get("minLength", 0)), cast("int | None", schema.get("maxLength"))
    if least or most is not None:
        yield rf"(.|\n){{{least},{'' if most is None else most}}}"
    else:
        yield ANY_TEXT
    if pattern := str(schema.get("pattern", "")):
        start = "" if pattern.startswith("^") else ANY_TEXT
        end = "" if re.search(r"(?<!\\)(\\\\)*\$$", pattern) else ANY_TEXT
        body = pattern.removeprefix("^") if end else pattern.removeprefix("^")[:-1]
        yield f"{start}({body}){end}".replace("/", r"\/")


def escaped(text: str) -> str:
    """Return a text as a regular expression of Lark."""
    return re.sub(r"([\\.+*?()|\[\]{}^$#&~/-])", r"\\\1", text).replace("\n", r"\n")
