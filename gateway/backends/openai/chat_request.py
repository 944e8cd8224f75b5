"""The body of a request for a chat completion: what the caller and the policy say of one call."""

import json
from collections.abc import Mapping
from typing import Final

from gateway.backends.base import sampling_parameters, with_extra
from gateway.backends.openai.chat_messages import ChatMessages
from gateway.domain.conversation import ReasoningConfig, ReasoningEffort, Tool, ToolChoiceMode, ToolKind
from gateway.domain.decision import EgressPermit
from gateway.domain.request import GenerationConfig
from gateway.errors import BackendInvalid, NotCapable
from gateway.policy.openai import OpenAIModel
from gateway.policy.reasoning_forms import ReasoningForm

EFFORT_TOKENS: Final = (
    (0, ReasoningEffort.NONE),
    (1024, ReasoningEffort.LOW),
    (8192, ReasoningEffort.MEDIUM),
)
"""The effort for a budget of at most so many tokens, as Gemini's endpoint translates efforts; above: high."""

_NEEDED: Mapping[str, str] = {
    "tools": "config.tools",
    "response_format": "config.json_schema",
    "logit_bias": "config.logit_bias",
    "logprobs": "config.top_logprobs",
    "top_logprobs": "config.top_logprobs",
}
"""Parameters that a request with them cannot do without, and the field that asks for each."""


def chat_body(
    name: str, spec: OpenAIModel, permit: EgressPermit, max_tokens: int, *, is_stream: bool
) -> dict[str, object]:
    """Return all that is sent of a call: of what the permit names, so that there is nothing to send without.

    Raises BackendInvalid for a schema that is not JSON, NotCapable for what the policy or the API does not
    send.
    """
    config = permit.request.config
    check_capable(name, spec, config)
    body: dict[str, object] = {
        "model": spec.model,
        "messages": ChatMessages(name, spec).of(permit.request.messages),
        spec.max_tokens_field: max_tokens,
    }
    body |= sampling_parameters(config, spec.sampling.values())
    body |= penalties(config)
    if spec.is_openai and permit.request.prompt_cache_key:
        body["prompt_cache_key"] = permit.request.prompt_cache_key
    if not spec.is_openai:
        body |= _set({"top_k": config.top_k, "min_p": config.min_p})
    if config.stop:
        body["stop"] = list(config.stop)
    if config.tools:
        body["tools"] = [_tool(name, tool) for tool in config.tools]
        if choice := tool_choice(config, is_nested=True):
            body["tool_choice"] = choice
        if config.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.parallel_tool_calls
    if config.json_schema is not None:
        schema = parsed(name, "json_schema", config.json_schema)
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    elif config.json_object:
        body["response_format"] = {"type": "json_object"}
    if config.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in config.logit_bias.items()}
    if config.top_logprobs is not None:
        body |= {"logprobs": True} | ({"top_logprobs": config.top_logprobs} if config.top_logprobs else {})
    body |= _reasoning(spec, config.reasoning)
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return with_extra(spec.extra_body, {key: value for key, value in body.items() if key not in spec.drop})


def check_capable(name: str, spec: OpenAIModel, config: GenerationConfig) -> None:
    """Raise NotCapable for what a request needs and the policy drops, or no API of this kind has."""
    if config.grammar is not None:
        raise NotCapable(name, "its API takes no grammar of an answer", field="config.grammar")
    asked = {
        "tools": bool(config.tools),
        "response_format": config.json_schema is not None or config.json_object,
        "logit_bias": bool(config.logit_bias),
        "logprobs": config.top_logprobs is not None,
        "top_logprobs": bool(config.top_logprobs),
    }
    for parameter, field in _NEEDED.items():
        if asked[parameter] and parameter in spec.drop:
            if parameter == "response_format":
                if config.json_object:
                    field = "config.json_object"
                detail = "the policy drops response_format, so that no JSON schema reaches it"
            else:
                detail = f"the policy drops {parameter}, so that none reach it"
            raise NotCapable(name, detail, field=field)
    choice = config.tool_choice
    if "tool_choice" in spec.drop and choice is not None and choice.mode is not ToolChoiceMode.AUTO:
        detail = "the policy drops tool_choice, so that it chooses by itself"
        raise NotCapable(name, detail, field="config.tool_choice")
    if "parallel_tool_calls" in spec.drop and config.parallel_tool_calls is False:
        detail = "the policy drops parallel_tool_calls, so that it may call several tools"
        raise NotCapable(name, detail, field="config.parallel_tool_calls")


def penalties(config: GenerationConfig) -> dict[str, object]:
    """Return the caller's penalties by their names in the API."""
    return _set({
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
    })  # fmt: skip


def tool_choice(config: GenerationConfig, *, is_nested: bool) -> object:
    """Return which tools may be called, as OpenAI's APIs have it; `is_nested`: chat completions."""
    choice = config.tool_choice
    if choice is None:
        return None
    if choice.mode is not ToolChoiceMode.NAMED:
        return choice.mode.value
    kind = next((tool.kind for tool in config.tools if tool.name == choice.name), ToolKind.FUNCTION).value
    named = {"name": choice.name}
    return {"type": kind, kind: named} if is_nested else {"type": kind, **named}


def effort_of(reasoning: ReasoningConfig) -> str | None:
    """Return how hard to think; None leaves it to the model. A budget alone becomes the effort it allows."""
    if reasoning.effort is not None:
        return reasoning.effort.value
    budget = reasoning.budget_tokens
    if budget is None:
        return None
    return next((effort for most, effort in EFFORT_TOKENS if budget <= most), ReasoningEffort.HIGH).value


def parsed(name: str, what: str, json_text: str) -> object:
    """Return the value of a JSON text of the request; raises BackendInvalid."""
    try:
        value: object = json.loads(json_text)
    except (ValueError, RecursionError):
        raise BackendInvalid(name, f"{what} is not JSON") from None
    return value


def _tool(name: str, tool: Tool) -> dict[str, object]:
    """Return a tool as chat completions have it."""
    described: dict[str, object] = {"name": tool.name}
    if tool.description:
        described["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if tool.input_grammar:
            grammar = {"syntax": "lark", "definition": tool.input_grammar}
            described["format"] = {"type": "grammar", "grammar": grammar}
        return {"type": "custom", "custom": described}
    described["parameters"] = parameters_of(name, tool)
    if tool.strict:
        described["strict"] = True
    return {"type": "function", "function": described}


def parameters_of(name: str, tool: Tool) -> object:
    """Return the schema of a function's arguments; one without arguments has an object of nothing."""
    if not tool.parameters_json_schema:
        return {"type": "object", "properties": {}}
    return parsed(name, "parameters_json_schema", tool.parameters_json_schema)


def _reasoning(spec: OpenAIModel, reasoning: ReasoningConfig) -> dict[str, object]:
    if spec.reasoning_form is ReasoningForm.DETAILS and reasoning.budget_tokens and not reasoning.effort:
        return {"reasoning": {"max_tokens": reasoning.budget_tokens}}  # OpenRouter takes the budget itself.
    effort = effort_of(reasoning)
    return {} if effort is None else {"reasoning_effort": effort}


def _set(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
