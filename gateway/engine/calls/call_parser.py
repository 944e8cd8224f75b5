"""Reads calls of tools from the tokens of an answer, while they are generated.

A small model may write one call again and again. So the same name with the same arguments ends the calls,
and is no call of the answer: what may become such a call is held back.
"""

import codecs
import json
import secrets
import string
from collections.abc import Callable, Generator, Sequence

from gateway.domain.answer import ToolCallDelta
from gateway.engine.calls.call_grammar import name_in
from gateway.engine.calls.characters import BadCall, CharacterReader, Parsing
from gateway.engine.calls.form import CallForm, ParameterForm, Segment
from gateway.engine.calls.offered import CallableTool, ParameterValue
from gateway.engine.calls.special import SpecialTokens
from gateway.engine.text import held_length

_END = "\ue000"
"""A character that no form has: the answer has ended."""
_ID_CHARS = 24
_ID_ALPHABET = string.ascii_letters + string.digits


def new_call_id() -> str:
    """Return an id for a call."""
    return "call_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARS))


class CallParser:
    """Divides the tokens of one answer into text and calls; its grammar has seen to it that they parse."""

    def __init__(
        self,
        form: CallForm,
        tools: Sequence[CallableTool],
        special: SpecialTokens,
        *,
        is_required: bool,
        is_single: bool,
        is_told_at_start: bool = False,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        """`is_told_at_start`: an answer that does not begin with a call has none."""
        self._form = form
        self._tools = tools
        self._special_texts = special.texts()
        self._is_special_trigger = special.token(form.trigger) is not None
        self._is_told_at_start = is_told_at_start or form.is_at_start
        self._is_single = is_single or form.between is None
        self._new_id = new_id
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._reader = CharacterReader()
        self._parsing: Parsing | None = None
        self._is_over = False
        self._held = ""
        self._is_begun = False
        self._deltas: list[ToolCallDelta] = []
        self._calls = 0
        self._name = self._arguments = ""
        """Of the call that is read, as far as they came; no name: none is."""
        self._earlier: list[tuple[str, str]] = []
        """Names and arguments of the calls so far."""
        self._is_repeated = False
        """Whether a call that came again ended the calls."""
        self._closing: int | None = None
        """The number of the closing among the texts that may come now."""
        if is_required:
            self._begin(form.opening)

    @property
    def is_over(self) -> bool:
        """Whether the calls have ended, so that nothing can follow."""
        return self._is_over

    @property
    def is_around_calls(self) -> bool:
        """Whether the last token is of calls, but of no name and no value in them."""
        return self._parsing is not None and not self._reader.is_leaf

    def push(self, token: int, piece: bytes) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """Take the next token; return the text and the pieces of calls that may be sent now."""
        self._reader.is_leaf = False
        text, special = self._decoder.decode(piece), self._special_texts.get(token)
        if self._parsing is not None:
            self._feed(text if special is None else special)
            return "", self._taken()
        if special is not None and special == self._form.trigger:
            shown, self._held = self._held.rstrip(), ""
            self._begin(self._after_trigger())
            return shown, self._taken()
        return self._take_text(text), self._taken()

    def finish(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """Return what was held back, after the last token."""
        if self._parsing is None:
            shown, self._held = self._held, ""
            return shown, ()
        if self._closing is not None and self._reader.reached == self._closing:
            self._feed(_END)
        return "", self._taken()

    def _begin(self, rest: Segment) -> None:
        self._parsing = self._parse(rest)
        next(self._parsing)

    def _feed(self, text: str) -> None:
        for sign in text:
            if self._is_repeated:
                return
            if self._is_over or self._parsing is None:
                raise BadCall
            try:
                self._parsing.send(sign)
            except StopIteration:
                self._is_over = True

    def _taken(self) -> tuple[ToolCallDelta, ...]:
        self._flush()
        may_repeat = any(
            name == self._name and arguments.startswith(self._arguments) for name, arguments in self._earlier
        )
        held = self._calls - 1 if may_repeat else self._calls
        deltas, self._deltas = self._deltas, [each for each in self._deltas if each.index == held]
        return tuple(each for each in deltas if each.index != held)

    def _flush(self) -> None:
        """Make a piece of the arguments that were read."""
        if self._reader.written:
            arguments, self._reader.written = self._reader.written, ""
            self._arguments += arguments
            if self._deltas and self._deltas[-1].index == self._calls - 1:
                last = self._deltas.pop()
                arguments = last.arguments_json + arguments
                self._deltas.append(
                    ToolCallDelta(index=last.index, id=last.id, name=last.name, arguments_json=arguments)
                )
            else:
                self._deltas.append(ToolCallDelta(index=self._calls - 1, arguments_json=arguments))

    def _take_text(self, text: str) -> str:
        """Take a part of the text before calls; return what of it may be shown."""
        self._held += text
        if self._is_told_at_start:
            return self._told_at_start()
        trigger = self._form.trigger
        kept = 0
        if not self._is_special_trigger:
            if (at := self._held.find(trigger)) >= 0:
                shown, rest, self._held = self._held[:at], self._held[at + len(trigger) :], ""
                self._begin(self._after_trigger())
                self._feed(rest)
                return shown.rstrip()
            kept = held_length(self._held, (trigger,))
        # White space before a call belongs to its form.
        size = len(self._held[: len(self._held) - kept].rstrip())
        shown, self._held = self._held[:size], self._held[size:]
        return shown

    def _after_trigger(self) -> Segment:
        first = self._form.opening[0]
        return (str(first)[len(self._form.trigger) :], *self._form.opening[1:])

    def _told_at_start(self) -> str:
        """Decide by the beginning of the answer whether it is a call; return its text otherwise."""
        if not self._is_begun:
            heads = [self._form.trigger] if self._form.trigger else [self._head(tool) for tool in self._tools]
            if any(self._held.startswith(head) for head in heads):
                held, self._held = self._held, ""
                self._begin(self._form.opening)
                self._feed(held)
                return ""
            opening = self._form.text_opening
            if any(head.startswith(self._held) for head in (*heads, opening)) and self._held != opening:
                return ""
            self._held = self._held.removeprefix(opening)
            self._is_begun = True
        shown, self._held = self._held, ""
        return shown

    def _head(self, tool: CallableTool) -> str:
        first = self._form.middle[0] if self._form.middle else ""
        return name_in(self._form, tool.name) + str(first)

    def _parse(self, opening: Segment) -> Parsing:
        """Parse calls up to their end."""
        reader, form = self._reader, self._form
        yield from reader.one_of([opening])
        heads = [(name_in(form, tool.name), *form.middle) for tool in self._tools]
        while True:
            tool = self._tools[(yield from reader.one_of(heads, begins_with_name=True))]
            self._calls += 1
            self._name = tool.name
            self._deltas.append(ToolCallDelta(index=self._calls - 1, id=self._new_id(), name=tool.name))
            if form.parameters is None:
                yield from reader.json_value()
                is_last = self._ends_with_call() or (yield from self._ending())
            else:
                is_last = yield from self._parameters(tool, form.parameters)
                is_last = self._ends_with_call() or is_last
            if is_last:
                return

    def _ends_with_call(self) -> bool:
        """End a call; return whether it came before, so that it is dropped and ends the calls."""
        self._flush()
        call = (self._name, self._arguments)
        self._name = self._arguments = ""
        if call in self._earlier:
            self._calls -= 1
            self._deltas = [each for each in self._deltas if each.index < self._calls]
            self._is_repeated = True
        self._earlier.append(call)
        return self._is_repeated

    @property
    def _ends(self) -> list[Segment]:
        """What may follow a call: the end, and the next call."""
        ends = [self._form.closing]
        return ends if self._is_single or self._form.between is None else [*ends, self._form.between]

    def _ending(self) -> Generator[None, str, bool]:
        """Read what follows a call; return whether it was the last one."""
        return (yield from self._head_or_end([])) == 0

    def _head_or_end(self, heads: list[Segment]) -> Generator[None, str, int]:
        """Read one of some texts, the closing, or what is between calls; return its number."""
        self._closing = len(heads)
        found = yield from self._reader.one_of([*heads, *self._ends])
        self._closing = None
        return found

    def _parameters(self, tool: CallableTool, form: ParameterForm) -> Generator[None, str, bool]:
        """Read parameters and what follows them; return whether the call was the last one."""
        reader = self._reader
        values = [(each.name, value) for each in tool.parameters for value in each.values]
        separator, between = "", "{"
        while True:
            heads: list[Segment] = [
                (separator + form.opening + name + _name_end(value, form),) for name, value in values
            ]
            found = yield from self._head_or_end(heads)
            if found >= len(heads):
                reader.written += "}" if between != "{" else "{}"
                return found == len(heads)
            name, value = values[found]
            reader.written += between + json.dumps(name, ensure_ascii=False) + ": "
            separator, between = form.separator, ", "
            yield from self._value(value, form)

    def _value(self, value: ParameterValue, form: ParameterForm) -> Parsing:
        reader = self._reader
        if value.form == "text":
            yield from reader.text_until(form.string_value_end)
            return
        if value.form == "quoted":
            yield from reader.quoted()
            rest = form.string_value_end[1:]
        else:
            yield from (reader.bare_value(form.string_mark) if value.form == "bare" else reader.json_value())
            rest = form.value_end
        if rest:
            yield from reader.one_of([(rest,)])


def _name_end(value: ParameterValue, form: ParameterForm) -> str:
    return form.string_name_end if value.form in ("text", "quoted") else form.name_end
