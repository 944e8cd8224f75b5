"""Chat completions, whole or in chunks, in the form of a dialect."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.simulate.answers import AnswerToken, Completion
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.checks import signature_of
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json
from gateway.simulate.messages import MadeCall

_NOTHING_FOUND = {
    name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
}
"""What Azure's filter of content says of what is harmless."""
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
    wants_usage: bool = False

    def whole(
        self, completion: Completion, *, finish_reason: str | None, counts: BilledTokens | None
    ) -> Json:
        """Return a complete answer."""
        said = completion.tokens
        text: object = completion.text()
        thought, refusal = (_said(said, kind) for kind in ("thought", "refusal"))
        calls = [
            self._whole_call(call, _arguments(said, i))
            for i, call in enumerate(completion.calls)
            if any(token.kind == "call" and token.call == i for token in said)
        ]
        message: Json = {
            "role": "assistant",
            "content": None if calls or refusal else text,
            "refusal": refusal or None,
        }
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
            "finish_reason": finish_reason,
        }
        whole = self._object("chat.completion", [choice | self._filtered()]) | self._prompt_filtered()
        return whole if counts is None else {**whole, "usage": self.dialect.usage(counts)}

    def begin(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield what comes before the first token."""
        if self.dialect.comment:
            yield f": {self.dialect.comment}\n\n".encode()
        if self.dialect.has_filter_results:
            nothing: Json = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            yield _line(nothing | self._prompt_filtered())
        first = self.chunk({"role": "assistant", "content": ""})
        if self.dialect.usage_place == "x_groq":
            first["x_groq"] = {"id": self._request_id}
        yield _line(first)

    def token(
        self, token: AnswerToken, completion: Completion, *, finish_reason: str | None = None
    ) -> Iterator[bytes]:
        """Yield the chunk of a token, if the dialect has one."""
        delta = self.delta(token, completion)
        if delta is not None:
            yield _line(self.chunk(delta, finish_reason=finish_reason))

    def finish(
        self, completion: Completion, *, finish_reason: str, counts: BilledTokens | None
    ) -> Iterator[bytes]:
        """Yield the chunk of the finish reason, with the token counts where the dialect has them there."""
        event = self.chunk({}, finish_reason=finish_reason)
        shown = self._shown(counts)
        if shown is not None and self.dialect.usage_place == "finish_event":
            event["usage"] = shown
        if shown is not None and self.dialect.usage_place == "x_groq":
            event["x_groq"] = {"id": self._request_id, "usage": shown}
        yield _line(event)

    def usage(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield the last chunk, which has the token counts and no choice, where the dialect has one."""
        shown = self._shown(counts)
        if shown is not None and self.dialect.usage_place == "own_event":
            yield _line({**self._object("chat.completion.chunk", []), "usage": shown})

    def end(self) -> Iterator[bytes]:
        """Yield what says that nothing more comes."""
        yield b"data: [DONE]\n\n"

    def failure(self, error: ChatError) -> Iterator[bytes]:
        """Yield an error in the place of a chunk."""
        failed = self.dialect.error(error)
        if self.dialect.failure_finish and isinstance(failed, dict):
            chunk = self.chunk({"content": ""}, finish_reason=self.dialect.failure_finish)
            failed = chunk | failed
        yield _line(failed)

    def failed(self, error: ChatError) -> object:
        """Return an error in the place of an answer."""
        return self.dialect.error(error)

    def delta(self, token: AnswerToken, completion: Completion) -> Json | None:
        """Return what a stream says of one token; None: nothing."""
        match token.kind:
            case "text":
                return {"content": token.text}
            case "refusal":
                return {"refusal": token.text}
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
        return self._object("chat.completion.chunk", [choice | self._filtered()])

    @property
    def _request_id(self) -> str:
        return f"req_{self.id[-24:]}"

    def _shown(self, counts: BilledTokens | None) -> Json | None:
        is_shown = counts is not None and (self.wants_usage or self.dialect.is_usage_unasked)
        return self.dialect.usage(counts) if is_shown and counts is not None else None

    def _filtered(self) -> Json:
        return {"content_filter_results": _NOTHING_FOUND} if self.dialect.has_filter_results else {}

    def _prompt_filtered(self) -> Json:
        results = [{"prompt_index": 0, "content_filter_results": _NOTHING_FOUND}]
        return {"prompt_filter_results": results} if self.dialect.has_filter_results else {}

    def _finish(self, reason: str | None) -> str | None:
        return None if reason is None else self.dialect.streamed_finish_words.get(reason, reason)

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
        return {"content": [logprob_of(token, self.top_logprobs) for token in tokens], "refusal": None}

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


def _said(tokens: Sequence[AnswerToken], kind: str) -> str:
    return "".join(token.text for token in tokens if token.kind == kind)


def _line(event: object) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


def _thinking(text: str) -> list[Json]:
    return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


def logprob_of(token: str, alternatives: int) -> Json:
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
