"""Calls, answers and failures of a local model as messages of its engine, and back; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gateway.backends.base import Call, QueueForecast, sampling_parameters
from gateway.domain.answer import (
    Chunk,
    FinishReason,
    ReasoningDelta,
    TokenConfidence,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from gateway.domain.conversation import Message, Reasoning, ReasoningEffort, Text, ToolChoiceMode, ToolResult
from gateway.domain.request import GenerationConfig, Request
from gateway.engine.v1 import engine_pb2

ANY_OBJECT = '{"type": "object"}'
"""The schema for a caller that asks for any JSON object."""
_FINISH_REASONS = {
    engine_pb2.FINISH_REASON_STOP: FinishReason.STOP,
    engine_pb2.FINISH_REASON_LENGTH: FinishReason.LENGTH,
    engine_pb2.FINISH_REASON_STOP_SEQUENCE: FinishReason.STOP_SEQUENCE,
    engine_pb2.FINISH_REASON_TOOL_CALLS: FinishReason.TOOL_CALLS,
}
_EFFORTS = {
    ReasoningEffort.MINIMAL: "low",
    ReasoningEffort.LOW: "low",
    ReasoningEffort.MEDIUM: "medium",
    ReasoningEffort.HIGH: "high",
    ReasoningEffort.XHIGH: "high",
}
"""The efforts that chat templates know (gpt-oss)."""
_TOOL_CHOICES = {
    ToolChoiceMode.AUTO: engine_pb2.ToolChoice.MODE_AUTO,
    ToolChoiceMode.NONE: engine_pb2.ToolChoice.MODE_NONE,
    ToolChoiceMode.REQUIRED: engine_pb2.ToolChoice.MODE_REQUIRED,
    ToolChoiceMode.NAMED: engine_pb2.ToolChoice.MODE_REQUIRED,
}


def to_messages(request: Request, *, model: str) -> list[engine_pb2.Message]:
    """Return the conversation as the messages of the engine of a model, which gets its own thoughts back."""
    return [each for message in request.messages for each in _messages(message, model)]


def _messages(message: Message, model: str) -> Iterator[engine_pb2.Message]:
    """Yield a message, after one for each result of a tool in it."""
    results = message.tool_results
    for result in results:
        yield engine_pb2.Message(role="tool", tool_call_id=result.tool_call_id, content=_text_of(result))
    text = message.text
    if text or not results:
        thoughts = (p.text for p in message.parts if isinstance(p, Reasoning) and p.model == model)
        calls = (
            engine_pb2.ToolCall(id=each.id, name=each.name, arguments_json=each.arguments_json)
            for each in message.tool_calls
        )
        yield engine_pb2.Message(
            role=message.role, content=text, tool_calls=calls, reasoning="".join(thoughts)
        )


def _text_of(result: ToolResult) -> str:
    return "".join(part.text for part in result.parts if isinstance(part, Text))


def to_tools(config: GenerationConfig) -> list[engine_pb2.Tool]:
    """Return the tools of a request as those of the engine."""
    return [
        engine_pb2.Tool(
            name=each.name,
            description=each.description,
            parameters_json_schema=each.parameters_json_schema,
        )
        for each in config.tools
    ]


def _tool_choice(config: GenerationConfig) -> engine_pb2.ToolChoice | None:
    if config.tool_choice is None:
        return None
    return engine_pb2.ToolChoice(mode=_TOOL_CHOICES[config.tool_choice.mode], name=config.tool_choice.name)


def _reasoning(config: GenerationConfig) -> engine_pb2.Reasoning:
    asked = config.reasoning
    return engine_pb2.Reasoning(
        is_off=asked.effort is ReasoningEffort.NONE or (asked.effort is None and asked.budget_tokens == 0),
        budget_tokens=asked.budget_tokens,
        effort=_EFFORTS.get(asked.effort, "") if asked.effort else "",
    )


def to_embed_request(call: Call) -> engine_pb2.EmbedRequest:
    """Return a call for vectors as the engine's message."""
    request = call.request
    return engine_pb2.EmbedRequest(
        request_id=request.request_id,
        texts=[message.text for message in request.messages],
        dimensions=request.embedding.dimensions if request.embedding is not None else None,
    )


def to_vectors(response: engine_pb2.EmbedResponse) -> Chunk:
    """Return the next vectors of an engine as a chunk."""
    if not response.prompt_tokens:
        return Chunk(vectors=tuple(response.vectors))
    usage = Usage(prompt_tokens=response.prompt_tokens, completion_tokens=0)
    return Chunk(vectors=tuple(response.vectors), finish_reason=FinishReason.STOP, usage=usage)


