"""Models of random weights that think, with real vocabularies and templates, and what they answer."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

from gateway.engine.v1 import engine_pb2
from tests.support.real_engine import Stub, ask, request, text_of
from tests.support.template_models import known_template, model_with

FAMILIES = {
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "llama-bpe",
    "Qwen3.5-4B": "qwen2",
    "Qwen-Qwen3-0.6B": "qwen2",
    "openai-gpt-oss-120b": "qwen2",
    "HuggingFaceTB-SmolLM3-3B": "llama-bpe",
    "ibm-granite-granite-3.3-2B-Instruct": "starcoder",
    "ByteDance-Seed-OSS": "qwen2",
    "Apriel-1.6-15b-Thinker-fixed": "qwen2",
}
"""By the template's name, the vocabulary that is nearest; the template's markers are added to it."""
OVERHEAD = 40
"""Most tokens of tags and closing words, which no budget counts."""
_TAGS = ("</think>", "</seed:think>", "[BEGIN FINAL", "<|channel|>", "enough thinking")
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", "y"]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
)


def thinking_model(name: str) -> str:
    """Return the path of a model with a template."""
    return model_with(known_template(name), vocab=FAMILIES[name])


@dataclass
class Thoughts:
    """What many answers were like."""

    answers: int = 0
    reasoned: int = 0
    closed: int = 0
    """Reasoning that the budget ended."""
    valid: int = 0
    """Answers under a schema that are valid; those that max_tokens cut are not counted as under one."""
    constrained: int = 0
    over_budget: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    """Answers with parts of tags or of closing words."""
    endings: Counter[str] = field(default_factory=Counter)

    def take(self, responses: list[engine_pb2.GenerateResponse], *, budget: int, has_schema: bool) -> None:
        """Count an answer."""
        finished = responses[-1].finished
        reasoning = "".join(response.reasoning for response in responses)
        text = text_of(responses)
        ending = engine_pb2.FinishReason.Name(finished.reason).removeprefix("FINISH_REASON_")
        self.answers += 1
        self.endings[ending] += 1
        self.reasoned += bool(reasoning)
        self.closed += "enough thinking" in reasoning
        if finished.reasoning_tokens > budget + OVERHEAD:
            self.over_budget.append(f"{finished.reasoning_tokens} of {budget}")
        if any(tag in text for tag in _TAGS):
            self.leaks.append(text)
        if has_schema and ending != "LENGTH":
            self.constrained += 1
            self.valid += json.loads(text)["b"] in ("x", "y")


async def think(stub: Stub, count: int, *, max_tokens: int = 64) -> Thoughts:
    """Ask so many questions, eight concurrently, with budgets of 0 to 20 tokens and half of them a schema."""
    found = Thoughts()
    limit = asyncio.Semaphore(8)

    async def one(number: int) -> None:
        budget = (0, 1, 5, 20)[number % 4]
        has_schema = number % 8 >= 4
        wanted = request(
            f"Question {number}?",
            max_tokens=max_tokens,
            seed=number,
            reasoning=engine_pb2.Reasoning(budget_tokens=budget),
            json_schema=_SCHEMA if has_schema else None,
        )
        wanted.temperature = 1.0
        async with limit:
            found.take(await ask(stub, wanted), budget=budget, has_schema=has_schema)

    await asyncio.gather(*map(one, range(count)))
    return found
