"""The answers of the simulated provider as JSON, whole or in chunks, in the form of a dialect."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.simulate.answers import AnswerToken, Completion
from gateway.simulate.dialects.checks import signature_of
from gateway.simulate.dialects.dialect import Dialect, Json
from gateway.simulate.messages import MadeCall

LEAST_LOGPROB = -0.5
"""The log probability of the least likely token that the simulated model says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWriter:
    """Writes one answer; equal requests get the same id."""

    id: str
    model: str
    created: int
    dialect: Dialect
    top_logprobs: int | None = None
    """How many alternatives of each token are told; None: no log probabilities."""

    @classmethod
    def of(
        cls, raw: bytes, *, model: str, created: int, dialect: Dialect, top_logprobs: int | None
    ) -> "ReplyWriter":
        """Return the writer for the answer to the request `raw`."""
        return cls(
            id=f"chatcmpl-{hashlib.sha256(raw).hexdigest()[:24]}",
            model=model,
            created=created,
            dialect=dialect,
            top_logprobs=top_logprobs,
        )

    def whole(self, completion: Completion, *, finish_reason: str | None, usage: Json | None) -> Json:
        """Return a complete answer."""
        said = completion.tokens
        text: object = completion.text()
        thought = "".join(token.text for token in said if token.kind == "thought")
        calls = [
            self._whole_call(call, _arguments(said, i))
            for i, call in enumerate(completion.calls)
            if any(token.kind == "call" and token.call == i for token in said)
        ]
        message: Json = {"role": "assistant", "content": None if calls else text, "refusal": None}
        if thought and self.dialect.thoughts == "parts":
            message["content"] = [*_thinking(thought), *([{"type": "text", "text": text}] if text else [])]
        elif thought:
            message |= self._thought(thought)
        if calls:
            message["tool_calls"] = calls
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs([token.text for token in said if token.kind == "text"]),
            "finish_reason": self._finish(finish_reason),
        }
        whole = self._object("chat.completion", [choice])
        return whole if usage is None else {**whole, "usage": usage}

    def delta(self, token: AnswerToken, completion: Completion) -> Json | None:
        """Return what a stream says of one token; None: nothing."""
        match token.kind:
            case "text":
                return {"content": token.text}
            case "thought" if self.dialect.thoughts == "parts":
                return {"content": _thinking(token.text)}
            case "thought":
                return self._thought(token.text) or None
            case "call" if self.dialect.has_whole_calls:
                call = completion.calls[token.call]
                arguments = _arguments(completion.tokens, token.call)
                return {"tool_calls": [self._indexed(token.call) | self._whole_call(call, arguments)]}
            case "call":
                call = completion.calls[token.call]
                return {"tool_calls": [self._indexed(token.call) | self._whole_call(call, "")]}
            case "arguments" if self.dialect.has_whole_calls:
                return None
        kind = completion.calls[token.call].kind
        piece = {kind: {"arguments" if kind == "function" else "input": token.text}}
        return {"tool_calls": [self._indexed(token.call) | piece]}

    def chunk(self, delta: Mapping[str, object], *, finish_reason: str | None = None) -> Json:
        """Return a chunk of a stream."""
        text = delta.get("content")
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": self._logprobs([text] if isinstance(text, str) and text else []),
            "finish_reason": self._finish(finish_reason),
        }
        return self._object("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Json) -> Json:
        """Return the last chunk of a stream, which has the usage and no choice."""
        return {**self._object("chat.completion.chunk", []), "usage": usage}

    def _finish(self, reason: str | None) -> str | None:
        return None if reason is None else self.dialect.finish_words.get(reason, reason)

    def _thought(self, text: str) -> Json:
        match self.dialect.thoughts:
            case "reasoning_content" | "reasoning" as name:
                return {name: text}
            case "reasoning_details":
                detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
                return {"reasoning": text, "reasoning_details": [detail]}
        return {}

    def _whole_call(self, call: MadeCall, arguments: str) -> Json:
        prefix, length = self.dialect.call_id
        call_id = prefix + hashlib.sha256(call.id.encode()).hexdigest()[:length]
        field = "arguments" if call.kind == "function" else "input"
        written: Json = {"id": call_id, "type": call.kind, call.kind: {"name": call.name, field: arguments}}
        if self.dialect.has_signatures:
            written["extra_content"] = {"google": {"thought_signature": signature_of(call_id)}}
        return written

    def _indexed(self, index: int) -> Json:
        match self.dialect.call_index:
            case "own":
                return {"index": index}
            case "zero":
                return {"index": 0}
        return {}

    def _logprobs(self, tokens: Sequence[str]) -> Json | None:
        if self.top_logprobs is None or not tokens:
            return None
        return {"content": [_logprob(token, self.top_logprobs) for token in tokens], "refusal": None}

    def _object(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
            "choices": choices,
        }


def _arguments(tokens: Sequence[AnswerToken], call: int) -> str:
    return "".join(token.text for token in tokens if token.kind == "arguments" and token.call == call)


def _thinking(text: str) -> list[Json]:
    return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


def _logprob(token: str, alternatives: int) -> Json:
    """Return a log probability between `LEAST_LOGPROB` and 0, the same for the same token."""
    share = hashlib.sha256(token.encode()).digest()[0] / 255
    own = {"token": token, "logprob": LEAST_LOGPROB * share, "bytes": list(token.encode())}
    others = [
        {
            "token": f"{token}{i}",
            "logprob": LEAST_LOGPROB * share - i - 1,
            "bytes": list(f"{token}{i}".encode()),
        }
        for i in range(1, alternatives)
    ]
    return {**own, "top_logprobs": [own, *others] if alternatives else []}
