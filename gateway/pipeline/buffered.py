"""Holds an answer back until it is whole: what policies with `recovery: buffer` do to every stream."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from gateway.domain.answer import Answer, Delta, ReasoningDelta, StreamEvent, ToolCallDelta
from gateway.domain.conversation import Reasoning, Text, ToolCall


async def buffered(events: AsyncGenerator[StreamEvent, None]) -> AsyncGenerator[StreamEvent, None]:
    """Yield the pieces of a whole answer, and the answer; of a canned reply nothing but itself."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Answer) and event.degraded is None:
                for delta in deltas_of(event):
                    yield delta
            yield event


def deltas_of(answer: Answer) -> Iterator[Delta]:
    """Yield each part of an answer as one piece, in order; log probabilities come with the first text."""
    logprobs, calls = answer.logprobs, 0
    for part in answer.message.all_parts:
        match part:
            case Reasoning():
                thought = ReasoningDelta(text=part.text, opaque=part.opaque)
                yield Delta(reasoning=thought, attempt=0, model=answer.model)
            case Text() if part.text:
                yield Delta(text=part.text, attempt=0, model=answer.model, logprobs=logprobs)
                logprobs = ()
            case ToolCall():
                call = ToolCallDelta(
                    index=calls,
                    id=part.id,
                    name=part.name,
                    arguments_json=part.arguments_json,
                    input=part.input,
                    is_custom=part.is_custom,
                    arguments_invalid=part.arguments_invalid,
                    opaque=part.opaque,
                )
                yield Delta(tool_call=call, attempt=0, model=answer.model, logprobs=logprobs)
                calls, logprobs = calls + 1, ()
