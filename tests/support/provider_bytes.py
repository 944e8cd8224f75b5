"""Answers as providers write them, made for tests: fields, events and whole bodies."""

import json
from collections.abc import Mapping, Sequence

from gateway.backends.http.bounds import AnswerBounds

BOUNDS = AnswerBounds(prompt_tokens=1000, fewest_prompt_tokens=1, max_tokens=200)
"""What the answers here stay below."""


def chunk(delta: object = None, finish_reason: object = None, **more: object) -> dict[str, object]:
    """Return an event of a stream; `more` stands beside `choices`."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}


def said(text: str, finish_reason: object = None, **more: object) -> dict[str, object]:
    """Return an event with text."""
    return chunk({"content": text}, finish_reason, **more)


def counts(prompt_tokens: object, completion_tokens: object, **more: object) -> dict[str, object]:
    """Return token counts as a provider writes them."""
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, **more}


def counted(prompt_tokens: object = 11, completion_tokens: object = 5) -> dict[str, object]:
    """Return the event of token counts that ends a stream."""
    return {"choices": [], "usage": counts(prompt_tokens, completion_tokens)}


def plain(texts: Sequence[str], finish_reason: str = "stop") -> list[dict[str, object]]:
    """Return the events of an answer in which nothing is odd."""
    role = chunk({"role": "assistant", "content": ""})
    return [role, *(said(text) for text in texts), chunk({}, finish_reason), counted()]


def whole(text: object, finish_reason: object = "stop", **more: object) -> dict[str, object]:
    """Return an answer in one piece."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"choices": [choice], "usage": counts(11, 5), **more}


def line(event: Mapping[str, object]) -> bytes:
    """Return an event as it goes over the wire."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def wire(events: Sequence[Mapping[str, object]]) -> bytes:
    """Return a stream as it goes over the wire."""
    return b"".join(map(line, events)) + b"data: [DONE]\n\n"
