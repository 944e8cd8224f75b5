"""Small chat templates, one for each way in which models write calls of tools, and answers by their forms."""

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import numpy as np
from llguidance import LLTokenizer

from gateway.domain.answer import ToolCallDelta
from gateway.engine.calls.calling import CallPlan, ToolCalling, tool_calling
from gateway.engine.grammar.matcher import MatcherFactory
from gateway.engine.interfaces import Constraint
from gateway.engine.template.chat_template import ChatTemplate
from gateway.engine.v1 import engine_pb2

END = "<|end|>"
_JSON_CALL = '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
_EACH = "{% for c in m.tool_calls %}"
_PARAMETERS = "{% for k, v in c.function.arguments.items() %}"
_VALUE = "{{ v if v is string else v | tojson }}"
_PYTHON_CALL = (
    f"{{{{ c.function.name }}}}({_PARAMETERS}{{{{ k }}}}={{{{ v | tojson }}}}"
    "{{ ', ' if not loop.last }}{% endfor %})"
)
CALLS: Mapping[str, str] = {
    "json in tags": f"{_EACH}\n<tool_call>\n{_JSON_CALL}\n</tool_call>{{% endfor %}}",
    "json without tags": "{{ raise_exception('one call') if m.tool_calls | length > 1 }}"
    '{% set c = m.tool_calls[0] %}{"name": "{{ c.function.name }}", '
    '"parameters": {{ c.function.arguments | tojson }}}',
    "array with ids": f"[TOOL_CALLS][{_EACH}{_JSON_CALL[:-1]}, "
    '"id": "{{ c.id[-9:] }}"}{{ ", " if not loop.last }}{% endfor %}]',
    "name and json": _EACH
    + "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}",
    "numbered": "<calls>" + _EACH + "<call>functions.{{ c.function.name }}:{{ loop.index0 }}<arguments>"
    "{{ c.function.arguments | tojson }}</call>{% endfor %}</calls>",
    "name alone": _EACH + "{{ '>>>' if not loop.first }}{{ c.function.name }}\n"
    "{{ c.function.arguments | tojson }}{% endfor %}",
    "tagged parameters": f"{_EACH}<tool_call>\n<function={{{{ c.function.name }}}}>{_PARAMETERS}"
    "{{ '\\n' }}<parameter={{ k }}>\n" + _VALUE + "\n</parameter>{% endfor %}{{ '\\n' }}</function>\n"
    "</tool_call>{% endfor %}",
    "keys and values": f"{_EACH}<tool_call>{{{{ c.function.name }}}}{_PARAMETERS}"
    f"<arg_key>{{{{ k }}}}</arg_key><arg_value>{_VALUE}</arg_value>{{% endfor %}}</tool_call>{{% endfor %}}",
    "strings told apart": f'<calls>{_EACH}<invoke name="{{{{ c.function.name }}}}">\n{_PARAMETERS}'
    """<parameter name="{{ k }}" string="{{ 'true' if v is string else 'false' }}">"""
    f"{_VALUE}</parameter>\n{{% endfor %}}</invoke>\n{{% endfor %}}</calls>",
    "python": f"<calls>[{_EACH}{{{{ c.function.name }}}}({_PARAMETERS}{{{{ k }}}}="
    "{{ \"'\" + v + \"'\" if v is string else v | tojson }}{{ ', ' if not loop.last }}{% endfor %})"
    "{{ ', ' if not loop.last }}{% endfor %}]</calls>",
    "python in lines": f"<calls>{_EACH}{_PYTHON_CALL}{{{{ '\\n' if not loop.last }}}}{{% endfor %}}</calls>",
    "python without a mark": f"[{_EACH}{_PYTHON_CALL}{{{{ ', ' if not loop.last }}}}{{% endfor %}}]",
    "bare": "{% macro bare(v) %}{% if v is mapping %}{ {%- for k, w in v.items() %}{{ k }}:{{ bare(w) }}"
    "{{ ',' if not loop.last }}{% endfor %}}{% elif v is string %}<|q|>{{ v }}<|q|>{% elif v is iterable %}"
    "[{% for w in v %}{{ bare(w) }}{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ v | tojson }}"
    f"{{% endif %}}{{% endmacro %}}{_EACH}<call>call:{{{{ c.function.name }}}}"
    "{{ bare(c.function.arguments) }}</call>{% endfor %}",
}
"""How each writes the calls of one turn."""


