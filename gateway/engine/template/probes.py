"""Finds out what a chat template can render, and how it wants it, by rendering test conversations."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product

from gateway.domain.template_facts import TemplateFacts
from gateway.engine.template.conventions import (
    EFFORT_VARIABLES,
    EFFORTS,
    IDS,
    NO_TOOLS,
    REASONING_KEYS,
    THINKING,
    TOOL_FORMS,
    TOOL_VARIABLES,
    TemplateConvention,
)
from gateway.engine.template.turns import Turn, TurnCall, TurnTool

TOOL = TurnTool(
    "probe_tool",
    "Does what a probe asks.",
    {
        "type": "object",
        "properties": {"probe_key": {"type": "string", "description": "A text."}},
        "required": ["probe_key"],
    },
)
"""The tool that tests offer and call."""
_SPARSE = TurnTool("probe_tool", "", {"properties": {"probe_key": {}, "list": {"items": {}}}})
"""A tool whose schema leaves out what is optional."""
_SHOWN = (TOOL.name, "probe_key")
"""What of the tool a prompt has to show."""
_ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
_KIND = re.compile("([suatcb])([0-9]*)(r?)")
_REASONING = "a test thought"
_ESCAPED = re.compile(r"""\{'probe_key|\{\\"probe_key""")
"""Arguments as Python prints them, or as JSON inside JSON: the template wanted the other form."""
_PRINTED = re.compile("""['"](text|thinking)['"]: ?['"]""")
"""A part of content as Python or JSON: the template expects a text."""
_BEGINS_REASONING = re.compile(
    r"[<\[]\|?[a-z_:]*(think|thinking|thought|reasoning)[a-z_:]*\|?[>\]]$", re.IGNORECASE
)
"""A tag that opens a block of reasoning, at the end of a prompt."""
_OPEN_TAG = re.compile(r"[<\[][^<>\[\]]*$")
"""The beginning of a tag at the end of a text."""
_ENDS_REASONING = re.compile(r"[<\[]\|?(/|end)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Probe:
    """A test conversation, and how it is rendered."""

    turns: Sequence[Turn]
    convention: TemplateConvention
    tools: tuple[TurnTool, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    add_generation_prompt: bool = True


Try = Callable[[Probe], str | None]
"""Returns the prompt of a test; None if the template refuses it."""


def turns_of(order: str) -> list[Turn]:
    """Return the test conversation of an order of `turns.order_of`: every text in it is another."""
    kinds = _KIND.findall(order)
    turns: list[Turn] = []
    waiting: list[str] = []
    for number, (kind, count, thinks) in enumerate(kinds):
        text = f"text {number:06} of {len(kinds):06}"
        reasoning = _REASONING if thinks else ""
        if kind in "cb":
            value = f"value {number:06} of {len(kinds):06}"
            calls = tuple(
                TurnCall(f"call_{number:06}{each:06}", TOOL.name, f'{{"probe_key": "{value} {each}"}}')
                for each in range(int(count or 1))
            )
            waiting = [call.id for call in calls]
            turns.append(Turn("assistant", text if kind == "b" else "", calls, reasoning=reasoning))
        elif kind == "t":
            call_id = waiting.pop(0) if waiting else f"call_{number:06}"
            turns.append(Turn("tool", text, call_id=call_id, tool_name=TOOL.name))
        else:
            turns.append(Turn(_ROLES[kind], text, reasoning=reasoning))
    return turns


def neighbours_in(order: str) -> frozenset[tuple[str, str]]:
    """Return which kinds of turns follow each other, and which is the first and the last."""
    kinds = ["", *("".join(kind) for kind in _KIND.findall(order)), ""]
    return frozenset(pairwise(kinds))


def texts_of(turns: Sequence[Turn]) -> Iterator[str]:
    """Yield the texts of a test conversation that its prompt has to hold."""
    for turn in turns:
        if turn.text:
            yield turn.text
        for call in turn.calls:
            yield call.arguments.split('"')[3]


def probe(render: Try) -> tuple[TemplateConvention, TemplateFacts]:
    """Return how a template wants its variables, and what it renders."""
    convention = _of_content(render)
    convention = _of_tools(render, convention)
    convention, calls = _of_calls(render, convention)
    facts = TemplateFacts(tools=bool(convention.tool_variable), calls=calls)
    facts = _with_switches(render, convention, facts)
    convention = _of_reasoning(render, convention, facts)
    # A tool turn may be shown as any role is; so without tools it says nothing about results.
    order = "uc1t" if calls else "ut" if facts.tools else None
    facts = replace(facts, results=order is not None and _shows(render, convention, order))
    if calls:
        facts = replace(
            facts,
            parallel_calls=_shows(render, convention, "uc2tt"),
            text_beside_calls=_shows(render, convention, "ub1t"),
        )
    return convention, _with_reasoning(render, convention, facts)


def _of_content(render: Try) -> TemplateConvention:
    """Return the first convention in which a message of the user appears."""
    conventions = [
        TemplateConvention(has_parts=has_parts, no_tools=no_tools)
        for has_parts, no_tools in product((False, True), NO_TOOLS)
    ]
    return next((each for each in conventions if _shows(render, each, "u")), conventions[0])


def _of_tools(render: Try, convention: TemplateConvention) -> TemplateConvention:
    """Return the convention in which offered tools appear; unchanged if there is none."""
    turns = turns_of("u")
    for variable, form in product(TOOL_VARIABLES, TOOL_FORMS):
        candidate = replace(convention, tool_variable=variable, tool_form=form)
        prompt = render(Probe(turns, candidate, tools=(TOOL,)))
        if prompt is not None and all(text in prompt for text in (*_SHOWN, turns[0].text)):
            is_sparse = render(Probe(turns, candidate, tools=(_SPARSE,))) is not None
            return replace(candidate, has_filled_schemas=not is_sparse)
    return convention


def _of_calls(render: Try, convention: TemplateConvention) -> tuple[TemplateConvention, bool]:
    """Return the convention in which a call and its result appear, and whether there is one."""
    tools, turns = _tools(convention), turns_of("uc1t")
    without = render(Probe(turns_of("u"), convention, tools)) or ""
    found: list[TemplateConvention] = []
    for is_null, has_object, ids in product((False, True), (True, False), IDS):
        candidate = replace(convention, has_null_content=is_null, has_object_arguments=has_object, ids=ids)
        prompt = render(Probe(turns, candidate, tools)) or ""
        if not _holds(prompt, turns) or prompt.count(TOOL.name) <= without.count(TOOL.name):
            continue
        if len(_ESCAPED.findall(prompt)) > len(_ESCAPED.findall(without)):
            continue
        if prompt.count(candidate.ids_of(turns)[turns[1].calls[0].id]) != 1:
            return candidate, True
        found.append(candidate)  # Only if no other does: its result names an id that its call does not.
    return (found[0], True) if found else (convention, False)


def _tools(convention: TemplateConvention) -> tuple[TurnTool, ...]:
    return (TOOL,) if convention.tool_variable else ()


def _shows(render: Try, convention: TemplateConvention, order: str) -> bool:
    """Whether every text of a test conversation appears, and none as Python or JSON."""
    turns = turns_of(order)
    prompt = render(Probe(turns, convention, _tools(convention) if len(turns) > 1 else ()))
    if prompt is None:
        return False
    return not (convention.has_parts and _PRINTED.search(prompt)) and _holds(prompt, turns)


def _holds(prompt: str, turns: Sequence[Turn]) -> bool:
    return all(text in prompt for text in texts_of(turns))


def _with_switches(render: Try, convention: TemplateConvention, facts: TemplateFacts) -> TemplateFacts:
    """Return the facts with the variables of thinking and effort."""

    def prompt(**variables: object) -> str | None:
        return render(Probe(turns_of("u"), convention, variables=variables))

    unset = prompt()
    for variable, (on, off) in THINKING.items():
        prompts = (prompt(**{variable: on}), prompt(**{variable: off}))
        if None not in prompts and prompts[0] != prompts[1]:
            default = {prompts[0]: True, prompts[1]: False}.get(unset)
            facts = replace(facts, thinking_variable=variable, thinks_by_default=default)
            break
    switch = _switch(facts, is_on=True)
    for variable in EFFORT_VARIABLES:
        by_effort = {effort: prompt(**switch, **{variable: effort}) for effort in EFFORTS}
        known = {effort: text for effort, text in by_effort.items() if text is not None}
        if len(set(known.values())) > 1:
            return replace(facts, effort_variable=variable, efforts=tuple(known))
    return facts


def _switch(facts: TemplateFacts, *, is_on: bool) -> dict[str, object]:
    if not facts.thinking_variable:
        return {}
    return {facts.thinking_variable: THINKING[facts.thinking_variable][not is_on]}


def _of_reasoning(render: Try, convention: TemplateConvention, facts: TemplateFacts) -> TemplateConvention:
    """Return the convention in which reasoning appears once; unchanged if there is none."""
    for key, order in product(REASONING_KEYS, ("uc1rt", "uar")):
        candidate = replace(convention, reasoning_key=key)
        prompt = _thinking_prompt(render, candidate, facts, order)
        if prompt is not None and prompt.count(_REASONING) == 1:
            return candidate
    return convention


def _thinking_prompt(
    render: Try, convention: TemplateConvention, facts: TemplateFacts, order: str
) -> str | None:
    """Return the prompt of a test with thinking on, without the start of an answer."""
    test = Probe(
        turns_of(order),
        convention,
        _tools(convention) if "c" in order else (),
        variables=_switch(facts, is_on=True),
        add_generation_prompt=False,
    )
    prompt = render(test)
    if prompt is None or (convention.reasoning_key == "parts" and _PRINTED.search(prompt)):
        return None
    return prompt if _holds(prompt, test.turns) else None


def _with_reasoning(render: Try, convention: TemplateConvention, facts: TemplateFacts) -> TemplateFacts:
    """Return the facts about reasoning in the history and at the end of the prompt."""
    order = "uc1rt" if facts.calls else "uar"
    shown = _thinking_prompt(render, convention, facts, order) if convention.reasoning_key else None
    on, off = (
        render(Probe(turns_of("u"), convention, variables=_switch(facts, is_on=is_on))) or ""
        for is_on in (True, False)
    )
    return replace(
        facts,
        reasoning=shown is not None and _REASONING in shown,
        begins_reasoning=_begins_reasoning(on, _thinking_prompt(render, convention, facts, "uar")),
        off_suffix=_beyond(on, off) if facts.thinking_variable else "",
    )


def _begins_reasoning(prompt: str, history: str | None) -> bool:
    """Whether a prompt ends where reasoning of the history begins, or with a tag that says so."""
    end = prompt.rstrip()
    tag = _BEGINS_REASONING.search(end)
    if tag and not _ENDS_REASONING.match(tag[0]):
        return True
    if history is None or _REASONING not in history:
        return False
    return history[: history.index(_REASONING)].rstrip() == end


def _beyond(on: str, off: str) -> str:
    """Return the end of a prompt after what it has in common with the end of another, in whole tags."""
    last = turns_of("u")[0].text
    on, off = on[on.rfind(last) :], off[off.rfind(last) :]
    differs = (at for at, (a, b) in enumerate(zip(on, off, strict=False)) if a != b)
    length = next(differs, min(len(on), len(off)))
    common = off[:length]
    tag = _OPEN_TAG.search(common)
    return off[tag.start() if tag else length :]
