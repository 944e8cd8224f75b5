"""Chat templates of families that no rule was made by: each renders every conversation, and calls tools."""

import re
from collections.abc import Mapping

import pytest

from gateway.engine.calls.calling import tool_calling
from gateway.engine.template.chat_template import ChatTemplate
from tests.support.call_templates import ByteVocabulary
from tests.support.other_templates import TEMPLATES
from tests.support.template_cases import cases_with, outcome_of

PLUGIN = '<|action_start|><|plugin|>\n{"name": "'
_SPECIAL = re.compile(r"<\|[a-z_/]+\|>|<extra_id_\d>|\[\|[a-z]+\|\]")
_ENDS = ("<|im_end|>", "<|end|>", "<|eom|>", "[|endofturn|]", "<|eot_id|>", "<|end_of_turn|>", "<extra_id_1>")


class Marked(ByteVocabulary):
    """A vocabulary of bytes with the markers of a template as control tokens."""

    def __init__(self, source: str) -> None:
        self._special = {text: 500 + at for at, text in enumerate(sorted({*_SPECIAL.findall(source)}))}

    def special_tokens(self) -> Mapping[str, int]:
        """Return the markers."""
        return self._special

    def control_texts(self) -> tuple[str, ...]:
        """Return the markers."""
        return (*self._special,)

    def is_end(self, token: int) -> bool:
        """Whether a marker ends a turn."""
        return any(self._special.get(text) == token for text in _ENDS)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_conversation_is_rendered(name: str) -> None:
    """With no text lost; without tools in the template, a request with tools is refused as such."""
    template = ChatTemplate(TEMPLATES[name], bos="<s>", eos="</s>")
    template.check()

    assert template.facts.tools == (name != "openchat")
    for kind, case in cases_with(str).items():
        allowed = (
            {"yes", "folded"} if template.facts.tools or not case.options.tools else {"refused config.tools"}
        )
        assert outcome_of(template, kind) in allowed, kind


@pytest.mark.parametrize(
    ("name", "opening", "between"),
    [
        ("internlm 2.5", PLUGIN, "}<|action_end|>" + PLUGIN),
        ("phi 4 mini", 'functools[{"name": "', '}, {"name": "'),
        ("jamba 1.5", '<tool_calls>[  {"name": "', '},  {"name": "'),
        ("exaone 4", '<tool_call>{"name": "', '}</tool_call><tool_call>{"name": "'),
        ("nemotron mini", '<toolcall> {"name": "', '} </toolcall>\n<toolcall> {"name": "'),
        ("olmo 3", "<function_calls>", ")\n"),
        ("toolace", "[", "), "),
    ],
)  # fmt: skip
def test_the_form_of_calls_is_found(name: str, opening: str, between: str) -> None:
    """What a template writes before the first name and between two calls, byte by byte."""
    template = ChatTemplate(TEMPLATES[name], bos="<s>", eos="</s>")
    calling = tool_calling(template, Marked(TEMPLATES[name]), is_asked=None)
    assert calling is not None
    assert (calling.form.opening, calling.form.between) == ((opening,), (between,))
