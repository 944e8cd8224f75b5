"""Converts a GenerateRequest to an EngineRequest: checked, rendered, tokenized."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from gateway import errors
from gateway.clock import Deadline
from gateway.domain.conversation import EFFORT_TOKENS, ReasoningEffort
from gateway.engine.answer_grammar import calls_of, constraint_of, is_constrained
from gateway.engine.interfaces import Constraint, EngineRequest, Model, Sampling
from gateway.engine.prompt import PromptMaker
from gateway.engine.template.chat_template import DEFAULT_OPTIONS, RenderOptions, TemplateBroken
from gateway.engine.template.turns import Turn, TurnCall, TurnTool
from gateway.engine.thinking.thinking_reader import Thinking
from gateway.engine.v1 import engine_pb2

ENGINE_SAMPLING: Mapping[str, float] = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.05,
    "repeat_penalty": 1.0,
}
"""Sampling parameters if neither the request nor the model file sets them: llama.cpp's defaults."""
_FILE_KEYS = {
    "temperature": "general.sampling.temp",
    "top_k": "general.sampling.top_k",
    "top_p": "general.sampling.top_p",
    "min_p": "general.sampling.min_p",
    "repeat_penalty": "general.sampling.penalty_repeat",
}
"""GGUF keys of the sampling that the publisher recommends, as llama.cpp's converter writes them."""
MIN_TEMPERATURE = 1e-6
"""A lower temperature means greedy: logits divided by it would leave the range of a float."""
MAX_BIASES = 1024
"""Most entries of `logit_bias`."""
MAX_BIAS = 1e6
"""Largest bias. A bias may be minus infinity, but a huge one would force tokens that a grammar forbids."""
MAX_LOGPROBS = 20
"""Most likeliest tokens that are reported with each token."""
_ROLES = ("system", "user", "assistant", "tool")
_UNKNOWN_ROLE = f"messages: each role must be one of {', '.join(_ROLES)}"
_RANGES = {
    "temperature": (0.0, 100.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "presence_penalty": (-100.0, 100.0),
    "logprobs": (0, MAX_LOGPROBS),
    "logprob_tokens": (1, 1_000_000),
}


def sampling_of_file(metadata: Callable[[str], str | None]) -> Mapping[str, float]:
    """Return the sampling parameters of a GGUF file; values that a request may not have are left out."""
    found = {}
    for name, key in _FILE_KEYS.items():
        try:
            value = float(metadata(key) or "")
        except ValueError:
            continue
        least, most = _RANGES[name]
        if least <= value <= most:
            found[name] = value
    return found


def engine_request_of(
    request: engine_pb2.GenerateRequest,
    *,
    name: str,
    prompts: PromptMaker,
    model: Model,
    deadline: Deadline,
    sampling_defaults: Mapping[str, float],
) -> EngineRequest:
    """Return the engine request of a message; raises BackendInvalid or NotCapable with the field."""
    problem = _problem(request, model.vocabulary_size)
    if problem is not None:
        raise errors.BackendInvalid(name, problem)
    calls = calls_of(request, prompts, name=name)
    try:
        options = options_of(request)
        prompt = prompts.tokens(
            turns_of(request.messages), options, continue_final_message=request.continue_final_message
        )
    except TemplateBroken as error:
        raise _refused(name, error) from None
    thinking = _thinking_of(request, prompts)
    if thinking is not None and thinking.budget_within(request.max_tokens) == 0:
        prompt += thinking.tags.end_of(prompt)
    constraint, matcher = constraint_of(request, calls, model, name=name, is_deferred=thinking is not None)
    return EngineRequest(
        request_id=request.request_id,
        tenant=request.tenant,
        prompt=prompt,
        max_tokens=request.max_tokens,
        stop=tuple(request.stop),
        sampling=sampling_of(request, sampling_defaults, constraint),
        matcher=matcher,
        thinking=thinking,
        new_calls=None if calls is None else calls.new_parser,
        deadline=deadline,
        is_whole=request.is_whole,
    )


def prompt_length(request: engine_pb2.CountTokensRequest, *, name: str, prompts: PromptMaker) -> int:
    """Return how many tokens a prompt has; raises BackendInvalid or NotCapable with the field."""
    if not request.messages:
        raise errors.BackendInvalid(name, "messages are required")
    if not all(message.role in _ROLES for message in request.messages):
        raise errors.BackendInvalid(name, _UNKNOWN_ROLE)
    try:
        options = RenderOptions(tools=_tools(request.tools)) if request.tools else DEFAULT_OPTIONS
        return len(prompts.tokens(turns_of(request.messages), options))
    except TemplateBroken as error:
        raise _refused(name, error) from None


def _refused(name: str, error: TemplateBroken) -> errors.NotCapable:
    return errors.NotCapable(name, f"{error.field}: the chat template {error}", field=error.field)


def turns_of(messages: Iterable[engine_pb2.Message]) -> list[Turn]:
    """Return the turns of messages; the result of a tool gets the name that its call has."""
    names: dict[str, str] = {}
    turns = []
    for message in messages:
        calls = tuple(TurnCall(each.id, each.name, each.arguments_json) for each in message.tool_calls)
        names.update((call.id, call.name) for call in calls)
        turns.append(
            Turn(
                message.role,
                message.content,
                calls,
                call_id=message.tool_call_id,
                tool_name=names.get(message.tool_call_id, ""),
                reasoning=message.reasoning,
            )
        )
    return turns


def options_of(request: engine_pb2.GenerateRequest) -> RenderOptions:
    """Return what the prompt of a request depends on besides its turns; raises TemplateBroken."""
    is_begun = request.continue_final_message
    return RenderOptions(
        tools=_tools(request.tools),
        thinking=False if is_begun else _thinking(request.reasoning),
        effort=request.reasoning.effort,
    )


def _thinking(reasoning: engine_pb2.Reasoning) -> bool | None:
    """Return whether the model has to think; None if the request does not say."""
    if reasoning.is_off:
        return False
    return True if reasoning.effort or reasoning.HasField("budget_tokens") else None


def _thinking_of(request: engine_pb2.GenerateRequest, prompts: PromptMaker) -> Thinking | None:
    """Return how the model thinks; None if it does not, or has begun its answer."""
    if prompts.tags is None or request.continue_final_message:
        return None
    return Thinking(
        tags=prompts.tags,
        budget_tokens=_budget(request.reasoning, prompts.efforts),
        is_constrained=is_constrained(request),
        calls=_calls(request),
    )


def _calls(request: engine_pb2.GenerateRequest) -> Literal["none", "auto", "required"]:
    if not request.tools or request.tool_choice.mode == engine_pb2.ToolChoice.MODE_NONE:
        return "none"
    return "required" if request.tool_choice.mode == engine_pb2.ToolChoice.MODE_REQUIRED else "auto"


def _budget(reasoning: engine_pb2.Reasoning, efforts: Sequence[str]) -> int | None:
    """Return the most tokens of reasoning, by the budget and by an effort that the template does not take."""
    if reasoning.is_off:
        return 0
    known = [reasoning.budget_tokens] if reasoning.HasField("budget_tokens") else []
    if reasoning.effort and reasoning.effort not in efforts:
        known.append(EFFORT_TOKENS[ReasoningEffort(reasoning.effort)])
    return min(known, default=None)


def _tools(tools: Iterable[engine_pb2.Tool]) -> tuple[TurnTool, ...]:
    return tuple(TurnTool(each.name, each.description, _schema(each)) for each in tools)


def _schema(tool: engine_pb2.Tool) -> Mapping[str, object]:
    try:
        schema = json.loads(tool.parameters_json_schema or "{}")
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise TemplateBroken("takes parameters that are a JSON schema only", field="config.tools")
    return schema


def sampling_of(
    request: engine_pb2.GenerateRequest, defaults: Mapping[str, float], constraint: Constraint | None = None
) -> Sampling:
    """Return the sampling of a request, with defaults of the model file, then of llama.cpp."""
    known = {**ENGINE_SAMPLING, **defaults}
    temperature = request.temperature if request.HasField("temperature") else known["temperature"]
    return Sampling(
        temperature=0.0 if temperature < MIN_TEMPERATURE else temperature,
        top_k=request.top_k if request.HasField("top_k") else int(known["top_k"]),
        top_p=request.top_p if request.HasField("top_p") else known["top_p"],
        min_p=request.min_p if request.HasField("min_p") else known["min_p"],
        repeat_penalty=request.repeat_penalty
        if request.HasField("repeat_penalty")
        else known["repeat_penalty"],
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        logit_bias=dict(request.logit_bias),
        seed=request.seed if request.HasField("seed") else None,
        constraint=constraint,
        logprobs=request.logprobs if request.HasField("logprobs") else None,
        logprob_tokens=request.logprob_tokens if request.HasField("logprob_tokens") else None,
    )


def _problem(request: engine_pb2.GenerateRequest, vocabulary_size: int) -> str | None:
    """Return what is wrong with the fields of a request; None if they are valid."""
    if request.max_tokens < 1 or not request.messages:
        return "messages and max_tokens of at least 1 are required"
    if not all(message.role in _ROLES for message in request.messages):
        return _UNKNOWN_ROLE
    if request.HasField("json_schema") and request.HasField("grammar"):
        return "grammar: must not be set together with json_schema"
    if request.continue_final_message:
        if request.messages[-1].role != "assistant" or len(request.messages) == 1:
            return "continue_final_message: the last of several messages must be the assistant's"
        if request.HasField("json_schema") or request.HasField("grammar"):
            return "continue_final_message: must not be set together with json_schema or grammar"
    for field, (least, most) in _RANGES.items():
        if request.HasField(field) and not least <= getattr(request, field) <= most:  # type: ignore[arg-type]  # A name.
            return f"{field}: must be from {least} to {most}"
    if len(request.logit_bias) > MAX_BIASES:
        return f"logit_bias: must have at most {MAX_BIASES} tokens"
    if not all(0 <= token < vocabulary_size for token in request.logit_bias):
        return f"logit_bias: tokens must be from 0 to {vocabulary_size - 1}"
    if not all(bias <= MAX_BIAS for bias in request.logit_bias.values()):  # Nor is NaN.
        return f"logit_bias: values must be at most {MAX_BIAS:g}"
    return None
