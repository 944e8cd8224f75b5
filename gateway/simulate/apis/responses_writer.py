"""Answers of the Responses API, whole or in events. Both are made of the same items."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.simulate.answers import AnswerToken, Completion
from gateway.simulate.apis.api import named_event
from gateway.simulate.apis.sealed import sealed
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Json
from gateway.simulate.writer import logprob_of

OBFUSCATED: Final = 16
"""Each delta is padded to a multiple of this many characters, so that its length says little of its text."""
_PARTS: Final = {"output_text": "text", "refusal": "refusal"}
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
_DELTAS: Final = {"function_call": "function_call_arguments", "custom_tool_call": "custom_tool_call_input"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseForm:
    """What one answer is like, apart from its tokens."""

    model: str
    created: int
    digest: str
    """Hexadecimal; the ids are made of it."""
    echo: Json
    """The fields of the request that the answer repeats."""
    has_summary: bool
    has_sealed_thoughts: bool
    top_logprobs: int | None


def responses_usage(counts: BilledTokens) -> Json:
    """Return token counts in the form of the Responses API."""
    prompt = counts.prompt
    return {
        "input_tokens": prompt.total,
        "input_tokens_details": {"cached_tokens": prompt.cached, "cache_write_tokens": prompt.written},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": prompt.total + counts.completion,
    }


class ResponsesWriter:
    """Writes one answer."""

    def __init__(self, form: ResponseForm) -> None:
        self._form = form
        self._sequence = 0
        self._output: list[Json] = []
        """The items that have ended."""
        self._kind = ""
        """The type of the item that is open, or, in a message, of the part."""
        self._item: Json = {}
        self._pieces: list[str] = []
        self._logprobs: list[Json] = []

    def whole(
        self, completion: Completion, *, finish_reason: str | None, counts: BilledTokens | None
    ) -> Json:
        """Return a complete answer; one that did not end is still in progress."""
        for token in completion.tokens:
            list(self.token(token, completion))
        status = _status(finish_reason)
        list(self._close("incomplete" if status == "incomplete" else "completed"))
        return self._response(status, finish_reason=finish_reason, counts=counts)

    def begin(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield that the answer was begun."""
        yield self._event("response.created", response=self._response("in_progress"))
        yield self._event("response.in_progress", response=self._response("in_progress"))

    def token(
        self, token: AnswerToken, completion: Completion, *, finish_reason: str | None = None
    ) -> Iterator[bytes]:
        """Yield the events of a token; the reason for an end has no place in them."""
        match token.kind:
            case "thought":
                yield from self._think(token.text)
            case "text":
                yield from self._say("output_text", token.text)
            case "refusal":
                yield from self._say("refusal", token.text)
            case "call":
                yield from self._close("completed")
                call = completion.calls[token.call]
                kind = "function_call" if call.kind == "function" else "custom_tool_call"
                more: Json = {"call_id": call.id, "name": call.name, _CALLS[kind]: ""}
                yield self._open(kind, "fc" if kind == "function_call" else "ctc", more)
            case "arguments":
                self._pieces.append(token.text)
                yield self._delta(f"response.{_DELTAS[self._kind]}.delta", token.text)

    def finish(
        self, completion: Completion, *, finish_reason: str, counts: BilledTokens | None
    ) -> Iterator[bytes]:
        """Yield the ends of all that is open, and the whole response."""
        status = _status(finish_reason)
        yield from self._close(status)
        response = self._response(status, finish_reason=finish_reason, counts=counts)
        yield self._event(f"response.{status}", response=response)

    def usage(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield nothing: the counts are in the response that ends the stream."""
        yield from ()

    def end(self) -> Iterator[bytes]:
        """Yield nothing: the response was the end."""
        yield from ()

    def failure(self, error: ChatError) -> Iterator[bytes]:
        """Yield the event of an error, and the response that failed."""
        code = _error_code(error)
        yield self._event("error", code=code, message=str(error), param=None)
        yield self._event("response.failed", response=self.failed(error))

    def failed(self, error: ChatError) -> Json:
        """Return a response that failed."""
        return self._response("failed") | {"error": {"code": _error_code(error), "message": str(error)}}

    def _think(self, text: str) -> Iterator[bytes]:
        if self._kind != "reasoning":
            yield from self._close("completed")
            # What the item has at its beginning is not yet what is to be given back.
            begun = {"encrypted_content": sealed(self._form.model, "")}
            more = begun if self._form.has_sealed_thoughts else {}
            yield self._open("reasoning", "rs", {"summary": [], **more})
            if self._form.has_summary:
                part = {"type": "summary_text", "text": ""}
                yield self._of_item("response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(text)
        if self._form.has_summary:
            yield self._delta("response.reasoning_summary_text.delta", text, summary_index=0)

    def _say(self, kind: str, text: str) -> Iterator[bytes]:
        if self._kind != kind:
            yield from self._close("completed")
            yield self._open("message", "msg", {"role": "assistant", "content": []})
            self._kind = kind
            yield self._of_item("response.content_part.added", content_index=0, part=_part(kind, "", []))
        self._pieces.append(text)
        top = self._form.top_logprobs
        logprobs = [] if top is None else [logprob_of(text, top)]
        self._logprobs += logprobs
        more = {"logprobs": logprobs} if kind == "output_text" else {}
        yield self._delta(f"response.{kind}.delta", text, content_index=0, **more)

    def _open(self, kind: str, prefix: str, more: Json) -> bytes:
        item_id = f"{prefix}_{self._form.digest[:40]}{len(self._output):02x}"
        self._item = {"id": item_id, "type": kind, "status": "in_progress"} | more
        if kind == "reasoning":
            del self._item["status"]
        self._kind, self._pieces, self._logprobs = kind, [], []
        return self._event(
            "response.output_item.added", output_index=len(self._output), item=dict(self._item)
        )

    def _close(self, status: str) -> Iterator[bytes]:
        """Yield the end of the item that is open, if one is."""
        text, kind = "".join(self._pieces), self._kind
        if not kind:
            return
        if kind == "reasoning":
            yield from self._close_thought(text)
        elif kind in _PARTS:
            part = _part(kind, text, self._logprobs)
            more = {"logprobs": self._logprobs} if kind == "output_text" else {}
            yield self._of_item(f"response.{kind}.done", content_index=0, **{_PARTS[kind]: text}, **more)
            yield self._of_item("response.content_part.done", content_index=0, part=part)
            self._item |= {"content": [part], "status": status}
        else:
            given = _CALLS[kind]
            yield self._of_item(f"response.{_DELTAS[kind]}.done", **{given: text})
            self._item |= {given: text, "status": status}
        yield self._event("response.output_item.done", output_index=len(self._output), item=self._item)
        self._output.append(self._item)
        self._kind = ""

    def _close_thought(self, text: str) -> Iterator[bytes]:
        if self._form.has_summary:
            part = {"type": "summary_text", "text": text}
            yield self._of_item("response.reasoning_summary_text.done", summary_index=0, text=text)
            yield self._of_item("response.reasoning_summary_part.done", summary_index=0, part=part)
            self._item["summary"] = [part]
        if self._form.has_sealed_thoughts:
            self._item["encrypted_content"] = sealed(self._form.model, text)

    def _delta(self, kind: str, text: str, **more: object) -> bytes:
        padding = "x" * (-len(text) % OBFUSCATED)
        return self._of_item(kind, delta=text, **more, obfuscation=padding)

    def _of_item(self, kind: str, **more: object) -> bytes:
        return self._event(kind, item_id=self._item["id"], output_index=len(self._output), **more)

    def _event(self, kind: str, **more: object) -> bytes:
        event = {"type": kind, "sequence_number": self._sequence, **more}
        self._sequence += 1
        return named_event(event)

    def _response(
        self, status: str, *, finish_reason: str | None = None, counts: BilledTokens | None = None
    ) -> Json:
        is_incomplete = status == "incomplete"
        reason = "content_filter" if finish_reason == "content_filter" else "max_output_tokens"
        return {
            "id": f"resp_{self._form.digest[:42]}",
            "object": "response",
            "created_at": self._form.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": {"reason": reason} if is_incomplete else None,
            "model": self._form.model,
            "output": json.loads(json.dumps(self._output)),
            "usage": None if counts is None else responses_usage(counts),
            "service_tier": "default",
            **self._form.echo,
        }


def _status(finish_reason: str | None) -> str:
    if finish_reason is None:
        return "in_progress"
    return "incomplete" if finish_reason in ("length", "content_filter") else "completed"


def _error_code(error: ChatError) -> str:
    return "rate_limit_exceeded" if error.status == 429 else "server_error"


def _part(kind: str, text: str, logprobs: list[Json]) -> Json:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": [], "logprobs": list(logprobs), "text": text}
