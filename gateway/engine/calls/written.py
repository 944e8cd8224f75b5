"""A conversation with tools as plain turns, for a model whose template has no form for them."""

import json
from collections.abc import Sequence
from dataclasses import replace

from gateway.engine.template.turns import Turn, TurnTool

_BETWEEN = "\n\n"
_INTRODUCTION = (
    "You can call tools. Each line between <tools> and </tools> describes one as JSON, with a JSON schema of "
    "its arguments:"
)
_INSTRUCTION = (
    "To call a tool, answer with a JSON object of its name and arguments between <tool_call> and "
    '</tool_call>:\n<tool_call>\n{"name": "NAME", "arguments": {}}\n</tool_call>\n'
    "You then get the result between <tool_response> and </tool_response>."
)


def written(turns: Sequence[Turn], tools: Sequence[TurnTool]) -> list[Turn]:
    """Return the turns with calls and results as text, and the tools in a system text before them."""
    found = [_written_turn(turn) for turn in turns]
    if not tools:
        return found
    lines = (
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            ensure_ascii=False,
        )
        for tool in tools
    )
    text = "\n".join([_INTRODUCTION, "<tools>", *lines, "</tools>", _INSTRUCTION])
    if found and found[0].role == "system":
        return [replace(found[0], text=found[0].text + _BETWEEN + text), *found[1:]]
    return [Turn("system", text), *found]


def _written_turn(turn: Turn) -> Turn:
    if turn.role == "tool":
        return Turn("user", f"<tool_response>\n{turn.text}\n</tool_response>")
    calls = (
        f'<tool_call>\n{{"name": {json.dumps(call.name, ensure_ascii=False)}, '
        f'"arguments": {call.arguments or "{}"}}}\n</tool_call>'
        for call in turn.calls
    )
    return replace(turn, text="\n".join(part for part in (turn.text, *calls) if part), calls=())