def to_request(call: Call, *, model: str, is_whole: bool = False) -> engine_pb2.GenerateRequest:
    """Return a call as the message of the engine of a model; unset stays unset.

    `is_whole` asks for the answer in one response.
    """
    config = call.request.config
    logprobs, logprob_tokens = config.top_logprobs, None
    if logprobs is None and call.escalate is not None:
        logprobs, logprob_tokens = 0, call.escalate.window_tokens
    return engine_pb2.GenerateRequest(
        request_id=call.request.request_id,
        tenant=call.request.tenant,
        messages=to_messages(call.request, model=model),
        max_tokens=call.max_tokens,
        stop=config.stop,
        json_schema=ANY_OBJECT if config.json_object else config.json_schema,
        grammar=config.grammar,
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        logit_bias=config.logit_bias,
        continue_final_message=call.continue_final_message,
        logprobs=logprobs,
        logprob_tokens=logprob_tokens,
        tools=to_tools(config),
        tool_choice=_tool_choice(config),
        single_tool_call=config.parallel_tool_calls is False,
        reasoning=_reasoning(config),
        is_whole=is_whole,
        **_sampling(call),  # type: ignore[arg-type]  # top_k and seed are whole numbers.
    )


def _sampling(call: Call) -> dict[str, float]:
    """Return how tokens are to be picked; an engine takes parameters that not every API has."""
    config = call.request.config
    asked = {"top_k": config.top_k, "min_p": config.min_p}
    own = {name: value for name, value in asked.items() if value is not None}
    return sampling_parameters(config, call.sampling) | own


def has_output(response: engine_pb2.GenerateResponse) -> bool:
    """Whether a response of the engine holds a part of the answer, or its end."""
    return bool(response.text or response.reasoning or response.tool_calls or response.HasField("finished"))


def to_chunk(
    response: engine_pb2.GenerateResponse,
    *,
    reported: int = 0,
    logprobs: Sequence[engine_pb2.TokenLogprob] = (),
) -> Chunk:
    """Return a response of the engine as a chunk; `reported` is how many tokens have come with it so far.

    `logprobs` are those that the caller gets with it.
    """
    told = tuple(map(_told, logprobs))
    certainties = tuple(
        TokenConfidence(logprob=each.sampled.logprob, margin=each.margin, entropy=each.entropy)
        for each in response.logprobs
        if not each.is_forced
    )
    usage = Usage(prompt_tokens=response.prompt_tokens, completion_tokens=reported)
    chunk = Chunk(
        text=response.text,
        reasoning=(ReasoningDelta(text=response.reasoning),) if response.reasoning else (),
        tool_calls=tuple(map(_delta, response.tool_calls)),
        usage=usage if response.logprobs else None,
        certainties=certainties,
        logprobs=told,
        pieces=max(1, response.tokens),
    )
    if not response.HasField("finished"):
        return chunk
    finished = response.finished
    return replace(
        chunk,
        finish_reason=_FINISH_REASONS[finished.reason],
        stop_sequence=finished.stop_sequence,
        usage=Usage(
            prompt_tokens=finished.prompt_tokens,
            completion_tokens=finished.completion_tokens,
            reasoning_tokens=finished.reasoning_tokens,
        ),
    )


def _delta(delta: engine_pb2.ToolCallDelta) -> ToolCallDelta:
    return ToolCallDelta(index=delta.index, id=delta.id, name=delta.name, arguments_json=delta.arguments_json)


def _told(reported: engine_pb2.TokenLogprob) -> TokenLogprob:
    token, logprob, piece = _alternative(reported.sampled)
    top = [_alternative(each) for each in reported.likeliest]
    return TokenLogprob(
        token=token,
        logprob=logprob,
        token_bytes=piece,
        top=tuple(TopLogprob(token=text, logprob=value, token_bytes=raw) for text, value, raw in top),
    )


def _alternative(token: engine_pb2.Alternative) -> tuple[str, float, bytes]:
    return token.piece.decode("utf-8", "replace"), token.logprob, token.piece


def to_forecast(status: engine_pb2.GetStatusResponse) -> QueueForecast | None:
    """Return what an engine foresees; None before it has measured anything."""
    said = status.forecast
    if said.token_s == 0.0:
        return None
    return QueueForecast(
        wait_s=said.wait_s,
        prompt_token_s=said.prompt_token_s,
        token_s=said.token_s,
        answer_tokens=said.answer_tokens,
    )
