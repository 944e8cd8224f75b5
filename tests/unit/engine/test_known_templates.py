"""The chat templates of known families: what each renders, or refuses at the start in words.

They are files of others: `make test-templates` fetches them, without them these tests are skipped.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.engine.prompt import PromptMaker, any_of
from gateway.engine.template.chat_template import ChatTemplate, RenderOptions
from gateway.engine.template.turns import Turn, TurnCall
from tests.support.template_cases import cases_with, outcome_of, tools_with
from tests.support.template_models import control_texts_of, known_template, known_template_names

NAMES = known_template_names()
WITHOUT_TOOLS = {
    "HuggingFaceTB-SmolLM3-3B",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
    "deepseek-ai-DeepSeek-V3.1",
    "google-gemma-2-2b-it",
    "llama-cpp-deepseek-r1",
    "llama-cpp-rwkv-world",
    "microsoft-Phi-3.5-mini-instruct",
}
"""Templates that show the model no tools."""
CALLS_AS_TEXT = {"LFM2-8B-A1B", "LFM2.5-Instruct", "ibm-granite-granite-3.3-2B-Instruct"}
"""Templates that show tools and results, but expect a call as the text of its turn."""


def template_of(name: str) -> ChatTemplate:
    """Return a template by its name."""
    return ChatTemplate(known_template(name), bos="<s>", eos="</s>")


@pytest.mark.parametrize("name", NAMES)
def test_a_known_template_renders_every_conversation(name: str) -> None:
    """Every text of every kind of conversation is in the prompt; tools are refused as `config.tools`."""
    template = template_of(name)

    template.check()

    facts = template.facts
    assert facts.tools == (name not in WITHOUT_TOOLS)
    assert facts.takes_tools == (name not in WITHOUT_TOOLS | CALLS_AS_TEXT)
    for kind, case in cases_with(str).items():
        allowed = {"yes", "folded"} if facts.tools or not case.options.tools else {"refused config.tools"}
        assert outcome_of(template, kind) in allowed, kind
    for kind in ("plain", "turns", "thought"):
        if facts.takes_tools:
            assert outcome_of(template, kind) == "yes", kind


class Marked:
    """A vocabulary of characters and the control tokens of a template, the latter as negative numbers."""

    def __init__(self, controls: tuple[str, ...]) -> None:
        self.controls = controls
        self._pattern = any_of(controls)

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text."""
        if not parse_special:
            return list(map(ord, text))
        tokens, at = [], 0
        for match in self._pattern.finditer(text):
            tokens += [*map(ord, text[at : match.start()]), -1 - self.controls.index(match[0])]
            at = match.end()
        return [*tokens, *map(ord, text[at:])]

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens."""
        return tokens

    def control_texts(self) -> tuple[str, ...]:
        """Return the texts of control tokens."""
        return self.controls

    def written(self, tokens: tuple[int, ...]) -> str:
        """Return tokens as text, with a zero byte before each control token."""
        return "".join(chr(token) if token >= 0 else "\0" + self.controls[-1 - token] for token in tokens)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_of_a_caller_becomes_a_control_token(name: str) -> None:
    """In messages, results, names, keys, values, schemas and thoughts control tokens are plain text."""
    template = template_of(name)
    vocabulary = Marked((*control_texts_of(template.source), "<|other|>"))
    maker = PromptMaker(vocabulary, template)
    places: dict[str, int] = {}

    def plain(place: str) -> str:
        return f"w{places.setdefault(place, len(places)):02}x"

    has_hashed_ids = template.convention.ids == "short"
    controls = itertools.cycle(vocabulary.controls)
    hostile: dict[str, str] = {}

    def spelled(place: str) -> str:
        if "id" in place.split() and has_hashed_ids:
            return plain(place)
        return hostile.setdefault(plain(place), f"{plain(place)}{next(controls)}y{next(controls)}")

    attacks = cases_with(spelled)
    for kind, case in cases_with(plain).items():
        if case.options.tools and not template.facts.tools:
            continue
        expected = vocabulary.written(maker.tokens(case.turns, case.options))
        found = vocabulary.written(maker.tokens(attacks[kind].turns, attacks[kind].options))
        assert found == _with(expected, hostile), kind


def _with(text: str, words: Mapping[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text


def test_a_template_gets_its_switches() -> None:
    """Thinking is switched by the variable that the template knows, and an effort only if it takes it."""
    facts = {
        name: template_of(name).facts
        for name in ("Qwen-Qwen3-0.6B", "openai-gpt-oss-120b", "MiniMax-M3", "ByteDance-Seed-OSS")
    }

    assert [each.thinking_variable for each in facts.values()] == [
        "enable_thinking", "", "thinking_mode", "thinking_budget"
    ]  # fmt: skip
    assert facts["openai-gpt-oss-120b"].efforts == ("low", "medium", "high")
    assert facts["Qwen-Qwen3-0.6B"].off_suffix == "<think>\n\n</think>\n\n"
    assert [each.begins_reasoning for each in facts.values()] == [False, False, True, False]
    assert all(each.reasoning for each in facts.values())


@pytest.mark.parametrize(
    "name", ["Qwen-Qwen3-0.6B", "openai-gpt-oss-120b", "mistralai-Mistral-Nemo-Instruct-2407"]
)
def test_a_long_conversation_with_many_tools_costs_tens_of_milliseconds(name: str) -> None:
    """200 turns with 20 tools cost little more processor time than rendering them once."""
    template = template_of(name)
    maker = PromptMaker(Marked(control_texts_of(template.source)), template)
    tools = tuple(replace(tools_with(str)[0], name=f"tool_{number}") for number in range(20))
    options = RenderOptions(tools=tools)

    def turns(rounds: int) -> list[Turn]:
        found = []
        for number in range(rounds):
            call = TurnCall(f"call_{number}", "tool_1", '{"city": "a text of some length", "days": [1, 2]}')
            found += [Turn("user", f"question {number}"), Turn("assistant", calls=(call,))]
            found += [Turn("tool", "result " * 20, call_id=call.id, tool_name=call.name)]
            found += [Turn("assistant", f"answer {number}")]
        return found[:-1]

    maker.tokens(turns(2), options)
    start_s = time.thread_time()
    maker.tokens(turns(50), options)
    whole_s = time.thread_time() - start_s
    assert whole_s < 1.0  # Measured: 20 to 60 ms on a quiet machine.
