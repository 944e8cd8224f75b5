"""The grammar of an answer that calls tools, for llguidance: Lark with special tokens and JSON schemas."""

import json
from collections.abc import Sequence

from gateway.engine.calls.bare_grammar import bare_rules
from gateway.engine.calls.form import CallForm, ParameterForm, Segment, Slot
from gateway.engine.calls.offered import CallableTool, ParameterValue, Schema, ToolParameter
from gateway.engine.calls.special import SpecialTokens
from gateway.engine.calls.text_grammar import ANY_TEXT, escaped, text_and_end

MAX_CALLS = 32
"""Most calls of one answer."""
_SLOTS = {Slot.ID: "/[A-Za-z0-9]{9}/", Slot.INDEX: "/[0-9]{1,3}/"}


def call_grammar(
    form: CallForm,
    tools: Sequence[CallableTool],
    special: SpecialTokens,
    *,
    is_required: bool,
    is_single: bool,
    text_schema: Schema | None = None,
) -> str:
    """Return the grammar of an answer.

    Unless calls are required, the answer may be a text, before calls too; with `text_schema` it is JSON, or
    calls.
    """
    writer = _Writer(form, special)
    calls = writer.calls(tools, most=1 if is_single or form.between is None else MAX_CALLS)
    start = writer.start(calls, is_required=is_required, text_schema=text_schema)
    return "\n".join(["%llguidance {}", f"start: {start}", *writer.lines, ""])


def name_in(form: CallForm, name: str) -> str:
    """Return the name of a tool as calls of a form hold it."""
    is_json = form.parameters is None and _first(form.middle).startswith('"')
    return json.dumps(name, ensure_ascii=False)[1:-1] if is_json else name


def _first(segment: Segment) -> str:
    return next((part for part in segment if isinstance(part, str)), "")


class _Writer:
    """Collects the rules of one grammar."""

    def __init__(self, form: CallForm, special: SpecialTokens) -> None:
        self._form = form
        self._special = special
        self.lines: list[str] = []

    def start(self, calls: str, *, is_required: bool, text_schema: Schema | None) -> str:
        """Return the body of the first rule."""
        form = self._form
        opening = self._segment(form.opening)
        if is_required:
            return f"{opening} {calls}"
        if text_schema is not None:
            return f"{self._json(text_schema)} | {opening} {calls}"
        trigger = form.trigger
        rest = self._segment((_first(form.opening)[len(trigger) :], *form.opening[1:]))
        token = self._special.token(trigger)
        if form.is_at_start:
            return self._told_at_start(trigger, f"{rest} {calls}")
        self.lines.append(f"TEXT: /{ANY_TEXT}/")
        free = self._free([] if token is None else [token])
        if token is not None:
            return f"{free} (<[{token}]> {rest} {calls})?"
        self.lines.append(f"until_calls[lazy]: TEXT {json.dumps(trigger, ensure_ascii=False)}")
        return f"{free} | {free} until_calls {rest} {calls}"

    def _told_at_start(self, trigger: str, calls: str) -> str:
        """Return the first rule of a form whose calls have no mark: a text must not begin like one."""
        form = self._form
        if not trigger:
            self.lines.append(f"TEXT: /{ANY_TEXT}/")
            return f"{calls} | {self._special.lark(form.text_opening)} {self._free([])}"
        self.lines.append(f"TEXT: /{ANY_TEXT}/")
        self.lines.append(f"NO_CALL: /{ANY_TEXT}/ & ~/{escaped(trigger)}{ANY_TEXT}/")
        others = self._special.others([])
        more = f" ({others} | TEXT)*" if others else ""
        return f"NO_CALL{more} | {json.dumps(trigger)} {calls}"

    def _free(self, without: Sequence[int]) -> str:
        others = self._special.others(without)
        return f"(TEXT | {others})*" if others else "TEXT?"

    def calls(self, tools: Sequence[CallableTool], *, most: int) -> str:
        """Return a rule of calls, after the opening, up to the closing."""
        names = [self._rule(self._call(tool)) for tool in tools]
        call = self._rule(" | ".join(names))
        more = ""
        if most > 1 and self._form.between is not None:
            more = f" ({self._segment(self._form.between)} {call}){{0,{most - 1}}}"
        return self._rule(f"{call}{more} {self._segment(self._form.closing)}")

    def _call(self, tool: CallableTool) -> str:
        form = self._form
        if form.parameters is None:
            arguments = self._json(tool.schema)
        else:
            arguments = self._parameters(tool.parameters, form.parameters)
        # One literal: where a name ends is told by what follows it.
        first = _first(form.middle) if form.middle and isinstance(form.middle[0], str) else ""
        head = self._special.lark(name_in(form, tool.name) + first)
        return f"{head} {self._segment(form.middle[1:] if first else form.middle)} {arguments}"

    def _parameters(self, parameters: Sequence[ToolParameter], form: ParameterForm) -> str:
        """Return the parameters in order, those that are not required or not."""
        separator = self._special.lark(form.separator)
        first = following = '""'
        for parameter in reversed(parameters):
            one = self._rule(
                " | ".join(self._parameter(parameter, value, form) for value in parameter.values)
            )
            is_free = not parameter.is_required
            first, following = (
                self._rule(f"{one} {following}" + (f" | {first}" if is_free else "")),
                self._rule(f"{separator} {one} {following}" + (f" | {following}" if is_free else "")),
            )
        return first

    def _parameter(self, parameter: ToolParameter, value: ParameterValue, form: ParameterForm) -> str:
        is_text = value.form in ("text", "quoted")
        name_end = form.string_name_end if is_text else form.name_end
        head = self._special.lark(form.opening + parameter.name + name_end)
        if is_text:
            return f"{head} {self._text(value, form)}"
        if value.form == "bare":
            body = bare_rules(value.schema, form, self._special, rule=self._rule, terminal=self._terminal)
        else:
            body = self._json(value.schema)
        return f"{head} {body} {self._special.lark(form.value_end)}"

    def _text(self, value: ParameterValue, form: ParameterForm) -> str:
        """Return a text and its end."""
        end = form.string_value_end
        if value.choices:
            return "(" + " | ".join(self._special.lark(choice + end) for choice in value.choices) + ")"
        if value.form == "quoted":
            return f"{self._terminal(QUOTED)} {self._special.lark(end)}"
        return text_and_end(value.schema, end, self._special, self._terminal)

    def _json(self, schema: Schema) -> str:
        return self._rule(f"%json {json.dumps(schema)}")

    def _segment(self, segment: Segment) -> str:
        return " ".join(
            _SLOTS[part] if isinstance(part, Slot) else self._special.lark(part) for part in segment if part
        )

    def _rule(self, body: str) -> str:
        self.lines.append(f"r{len(self.lines)}: {body}")
        return f"r{len(self.lines) - 1}"

    def _terminal(self, body: str) -> str:
        self.lines.append(f"T{len(self.lines)}: {body}")
        return f"T{len(self.lines) - 1}"


QUOTED = r"/([^'\\\n]|\\['\\n])*/"
"""A string of Python without its quotes."""
