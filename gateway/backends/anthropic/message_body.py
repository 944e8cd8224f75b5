"""The body of a request to the Messages API: what the caller and the policy say of one call."""

from collections.abc import Mapping
from typing import Final

from gateway.backends.anthropic.tools import Json, ReplyForm, ToolFields, parsed, tool_fields
from gateway.backends.anthropic.turns import Turns
from gateway.backends.base import sampling_parameters, with_extra
from gateway.backends.http.finish import finish_words
from gateway.domain.conversation import EFFORT_TOKENS, ReasoningConfig, ReasoningEffort, ToolKind
from gateway.domain.decision import EgressPermit
from gateway.domain.request import GenerationConfig
from gateway.errors import NotCapable
from gateway.policy.anthropic import AnthropicModel

LEAST_BUDGET: Final = 1024
"""Tokens; the API takes no smaller thinking budget."""
MOST_THINKING: Final = 0.75
"""Of max_tokens, what an effort may turn into thinking, so that some are left for the answer."""
HIGHEST_TEMPERATURE: Final = 1.0
"""The API takes no higher one."""
CACHE: Final[Json] = {"type": "ephemeral"}
"""Ends a part of the prompt that is kept for five minutes; a request may have four."""


def messages_body(
    name: str, spec: AnthropicModel, permit: EgressPermit, max_tokens: int, *, is_stream: bool
) -> tuple[Json, ReplyForm]:
    """Return all that is sent of a call, and how its answer is read.

    It is made of what the permit names, so that there is nothing to send without. Raises BackendInvalid for
    a schema that is not JSON, NotCapable for what the API lacks.
    """
    config = permit.request.config
    _check_capable(name, config)
    turns = Turns(name, spec, permit.request.messages)
    tools = tool_fields(name, spec, permit.request)
    thinking = _thinking(spec, config.reasoning, max_tokens, may_think=_may_think(spec, turns, tools))
    body: Json = {"model": spec.model, "max_tokens": max_tokens}
    if turns.system:
        body["system"] = turns.system
    body["messages"] = turns.as_json()
    if tools.tools:
        body["tools"] = tools.tools
    if tools.choice:
        body["tool_choice"] = tools.choice
    if not _is_thinking(thinking):  # The API refuses both.
        body |= {key: value for key, value in _sampling(spec, config).items() if key not in spec.drop}
    if config.stop and "stop" not in spec.drop:
        body["stop_sequences"] = list(config.stop)
    output = _output_config(name, spec, config) | thinking.pop("output_config", {})
    body |= thinking | ({"output_config": output} if output else {})
    if spec.cache == "auto":
        _mark(turns, tools)
    if is_stream:
        body["stream"] = True
    custom = frozenset(tool.name for tool in config.tools if tool.kind is ToolKind.CUSTOM)
    # Another type of thinking has other fields.
    extra = {key: value for key, value in spec.extra_body.items() if key != "thinking" or key not in body}
    return with_extra(extra, body), ReplyForm(
        answer_tool=tools.answer_tool,
        custom_tools=custom,
        finish_words=finish_words(spec.finish_reasons),
        unsent_blanks=turns.unsent_blanks,
    )


def _check_capable(name: str, config: GenerationConfig) -> None:
    """Raise NotCapable for what a request needs and the API lacks."""
    lacking = {
        "config.grammar": (config.grammar is not None, "grammar of an answer"),
        "config.logit_bias": (bool(config.logit_bias), "bias of tokens"),
        "config.top_logprobs": (config.top_logprobs is not None, "log probabilities"),
        "config.stop": (any(not stop.strip() for stop in config.stop), "stop string of white space"),
    }
    for field, (is_needed, what) in lacking.items():
        if is_needed:
            raise NotCapable(name, f"its API has no {what}", field=field)


def _sampling(spec: AnthropicModel, config: GenerationConfig) -> dict[str, float]:
    """Return how tokens are picked. Newer models take temperature or top_p, so the caller's goes first."""
    values = sampling_parameters(config, spec.sampling.values())
    values.pop("seed", None)
    if "temperature" in values and "top_p" in values:
        is_of_caller = config.top_p is not None and config.temperature is None
        values.pop("temperature" if is_of_caller else "top_p")
    if "temperature" in values:
        values["temperature"] = min(values["temperature"], HIGHEST_TEMPERATURE)
    return values | ({"top_k": config.top_k} if config.top_k is not None else {})


def _may_think(spec: AnthropicModel, turns: Turns, tools: ToolFields) -> bool:
    """Say whether the API lets the model think: not before a forced call, or in the middle of an answer."""
    if spec.thinks_by == "none" or tools.is_forced or turns.is_begun:
        return False
    return spec.thinks_by == "adaptive" or not turns.lacks_thoughts


def _thinking(
    spec: AnthropicModel, reasoning: ReasoningConfig, max_tokens: int, *, may_think: bool
) -> dict[str, Json]:
    """Return the fields that say how much to think; none where the caller says nothing of it."""
    effort, budget = reasoning.effort, reasoning.budget_tokens
    if (effort is None and budget is None) or spec.thinks_by == "none":
        return {}
    is_off = effort is ReasoningEffort.NONE or (effort is None and budget == 0)
    if spec.thinks_by == "budget":
        tokens = _budget(effort, budget, max_tokens)
        if is_off or not may_think or tokens < LEAST_BUDGET:
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": tokens}}
    if is_off:
        return {"thinking": {"type": "disabled"}}
    fields: dict[str, Json] = {"output_config": {"effort": _effort(spec, effort, budget)}}
    if may_think:
        display = "omitted" if reasoning.hide else "summarized"
        fields["thinking"] = {"type": "adaptive", "display": display}
    return fields


def _is_thinking(fields: Mapping[str, Json]) -> bool:
    return fields.get("thinking", {}).get("type") in ("adaptive", "enabled")


def _budget(effort: ReasoningEffort | None, budget: int | None, max_tokens: int) -> int:
    tokens = max_tokens - 1 if budget is None else min(budget, max_tokens - 1)
    if effort is not None:
        most = max(LEAST_BUDGET, int(max_tokens * MOST_THINKING))
        tokens = min(tokens, most, EFFORT_TOKENS.get(effort, 0))
    return tokens


def _effort(spec: AnthropicModel, effort: ReasoningEffort | None, budget: int | None) -> str:
    if effort is None:
        steps = (ReasoningEffort.LOW, ReasoningEffort.MEDIUM)
        effort = next((each for each in steps if EFFORT_TOKENS[each] >= (budget or 0)), ReasoningEffort.HIGH)
    if effort is ReasoningEffort.MINIMAL:
        effort = ReasoningEffort.LOW
    if effort is ReasoningEffort.XHIGH and not spec.takes_highest_effort:
        effort = ReasoningEffort.HIGH
    return effort.value


def _output_config(name: str, spec: AnthropicModel, config: GenerationConfig) -> Json:
    if config.json_schema is None or spec.json_output == "tool":
        return {}
    schema = parsed(name, "json_schema", config.json_schema)
    return {"format": {"type": "json_schema", "schema": schema}}


def _mark(turns: Turns, tools: ToolFields) -> None:
    """Mark what is kept: tools, the system text, and a conversation up to its last two turns of the user.

    Of the two, the first was written by the request before this one, and the second is for the next one.
    """
    ends = [blocks[-1] for blocks in (tools.tools, turns.system) if blocks]
    if turns.is_conversation:
        ends += [blocks[-1] for role, blocks in turns.turns if role == "user"][-2:]
    for block in ends:
        block["cache_control"] = CACHE