class ByteVocabulary:
    """A vocabulary without special tokens."""

    def special_tokens(self) -> Mapping[str, int]:
        """Return none."""
        return {}

    def control_texts(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    def is_end(self, token: int) -> bool:
        """Say that no text ends an answer."""
        return False


def template_of(calls: str, *, text_opening: str = "") -> ChatTemplate:
    """Return a chat template that shows tools, results, and calls as `calls` says."""
    opening = text_opening or ("all\n" if calls == CALLS["name alone"] else "")
    return ChatTemplate(
        "{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}{% for m in messages %}"
        "{% if m.role == 'tool' %}<|tool|>{{ m.content }}<|end|>{% elif m.tool_calls %}<|assistant|>"
        "{{ m.content }}" + calls + "<|end|>{% elif m.role == 'assistant' %}<|assistant|>" + opening + ""
        "{{ m.content }}<|end|>{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        bos="",
        eos=END,
    )


def calling_of(calls: str) -> ToolCalling | None:
    """Return how a model with this template calls tools."""
    return tool_calling(template_of(calls), ByteVocabulary(), is_asked=None)


def drawn_tools(dice: random.Random, *, is_flat: bool = False) -> dict[str, dict[str, Any]]:
    """Return random tools by name, each with the schema of its arguments."""
    names = dice.sample(["get", "get_weather", "send-mail", "x", "search2"], dice.randint(1, 3))
    return {name: drawn_object(dice, 2 if is_flat else 0) for name in names}


def drawn_object(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return a random schema of an object, all of whose values are short."""
    names = dice.sample(
        ["city", "count", "deep", "when", "a b", "grüße", "x-y", "options"], dice.randint(0, 4)
    )
    return {
        "type": "object",
        "properties": {name: drawn_schema(dice, depth) for name in names},
        "required": [name for name in names if dice.random() < 0.6],
        "additionalProperties": False,
    }


def drawn_schema(dice: random.Random, depth: int) -> dict[str, Any]:
    """Return a random schema of a value."""
    kinds = ["text", "text", "integer", "number", "boolean", "enum", "const", "any", "nullable"]
    kind = dice.choice(kinds + (["array", "object"] if depth < 2 else []))
    if kind == "object":
        return drawn_object(dice, depth + 1)
    if kind == "array":
        return {"type": "array", "items": drawn_schema(dice, depth + 1), "maxItems": 3}
    values: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "maxLength": dice.randint(1, 12)},
        "integer": {"type": "integer", "minimum": -10, "maximum": 1000},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "enum": {"enum": dice.sample(["red", "green", "</x>", "it's", 'say "so"', "grün"], 2)},
        "const": {"const": dice.choice([1, True, None, "fixed"])},
        "any": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        "nullable": {"type": ["integer", "null"]},
    }
    return values[kind]


@cache
def _byte_matchers() -> tuple[MatcherFactory, int]:
    """Return what compiles grammars for a vocabulary of single bytes, and its token that ends an answer."""
    tokenizer = LLTokenizer("byte")
    return MatcherFactory(tokenizer, ends=[tokenizer.eos_token], unknown=[]), tokenizer.eos_token


def plan_of(calling: ToolCalling, tools: Mapping[str, Any], **keys: Any) -> CallPlan:
    """Return the plan of a request that offers tools."""
    offered = [(number, name, json.dumps(schema)) for number, (name, schema) in enumerate(tools.items())]
    return calling.plan(offered, **{"is_required": True, "is_single": False} | keys)


def answered(
    plan: CallPlan, dice: random.Random, *, most: int = 1500
) -> tuple[str, list[ToolCallDelta]] | None:
    """Return text and calls of a random answer by the grammar, token by token; None if it is not finished."""
    factory, end = _byte_matchers()
    matcher = factory.matcher(Constraint(grammar=plan.grammar, request_field="config.tools"))
    parser = plan.new_parser()
    text, deltas = "", list[ToolCallDelta]()
    for _ in range(most):
        allowed = np.flatnonzero(matcher.mask()).tolist()
        closing = [token for token in allowed if token == end or chr(token) in "\"}],')<\n"]
        token = dice.choice(closing if closing and dice.random() < 0.5 else allowed)
        if token == end:
            break
        matcher.accept(token)
        shown, found = parser.push(token, bytes([token]))
        text += shown
        deltas += found
        if parser.is_over:
            break
    else:
        return None
    shown, found = parser.finish()
    return text + shown, [*deltas, *found]


def is_accepted(plan: CallPlan, answer: str) -> bool:
    """Say whether the grammar of a request allows an answer."""
    matcher = _byte_matchers()[0].matcher(Constraint(grammar=plan.grammar, request_field="config.tools"))
    for byte in answer.encode():
        if not matcher.allows(byte):
            return False
        matcher.accept(byte)
    return True


def read(plan: CallPlan, answer: str) -> tuple[str, list[tuple[str, str]], bool]:
    """Return text, calls, and whether the calls are complete, of an answer that comes byte by byte."""
    parser = plan.new_parser()
    text, deltas = "", list[ToolCallDelta]()
    for byte in answer.encode():
        shown, found = parser.push(byte, bytes([byte]))
        text += shown
        deltas += found
    shown, found = parser.finish()
    return text + shown, calls_in([*deltas, *found]), parser.is_over


def calls_in(deltas: Sequence[ToolCallDelta | engine_pb2.ToolCallDelta]) -> list[tuple[str, str]]:
    """Return name and arguments of calls; the first piece of each, and no other, has its id and name."""
    calls: list[tuple[str, str]] = []
    for delta in deltas:
        if delta.index == len(calls):
            assert delta.name
            assert delta.id.startswith("call_")
            assert len(delta.id) == len("call_") + 24
            calls.append((delta.name, ""))
        assert (delta.index, delta.name) in ((len(calls) - 1, ""), (len(calls) - 1, calls[-1][0]))
        calls[-1] = (calls[-1][0], calls[-1][1] + delta.arguments_json)
    return calls


def check(calls: Sequence[tuple[str, str]], tools: Mapping[str, Any]) -> None:
    """Assert that every call is of a tool, with arguments that are valid under its schema."""
    for name, arguments in calls:
        jsonschema_rs.validate(tools[name], json.loads(arguments))
