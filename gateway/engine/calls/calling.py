"""How the model of an engine calls tools: found when it is loaded, used for each request that offers some."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.engine.calls.call_grammar import call_grammar
from gateway.engine.calls.call_parser import CallParser
from gateway.engine.calls.derive import PROBE_PARAMETERS, PROBE_TOOLS, Render, call_form
from gateway.engine.calls.form import FALLBACK, CallForm, ProbeCall
from gateway.engine.calls.offered import CallableTool, callable_tool
from gateway.engine.calls.special import SpecialTokens
from gateway.engine.calls.written import written
from gateway.engine.grammar.schema_grammar import prepared_schema
from gateway.engine.interfaces import GrammarRefused
from gateway.engine.template.chat_template import ChatTemplate, RenderOptions, TemplateBroken
from gateway.engine.template.turns import Turn, TurnCall, TurnTool

_QUESTION = "question 000001 here"
_PARAMETERS: Mapping[str, object] = {
    "type": "object",
    "properties": {name: {"description": "a value"} for name in PROBE_PARAMETERS},
}


class CallVocabulary(Protocol):
    """What is needed of a vocabulary; safe to call from any thread."""

    def special_tokens(self) -> Mapping[str, int]:
        """Return the tokens that no other text is tokenized to, by their texts."""
        ...

    def control_texts(self) -> tuple[str, ...]:
        """Return the texts of control tokens."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether a token ends generation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """The calls of one request: the grammar of its answer, and what reads it."""

    grammar: str = field(repr=False)
    new_parser: Callable[[], CallParser] = field(repr=False)


class ToolCalling:
    """Calls in the form of one model; used by any thread."""

    def __init__(self, form: CallForm, special: SpecialTokens, *, is_native: bool) -> None:
        """`is_native`: the template shows tools and writes calls; else a system text explains both."""
        self.form = form
        self.is_native = is_native
        self._special = special

    def turns(self, turns: Sequence[Turn], options: RenderOptions) -> tuple[list[Turn], RenderOptions]:
        """Return a conversation as the template takes it."""
        if self.is_native:
            return list(turns), options
        return written(turns, options.tools), replace(options, tools=())

    def plan(
        self,
        tools: Sequence[tuple[int, str, str]],
        *,
        is_required: bool,
        is_single: bool,
        text_schema: str | None = None,
    ) -> CallPlan:
        """Return the plan of a request; raises GrammarRefused.

        `tools` are (number in the request, name, schema of the arguments) of those that may be called.
        `text_schema` is the schema of an answer that calls none.
        """
        found = [self._tool(*each) for each in tools]
        grammar = call_grammar(
            self.form,
            found,
            self._special,
            is_required=is_required,
            is_single=is_single,
            text_schema=None if text_schema is None else json.loads(prepared_schema(text_schema)),
        )

        def new_parser() -> CallParser:
            return CallParser(
                self.form,
                found,
                self._special,
                is_required=is_required,
                is_single=is_single,
                is_told_at_start=text_schema is not None,
            )

        return CallPlan(grammar=grammar, new_parser=new_parser)

    def _tool(self, number: int, name: str, schema: str) -> CallableTool:
        try:
            return callable_tool(name, schema, self.form, lambda text: json.loads(prepared_schema(text)))
        except GrammarRefused as error:
            raise GrammarRefused(f"[{number}].parameters_json_schema: {error}") from None


def tool_calling(
    template: ChatTemplate, vocabulary: CallVocabulary, *, is_asked: bool | None
) -> ToolCalling | None:
    """Return how a model calls tools; None: it cannot, or is not to.

    `is_asked` is what the policy says; True gives a model without a form of its own the commonest one.
    """
    if is_asked is False:
        return None
    controls = set(vocabulary.control_texts())
    tokens = {
        text: token
        for text, token in vocabulary.special_tokens().items()
        if text in controls or (text.startswith("<") and text.endswith(">"))
    }
    ends = {text: token for text, token in tokens.items() if vocabulary.is_end(token)}
    special = SpecialTokens(tokens, ends=ends.values())
    form = call_form(_renderer(template), ends=ends) if template.facts.takes_tools else None
    if form is not None:
        return ToolCalling(form, special, is_native=True)
    return ToolCalling(FALLBACK, special, is_native=False) if is_asked else None


def _renderer(template: ChatTemplate) -> Render:
    """Return what renders test conversations."""
    tools = tuple(TurnTool(name, "Does what a probe asks.", _PARAMETERS) for name in PROBE_TOOLS)

    def render(text: str, calls: Sequence[ProbeCall]) -> str | None:
        turns = [Turn("user", _QUESTION)]
        found = tuple(TurnCall(each.id, each.name, json.dumps(each.arguments)) for each in calls)
        if text or calls:
            turns.append(Turn("assistant", text, found))
        options = RenderOptions(tools=tools, add_generation_prompt=len(turns) == 1)
        try:
            return template.render(turns, options)
        except TemplateBroken:
            return None

    return render
