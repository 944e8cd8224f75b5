"""Reading an answer of the Responses API, whole or as events.

Deltas are told as they come; an event that ends a part adds what the deltas lacked. Items of tools that ran
at the provider are no calls.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.events import parse_json
from gateway.backends.http.finish import FAILED, ending_of
from gateway.backends.http.reading import FINISH_UNKNOWN, USAGE_IMPOSSIBLE, ErrorEvent, Note
from gateway.backends.openai.answer_parts import PLAIN_FORM, AnswerForm, AnswerParts, merged
from gateway.backends.openai.call_pieces import CallPiece, arguments_text
from gateway.backends.openai.calls import CallReader
from gateway.backends.openai.logprobs import logprobs_of
from gateway.backends.openai.usage import has_usage, read_usage
from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, Reply, TokenLogprob, Usage
from gateway.domain.assembly import assembled

FAILURES = frozenset({"failed", "cancelled"})
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that are calls of the caller's tools, and where each has what the tool is given."""
BETWEEN_SUMMARIES = "\n\n"

Json = Mapping[str, object]


def read_response(raw: bytes, bounds: AnswerBounds, note: Note, form: AnswerForm = PLAIN_FORM) -> Reply:
    """Return an answer that came in one piece; raises UnreadableAnswer."""
    body = parse_json(raw)
    reader = ResponsesReader(bounds, note, form)
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        raise ErrorEvent(body) if _is_error(body) else UnreadableAnswer("it is not a response")
    chunk = reader.feed({"type": "response.done", "response": body})
    return assembled((chunk, reader.last_chunk())).reply()


