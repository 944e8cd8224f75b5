"""An answer as it is kept: bytes that hold its text, and nothing of its request."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.answer import Answer, FinishReason, Route, Usage
from gateway.domain.conversation import Message, Part, Reasoning, Role, Text
from gateway.domain.decision import Decision
from gateway.extras.cache.request_key import FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer of a model, without the decision and the attempts that it came by."""

    made_unix_s: float
    model: str
    route: Route
    parts: tuple[Part, ...] = field(repr=False)
    content: str = field(repr=False)
    usage: Usage | None

    def answer(self, decision: Decision, *, age_s: float) -> Answer:
        """Return it as the answer to a request that was decided so."""
        return Answer(
            decision=decision,
            message=Message(role=Role.ASSISTANT, content=self.content, parts=self.parts),
            finish_reason=FinishReason.STOP,
            usage=self.usage,
            route=self.route,
            model=self.model,
            degraded=None,
            cost_usd_nanos=0,
            attempts=(),
            cached_age_s=age_s,
        )


def is_worth_keeping(answer: Answer) -> bool:
    """Say whether an answer is whole and a model's own: not canned, cut, or made of two, nor with calls."""
    return (
        answer.finish_reason is FinishReason.STOP
        and answer.degraded is None
        and answer.cached_age_s is None
        and bool(answer.text)
        and not (answer.message.tool_calls or answer.logprobs or answer.vectors)
        and not any(attempt.continued for attempt in answer.attempts)
    )


def written(answer: Answer, *, unix_s: float) -> bytes:
    """Return an answer that is worth keeping as bytes."""
    message = answer.message
    fields = {
        "format": FORMAT,
        "made_unix_s": unix_s,
        "model": answer.model,
        "route": answer.route,
        "content": message.content,
        "parts": [_written_part(part) for part in message.parts],
        "usage": answer.usage and answer.usage.counts(),
    }
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def read(data: bytes) -> StoredAnswer:
    """Return the answer that was written as bytes; raises ValueError for others."""
    try:
        fields = json.loads(data)
        if fields["format"] != FORMAT:
            raise ValueError
        return StoredAnswer(
            made_unix_s=float(fields["made_unix_s"]),
            model=fields["model"],
            route=Route(fields["route"]),
            content=fields["content"],
            parts=tuple(map(_read_part, fields["parts"])),
            usage=None if fields["usage"] is None else Usage(**fields["usage"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"no stored answer ({type(error).__name__})") from None


def _written_part(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"text": part.text}
        case Reasoning():
            opaque = b64encode(part.opaque).decode("ascii")
            return {"reasoning": part.text, "model": part.model, "opaque": opaque}
    raise TypeError(f"no answer worth keeping has {type(part).__name__}")


def _read_part(fields: dict[str, Any]) -> Part:
    if "text" in fields:
        return Text(fields["text"])
    return Reasoning(text=fields["reasoning"], model=fields["model"], opaque=b64decode(fields["opaque"]))
