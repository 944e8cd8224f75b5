"""Answers of the Messages API, whole or in events. Both are made of the same blocks."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.simulate.answers import AnswerToken, Completion
from gateway.simulate.apis.api import named_event
from gateway.simulate.apis.sealed import sealed, signature_of_thought
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.anthropic import anthropic_error
from gateway.simulate.dialects.dialect import BilledTokens, Json

_REASONS: Final = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal",
}  # fmt: skip
_DELTAS: Final = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""What the pieces of each type of block are called, and their field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageForm:
    """What one answer is like, apart from its tokens."""

    model: str
    digest: str
    """Hexadecimal; the ids are made of it."""
    shows_thoughts: bool


def messages_usage(counts: BilledTokens) -> Json:
    """Return token counts in Anthropic's form: what the cache had and got is beside the input."""
    prompt = counts.prompt
    return {
        "input_tokens": prompt.total - prompt.cached - prompt.written,
        "cache_creation_input_tokens": prompt.written,
        "cache_read_input_tokens": prompt.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": prompt.written,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": counts.completion,
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
        "service_tier": "standard",
    }


class MessagesWriter:
    """Writes one answer."""

    def __init__(self, form: MessageForm) -> None:
        self._form = form
        self._content: list[Json] = []
        """The blocks that have ended."""
        self._block: Json = {}
        """The one that is open."""
        self._pieces: list[str] = []
        self._is_refusal = False

    def whole(
        self, completion: Completion, *, finish_reason: str | None, counts: BilledTokens | None
    ) -> Json:
        """Return a complete answer."""
        for token in completion.tokens:
            list(self.token(token, completion))
        list(self._close())
        message = self._message() | self._stop(finish_reason, completion.stop) | {"content": self._content}
        return message if counts is None else message | {"usage": messages_usage(counts)}

    def begin(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield the message without content, with the counts of the prompt."""
        message = self._message()
        if counts is not None:
            message["usage"] = messages_usage(counts) | {"output_tokens": min(1, counts.completion)}
        yield named_event({"type": "message_start", "message": message})

    def token(
        self, token: AnswerToken, completion: Completion, *, finish_reason: str | None = None
    ) -> Iterator[bytes]:
        """Yield the events of a token; the reason for an end has no place in them."""
        match token.kind:
            case "thought":
                yield from self._open("thinking", thinking="", signature="")
            case "text" | "refusal":
                self._is_refusal = self._is_refusal or token.kind == "refusal"
                yield from self._open("text", text="")
            case "call":
                yield from self._close()
                call = completion.calls[token.call]
                digest = hashlib.sha256(call.id.encode()).hexdigest()[:22]
                yield from self._open("tool_use", id=f"toolu_01{digest}", name=call.name, input={})
                yield self._piece("")
                return
        self._pieces.append(token.text)
        if token.kind != "thought" or self._form.shows_thoughts:
            yield self._piece(token.text)

    def finish(
        self, completion: Completion, *, finish_reason: str, counts: BilledTokens | None
    ) -> Iterator[bytes]:
        """Yield the end of the block that is open, and why the answer ended, with all counts."""
        yield from self._close()
        delta: Json = {"type": "message_delta", "delta": self._stop(finish_reason, completion.stop)}
        if counts is not None:
            kept = ("cache_creation", "service_tier")
            usage = messages_usage(counts)
            delta["usage"] = {key: value for key, value in usage.items() if key not in kept}
        yield named_event(delta)

    def usage(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield nothing: the counts are told with the reason for the end."""
        yield from ()

    def end(self) -> Iterator[bytes]:
        """Yield the last event."""
        yield named_event({"type": "message_stop"})

    def failure(self, error: ChatError) -> Iterator[bytes]:
        """Yield the event of an error."""
        yield named_event(anthropic_error(error))

    def failed(self, error: ChatError) -> Json:
        """Return an error."""
        return anthropic_error(error)

    def _open(self, kind: str, **fields: object) -> Iterator[bytes]:
        """Yield the beginning of a block, unless one of this type is open."""
        if self._block.get("type") == kind:
            return
        yield from self._close()
        self._block, self._pieces = {"type": kind, **fields}, []
        index = len(self._content)
        yield named_event({"type": "content_block_start", "index": index, "content_block": self._block})
        if not index:
            yield named_event({"type": "ping"})

    def _piece(self, text: str) -> bytes:
        kind, key = _DELTAS[str(self._block["type"])]
        return self._delta({"type": kind, key: text})

    def _delta(self, delta: Json) -> bytes:
        return named_event({"type": "content_block_delta", "index": len(self._content), "delta": delta})

    def _close(self) -> Iterator[bytes]:
        """Yield the end of the block that is open, if one is; a thought gets its signature before."""
        if not self._block:
            return
        block, text = dict(self._block), "".join(self._pieces)
        match block["type"]:
            case "thinking":
                is_shown = self._form.shows_thoughts
                sign = signature_of_thought if is_shown else sealed
                block |= {"thinking": text if is_shown else "", "signature": sign(self._form.model, text)}
                yield self._delta({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                block["text"] = text
            case "tool_use":
                block["input"] = _input(text)
        yield named_event({"type": "content_block_stop", "index": len(self._content)})
        self._content.append(block)
        self._block = {}

    def _message(self) -> Json:
        return {
            "id": f"msg_01{self._form.digest[:22]}",
            "type": "message",
            "role": "assistant",
            "model": self._form.model,
            "content": [],
            **self._stop(None),
        }

    def _stop(self, finish_reason: str | None, stop: str | None = None) -> Json:
        if self._is_refusal and finish_reason is not None:
            finish_reason = "content_filter"
        reason = None if finish_reason is None else _REASONS[finish_reason]
        if reason == "end_turn" and stop is not None:
            reason = "stop_sequence"
        details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
        return {"stop_reason": reason, "stop_sequence": stop, "stop_details": details}


def _input(text: str) -> object:
    """Return the input of a call; an empty one for a call that was cut."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}
