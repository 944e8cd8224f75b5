"""Calls, answers and failures of a local model as messages of its engine, and back; pure."""

from collections.abc import Sequence

from gateway.backends.base import Call, QueueForecast, sampling_parameters
from gateway.domain.answer import Chunk, FinishReason, TokenConfidence, TokenLogprob, TopLogprob, Usage
from gateway.domain.request import Request
from gateway.engine.v1 import engine_pb2

ANY_OBJECT = '{"type": "object"}'
"""The schema for a caller that asks for any JSON object."""
_FINISH_REASONS = {
    engine_pb2.FINISH_REASON_STOP: FinishReason.STOP,
    engine_pb2.FINISH_REASON_LENGTH: FinishReason.LENGTH,
    engine_pb2.FINISH_REASON_STOP_SEQUENCE: FinishReason.STOP_SEQUENCE,
}


def to_messages(request: Request) -> list[engine_pb2.Message]:
    """Return the conversation as the engine's messages."""
    return [engine_pb2.Message(role=each.role, content=each.text) for each in request.messages]


def to_request(call: Call) -> engine_pb2.GenerateRequest:
    """Return a call as the engine's message; unset stays unset."""
    config = call.request.config
    logprobs, logprob_tokens = config.top_logprobs, None
    if logprobs is None and call.escalate is not None:
        logprobs, logprob_tokens = 0, call.escalate.window_tokens
    return engine_pb2.GenerateRequest(
        request_id=call.request.request_id,
        tenant=call.request.tenant,
        messages=to_messages(call.request),
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
        **_sampling(call),  # type: ignore[arg-type]  # top_k and seed are whole numbers.
    )


def _sampling(call: Call) -> dict[str, float]:
    """Return how tokens are to be picked; an engine takes parameters that not every API has."""
    config = call.request.config
    asked = {"top_k": config.top_k, "min_p": config.min_p}
    own = {name: value for name, value in asked.items() if value is not None}
    return sampling_parameters(config, call.sampling) | own


def to_chunk(
    response: engine_pb2.GenerateResponse, *, logprobs: Sequence[engine_pb2.TokenLogprob] = ()
) -> Chunk:
    """Return a response of the engine as a chunk; `logprobs` are those that the caller gets with it."""
    told = tuple(map(_told, logprobs))
    certainties = tuple(
        TokenConfidence(logprob=each.sampled.logprob, margin=each.margin, entropy=each.entropy)
        for each in response.logprobs
        if not each.is_forced
    )
    if not response.HasField("finished"):
        usage = Usage(prompt_tokens=response.prompt_tokens, completion_tokens=response.completion_tokens)
        return Chunk(
            text=response.text,
            usage=usage if response.logprobs else None,
            certainties=certainties,
            logprobs=told,
        )
    finished = response.finished
    return Chunk(
        text=response.text,
        finish_reason=_FINISH_REASONS[finished.reason],
        stop_sequence=finished.stop_sequence,
        usage=Usage(prompt_tokens=finished.prompt_tokens, completion_tokens=finished.completion_tokens),
        certainties=certainties,
        logprobs=told,
    )


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