class ResponsesReader:
    """Puts a streamed answer together: feed it every event, then ask for the last chunk."""

    def __init__(self, bounds: AnswerBounds, note: Note, form: AnswerForm = PLAIN_FORM) -> None:
        self.pieces = 0
        """Events that belonged to the answer so far, or showed that the model is at work."""
        self._bounds = bounds
        self._note = note
        self._form = form
        calls = CallReader(names=form.tool_names, used_ids=form.call_ids, infers_ends=False)
        self._parts = AnswerParts(bounds, form, calls=calls)
        self._said: dict[tuple[int, str, int], list[str]] = {}
        """What was told of each part of text or thought: by item, kind and index in it."""
        self._indexes: dict[str, int] = {}
        """Indexes of items by their ids."""
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None

    @property
    def has_output(self) -> bool:
        """Whether anything of the answer was given out."""
        return self._parts.has_output

    @property
    def is_over(self) -> bool:
        """Whether the provider said that the answer has ended."""
        return self._finish_reason is not None

    @property
    def may_be_over(self) -> bool:
        """The same: nothing else is an end."""
        return self.is_over

    def feed(self, event: object) -> Chunk:
        """Return what one event gives, perhaps nothing; raises UnreadableAnswer."""
        if event is None or self.is_over:
            return Chunk()
        if _is_error(event):
            raise ErrorEvent(event)
        if not isinstance(event, dict):
            raise UnreadableAnswer("an event is not an object")
        self.pieces += 1
        kind = event.get("type")
        response = event.get("response")
        match str(kind).removeprefix("response.").split("."):
            case ["completed" | "incomplete" | "failed" | "cancelled" | "done"] if isinstance(response, dict):
                return self._end(response)
            case ["output_item", "added"]:
                return self._item(event, is_done=False)
            case ["output_item", "done"]:
                return self._item(event, is_done=True)
            case ["output_text" | "refusal" | "reasoning_summary_text" | "reasoning_text" as what, step]:
                return self._words(event, what, is_done=step == "done")
            case ["function_call_arguments" | "custom_tool_call_input" as what, step]:
                return self._arguments(event, what, is_done=step == "done")
        return Chunk()

    def last_chunk(self, *, is_framed: bool = True) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended.

        Whether the body `is_framed` does not matter: the last event says that it is the last.
        """
        if self._finish_reason is None:
            raise UnreadableAnswer("the stream ended without a finish_reason")
        return replace(self._parts.end(self._finish_reason), usage=self._usage)

    def _end(self, response: Json) -> Chunk:
        """Take the whole response that ends a stream: items that no event told, counts, and why it ended."""
        status = response.get("status")
        if status in FAILURES or response.get("error"):
            raise ErrorEvent(response.get("error") or {"type": "response_failed"})
        output = response.get("output") or []
        if not isinstance(output, list):
            raise UnreadableAnswer("output is not a list")
        if self._parts.has_spoken:
            chunks = [self._rest(item) for item in _parts(output)]
        else:
            chunks = [self._whole(i, item) for i, item in enumerate(output)]
        self._finish_reason = self._reason(response)
        fewest = self._parts.fewest_tokens
        self._usage = read_usage(response, None, bounds=self._bounds, fewest_tokens=fewest)
        if self._usage is None and has_usage(response, None):
            self._note(USAGE_IMPOSSIBLE)
        return merged(chunks)

    def _rest(self, item: Json) -> Chunk:
        """Return what of a call that began was not told yet, for a provider that does not end its item."""
        call_id = item.get("call_id")
        index = self._parts.calls.index_of(call_id) if isinstance(call_id, str) else None
        if index is None or item.get("type") not in CALLS:
            return Chunk()
        return self._call(index, item, is_done=True)

    def _reason(self, response: Json) -> FinishReason:
        status = response.get("status")
        if status == "completed":
            return FinishReason.STOP
        if status != "incomplete":
            raise UnreadableAnswer("status does not say that it has ended")
        details = response.get("incomplete_details")
        word = str(details.get("reason") if isinstance(details, dict) else "")
        ending = self._form.finish_words.get(word.lower()) or ending_of(word)
        if ending == FAILED:
            raise ErrorEvent({"type": "finish_reason"})
        if not isinstance(ending, FinishReason) or ending is FinishReason.STOP:
            self._note(FINISH_UNKNOWN)
            return FinishReason.LENGTH
        return ending

    def _item(self, event: Json, *, is_done: bool) -> Chunk:
        item = event.get("item")
        if not isinstance(item, dict):
            raise UnreadableAnswer("an item is not an object")
        index = self._index(event, item)
        if isinstance(item_id := item.get("id"), str):
            self._indexes.setdefault(item_id, index)
        if item.get("type") in CALLS:
            return self._call(index, item, is_done=is_done)
        return self._whole(index, item) if is_done else Chunk()

    def _whole(self, index: int, item: object) -> Chunk:
        """Return what of a whole item was not told yet."""
        if not isinstance(item, dict):
            raise UnreadableAnswer("an item is not an object")
        kind = item.get("type")
        if kind in CALLS:
            return self._call(index, item, is_done=True)
        chunks: list[Chunk] = []
        if kind == "message":
            for i, part in enumerate(_parts(item.get("content"))):
                what = "refusal" if part.get("type") == "refusal" else "output_text"
                text = part.get("refusal" if what == "refusal" else "text")
                chunks.append(self._tell(index, what, i, text, logprobs_of(part.get("logprobs"))))
        elif kind == "reasoning":
            for name, what in (("summary", "reasoning_summary_text"), ("content", "reasoning_text")):
                chunks += [
                    self._tell(index, what, i, p.get("text")) for i, p in enumerate(_parts(item.get(name)))
                ]
            sealed = item.get("encrypted_content")
            if isinstance(sealed, str) and sealed:
                opaque = ReasoningDelta(opaque=sealed.encode(errors="replace"))
                chunks.append(self._parts.add(thoughts=[opaque]))
        return merged(chunks)

    def _words(self, event: Json, what: str, *, is_done: bool) -> Chunk:
        index = self._index(event)
        inner = event.get("summary_index" if what == "reasoning_summary_text" else "content_index")
        at = inner if isinstance(inner, int) else 0
        if is_done:
            return self._tell(index, what, at, event.get("refusal" if what == "refusal" else "text"))
        delta = event.get("delta")
        if not isinstance(delta, str):
            raise UnreadableAnswer("delta is not a string")
        return self._add(index, what, at, delta, logprobs_of(event.get("logprobs")))

    def _tell(
        self, index: int, what: str, at: int, text: object, logprobs: tuple[TokenLogprob, ...] = ()
    ) -> Chunk:
        """Return what a part has more than was told of it, `text` being all of it."""
        if not text:
            return Chunk()
        so_far = "".join(self._said.get((index, what, at), ()))
        if not isinstance(text, str) or not text.startswith(so_far):
            raise UnreadableAnswer("a part is not what its deltas said")
        return self._add(index, what, at, text[len(so_far) :], logprobs)

    def _add(self, index: int, what: str, at: int, text: str, logprobs: tuple[TokenLogprob, ...]) -> Chunk:
        """Return the next piece of a part."""
        if not text:
            return Chunk()
        pieces = self._said.setdefault((index, what, at), [])
        pieces.append(text)
        if what.startswith("reasoning"):
            between = BETWEEN_SUMMARIES if at and len(pieces) == 1 else ""
            return self._parts.add(thoughts=[ReasoningDelta(text=between + text)])
        self._parts.is_refusal = self._parts.is_refusal or what == "refusal"
        return self._parts.add(text=text, logprobs=logprobs if self._form.has_logprobs else ())

    def _call(self, index: int, item: Json, *, is_done: bool) -> Chunk:
        kind = str(item.get("type"))
        is_custom = kind == "custom_tool_call"
        call_id, name = item.get("call_id"), item.get("name")
        given = arguments_text(item.get(CALLS[kind]))
        chunks: list[Chunk] = []
        if self._parts.calls.text_of(index) is None:
            begun = CallPiece(
                index=index,
                id=call_id if isinstance(call_id, str) else "",
                name=name if isinstance(name, str) else "",
                is_custom=is_custom,
            )
            chunks.append(self._parts.add(calls=[begun]))
        return merged([*chunks, self._given(index, given, is_custom=is_custom, is_done=is_done)])

    def _arguments(self, event: Json, what: str, *, is_done: bool) -> Chunk:
        index, is_custom = self._index(event), what == "custom_tool_call_input"
        if is_done:
            given = arguments_text(event.get("input" if is_custom else "arguments"))
            return self._given(index, given, is_custom=is_custom, is_done=False)
        delta = event.get("delta")
        if not isinstance(delta, str):
            raise UnreadableAnswer("delta is not a string")
        return self._parts.add(calls=[_piece(index, delta, is_custom=is_custom)])

    def _given(self, index: int, whole: str, *, is_custom: bool, is_done: bool) -> Chunk:
        """Return what a call has more than its deltas told; `is_done`: there will be no more."""
        so_far = self._parts.calls.text_of(index) or ""
        if whole and not whole.startswith(so_far):
            raise UnreadableAnswer("a call is not what its deltas said")
        rest = whole[len(so_far) :]
        pieces = [_piece(index, rest, is_custom=is_custom)] if rest else []
        chunk = self._parts.add(calls=pieces)
        if not is_done:
            return chunk
        self._parts.calls.close(index)
        return merged([chunk, self._parts.add()])

    def _index(self, event: Json, item: Json | None = None) -> int:
        """Return which item an event is about: by an id that is known, else by what it says."""
        for holder in (event, item or {}):
            for name in ("item_id", "id"):
                known = self._indexes.get(str(holder.get(name)))
                if known is not None:
                    return known
        call_id = (item or {}).get("call_id")
        known = self._parts.calls.index_of(call_id) if isinstance(call_id, str) else None
        if known is not None:
            return known
        index = event.get("output_index")
        return index if isinstance(index, int) else 0


def _piece(index: int, text: str, *, is_custom: bool) -> CallPiece:
    return CallPiece(
        index=index,
        arguments="" if is_custom else text,
        input=text if is_custom else "",
        is_custom=is_custom,
    )


def _parts(value: object) -> list[Json]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _is_error(event: object) -> bool:
    return isinstance(event, dict) and (bool(event.get("error")) or event.get("type") == "error")
