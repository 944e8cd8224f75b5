"""Conversations of every kind for chat templates, with words that a test chooses."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from gateway.engine.template.chat_template import DEFAULT_OPTIONS, ChatTemplate, RenderOptions, TemplateBroken
from gateway.engine.template.turns import Turn, TurnCall, TurnTool

Word = Callable[[str], str]
"""Returns the text for a place, such as "first question"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCase:
    """A conversation of one kind."""

    turns: tuple[Turn, ...]
    options: RenderOptions = DEFAULT_OPTIONS


def tools_with(word: Word) -> tuple[TurnTool, ...]:
    """Return two tools with schemas as people write them."""
    weather = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": word("key description")},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "array", "items": {"type": "integer"}},
            word("key"): {"type": "boolean"},
        },
        "required": ["city"],
    }
    return (
        TurnTool(word("tool"), word("tool description"), weather),
        TurnTool("now", "Says what time it is.", {}),
    )


def cases_with(word: Word) -> dict[str, TemplateCase]:
    """Return a conversation of each kind."""
    question = Turn("user", word("first question"))
    values = {"city": word("first argument"), "days": [1, 2], word("key"): True}
    call = TurnCall(word("first id"), word("tool"), json.dumps(values, ensure_ascii=False))
    values = {"city": word("second argument")}
    other = TurnCall(word("second id"), word("tool"), json.dumps(values, ensure_ascii=False))
    result = Turn("tool", word("first result"), call_id=call.id, tool_name=call.name)
    second = Turn("tool", word("second result"), call_id=other.id, tool_name=other.name)
    thought = word("thought")
    offer = RenderOptions(tools=tools_with(word))
    system = Turn("system", word("system"))
    called = (system, question, Turn("assistant", calls=(call,)), result)
    histories = {
        "call": called,
        "parallel": (question, Turn("assistant", calls=(call, other)), result, second),
        "beside": (question, Turn("assistant", word("beside"), (call,)), result),
        "thought": (question, Turn("assistant", calls=(call,), reasoning=thought), result),
        "all": (
            question,
            Turn("assistant", word("beside"), (call, other), reasoning=thought),
            result,
            second,
        ),
        "loop": (*called, Turn("assistant", word("beside"), (other,)), second),
        "goes on": (*called, Turn("assistant", word("answer")), Turn("user", word("second question"))),
        "cuts in": (*called, Turn("user", word("second question"))),
    }
    plain = {
        "plain": (question,),
        "system": (system, question),
        "turns": (question, Turn("assistant", word("answer")), Turn("user", word("second question"))),
        "late system": (question, Turn("assistant", word("answer")), system, question),
        "reasoned": (question, Turn("assistant", word("answer"), reasoning=thought), question),
    }
    return (
        {name: TemplateCase(turns=turns) for name, turns in plain.items()}
        | {"offer": TemplateCase(turns=(system, question), options=offer)}
        | {name: TemplateCase(turns=turns, options=offer) for name, turns in histories.items()}
        | {f"{name} unoffered": TemplateCase(turns=turns) for name, turns in histories.items()}
        | {"thinking": TemplateCase(turns=(question,), options=RenderOptions(thinking=True))}
        | {"not thinking": TemplateCase(turns=(question,), options=RenderOptions(thinking=False))}
        | {"high": TemplateCase(turns=(question,), options=RenderOptions(effort="high"))}
    )


def outcome_of(template: ChatTemplate, name: str) -> str:
    """Return what a template makes of a case: "yes", "folded", what it lost, or the field it refuses."""
    case = cases_with(lambda place: f"[{place}]".replace(" ", "-"))[name]
    try:
        fitted = template.fit(case.turns, case.options)
        prompt = template.render(fitted, case.options)
    except TemplateBroken as error:
        return f"refused {error.field}"
    for turn in case.turns:
        texts = [turn.text, *(json.loads(call.arguments)["city"] for call in turn.calls)]
        if lost := [text for text in texts if text not in prompt]:
            return f"lost {lost}"
    if case.options.tools and not all(text in prompt for text in ("[tool-description]", "[tool]", "now")):
        return "lost a tool"
    return "yes" if fitted == list(case.turns) else "folded"
