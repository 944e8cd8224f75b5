"""Finds the form of a model's calls: renders its template with and without calls, and compares.

Nothing here knows a model by its name: a form is what the template writes around names and arguments that
no template knows.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.engine.calls.differences import (
    NoForm,
    common_end,
    common_start,
    indexed,
    indexed_whole,
    segment_of,
    without_ids,
    written_forms,
)
from gateway.engine.calls.form import CallForm, ParameterForm, ProbeCall

Render = Callable[[str, Sequence[ProbeCall]], str | None]
"""Renders a question, and an answer of a text and calls, with the tools of `PROBE_TOOLS` offered; without
both, the question and the start of an answer. Returns None if the template refuses it."""

PROBE_TOOLS = ("probe_alpha", "probe_omega")
"""The names of the tools, whose parameters are `PROBE_PARAMETERS`."""
PROBE_PARAMETERS = ("kalpha", "komega")
_TEXT = "zanswer 4712"
_IDS = (("Probe0001", "Probe0002"), ("Query7113", "Query7224"))
"""Two sets of ids: where renderings differ, they hold ids."""
_ESCAPED = 'zquote " back \\ line \n tab \t end'
_VALUES: Mapping[str, object] = {
    "string": "zvalue",
    "number": 4177,
    "boolean": True,
    "object": {"knested": "znested"},
    "array": [4188],
}


def call_form(render: Render, *, ends: Iterable[str]) -> CallForm | None:
    """Return how a template writes calls; None if it writes none, or in no form that is known.

    `ends` are the texts of tokens that end an answer.
    """
    try:
        return _Prober(render, tuple(ends)).form()
    except NoForm:
        return None


class _Prober:
    """Renders probes of one template."""

    def __init__(self, render: Render, ends: tuple[str, ...]) -> None:
        self._render = render
        self._ends = ends
        plain = render(_TEXT, ())
        if plain is None or _TEXT not in plain:
            raise NoForm
        self._plain = plain
        at = plain.rindex(_TEXT)
        self._plain_end = self._cut(plain[at + len(_TEXT) :])
        one = self._rendered([({}, 0)])
        self._start = min(len(common_start(plain, one)), at)
        self._text_opening = plain[self._start : at]
        prompt = render("", ()) or ""
        self._prompt_end = prompt[len(common_start(plain, prompt)) :]

    def form(self) -> CallForm:
        """Return the form; raises NoForm."""
        opening, after = self._split([({}, 0)])
        arguments = {PROBE_PARAMETERS[0]: "zvalue", PROBE_PARAMETERS[1]: 4177}
        _, with_arguments = self._split([(arguments, 0)])
        found = next(
            (at for text in written_forms(arguments) if (at := with_arguments.find(text)) >= 0), None
        )
        if found is None:
            middle, closing, parameters = self._parameters(after)
        else:
            middle, parameters = with_arguments[:found], None
            rest = with_arguments[found:]
            closing = rest[next(len(text) for text in written_forms(arguments) if rest.startswith(text)) :]
        between = self._between(middle, is_json=parameters is None)
        if between is not None:
            middle_of_second = between[1]
            opening, first_between = indexed(opening, between[0])
            middle, _ = indexed_whole(middle, middle_of_second)
            between = (first_between, middle)
        form = CallForm(
            opening=segment_of(opening.removeprefix(self._prompt_end).lstrip("\n")),
            middle=segment_of(middle),
            between=None if between is None else segment_of(between[0]),
            closing=segment_of(closing.rstrip()),
            parameters=parameters,
            text_opening="" if "<" in self._text_opening else self._text_opening.lstrip(),
        )
        self._check(form)
        return form

    def _check(self, form: CallForm) -> None:
        """Raise NoForm if calls cannot be told from text by this form."""
        literals = [part for part in (*form.opening, *form.middle) if isinstance(part, str)]
        if any(text and text in part for text in (*self._ends, *PROBE_TOOLS) for part in literals):
            raise NoForm
        if form.trigger and form.trigger in self._plain_end:
            raise NoForm
        if not form.trigger and not self._text_opening:
            raise NoForm

    def _rendered(self, calls: Sequence[tuple[Mapping[str, object], int]]) -> str:
        """Return the prompt with calls of (arguments, number of the tool), ids replaced by marks."""
        texts = []
        for ids in _IDS:
            text = self._render(
                "",
                [
                    ProbeCall(ids[at], PROBE_TOOLS[tool], arguments)
                    for at, (arguments, tool) in enumerate(calls)
                ],
            )
            if text is None:
                raise NoForm
            texts.append(text)
        return without_ids(*texts)

    def _split(self, calls: Sequence[tuple[Mapping[str, object], int]]) -> tuple[str, str]:
        """Return what is before the first name of an answer, and what follows it, without its end."""
        text = self._rendered(calls)[self._start :]
        at = text.find(PROBE_TOOLS[0])
        if at < 0:
            raise NoForm
        return text[:at], self._without_end(text[at + len(PROBE_TOOLS[0]) :])

    def _without_end(self, text: str) -> str:
        cut = self._cut(text)
        return cut[: len(cut) - len(common_end(cut, self._plain_end))]

    def _cut(self, text: str) -> str:
        """Return a text up to a token that ends the answer."""
        return text[
            : min((at for end in self._ends if end and (at := text.find(end)) >= 0), default=len(text))
        ]

    def _between(self, middle: str, *, is_json: bool) -> tuple[str, str] | None:
        """Return what is between two calls, and the middle of the second; None: there is one call only."""
        try:
            _, after = self._split([({}, 0), ({}, 1)])
        except NoForm:
            return None
        at = after.find(PROBE_TOOLS[1])
        if at < 0:
            return None
        between, rest = after[:at], after[at + len(PROBE_TOOLS[1]) :]
        if not between.startswith(middle):
            return None
        between = between[len(middle) :]
        if not is_json:
            return between, middle
        end = next((rest.index(text) for text in ("{}", "{ }") if text in rest), -1)
        if end < 0 or not between.startswith("{}"):
            return None
        return between[2:], rest[:end]

    def _parameters(self, without: str) -> tuple[str, str, ParameterForm]:
        """Return the middle, the closing, and how parameters are written; `without` is a call without."""
        first, second = PROBE_PARAMETERS
        number = self._value(_VALUES["number"])
        if number is None:
            raise NoForm
        before, name_end, after = number
        _, both = self._split([({first: 4177, second: 4188}, 0)])
        found = re.search(f"4177(.*?){second}", both, re.DOTALL)
        if found is None:
            raise NoForm
        closing = common_end(without, after)
        middle, value_end = without[: len(without) - len(closing)], after[: len(after) - len(closing)]
        opening, rest = before[len(middle) :], found[1][len(value_end) :]
        if not (before.startswith(middle) and found[1].startswith(value_end) and rest.endswith(opening)):
            raise NoForm
        separator = rest[: len(rest) - len(opening)]
        return middle, closing, self._kinds(opening, separator, name_end, value_end, after)

    def _kinds(
        self, opening: str, separator: str, name_end: str, value_end: str, after: str
    ) -> ParameterForm:
        """Return how values of each kind are written, beside those of numbers."""
        found = self._value(_VALUES["string"])
        if found is None or not found[2].endswith(after):
            raise NoForm
        string_name_end = found[1]
        string_value_end = found[2][: len(found[2]) - len(after)] + value_end
        is_json = (string_name_end, string_value_end) == (name_end + '"', '"' + value_end)
        if is_json:
            string_name_end, string_value_end = name_end, value_end
        if (is_json and not self._escapes_as_json()) or not (is_json or string_value_end):
            raise NoForm
        for kind in ("boolean", "array"):
            other = self._value(_VALUES[kind])
            if other is not None and other[1] != name_end:
                raise NoForm
        return ParameterForm(
            opening=opening,
            separator=separator,
            name_end=name_end,
            value_end=value_end,
            string_name_end=string_name_end,
            string_value_end=string_value_end,
            is_json=is_json,
            is_quoted=not is_json
            and string_name_end == name_end + "'"
            and string_value_end == "'" + value_end,
            string_mark=self._mark() if self._value(_VALUES["object"]) is None else "",
        )

    def _value(self, value: object) -> tuple[str, str, str] | None:
        """Return what is before the name of a parameter, from there to its value, and after it."""
        name = PROBE_PARAMETERS[0]
        try:
            _, text = self._split([({name: value}, 0)])
        except NoForm:
            return None
        at = text.find(name)
        if at < 0:
            return None
        rest = text[at + len(name) :]
        for form in written_forms(value):
            if (found := rest.find(form)) >= 0:
                return text[:at], rest[:found], rest[found + len(form) :]
        return None

    def _escapes_as_json(self) -> bool:
        """Whether a string in double quotes has the escapes of JSON."""
        _, text = self._split([({PROBE_PARAMETERS[0]: _ESCAPED}, 0)])
        return json.dumps(_ESCAPED) in text

    def _mark(self) -> str:
        """Return what encloses strings in objects whose names have no quotes; raises NoForm."""
        _, text = self._split([({PROBE_PARAMETERS[0]: _VALUES["object"]}, 0)])
        found = re.search(r"\{knested:(.+?)znested(.+?)\}", text, re.DOTALL)
        if found is None or found[1] != found[2]:
            raise NoForm
        return found[1]
