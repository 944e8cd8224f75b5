"""Calls of tools as providers write them, made for tests, and the reading of a stream of them."""

from collections.abc import Sequence

from gateway.backends.http.events import EventReader
from gateway.backends.openai.answer_parts import PLAIN_FORM, AnswerForm
from gateway.backends.openai.answers import StreamReader
from gateway.domain.answer import Chunk, Reply
from gateway.domain.assembly import assembled
from tests.support.provider_bytes import BOUNDS, chunk


def entry(
    name: str | None = None,
    arguments: object = None,
    *,
    index: int | None = None,
    id: str | None = None,  # noqa: A002  # The name of the API.
    **more: object,
) -> dict[str, object]:
    """Return an element of `tool_calls`; what is None is left out."""
    called = {"name": name, "arguments": arguments}
    function = {key: value for key, value in called.items() if value is not None}
    fields = {"index": index, "id": id, "function": function or None, **more}
    return {key: value for key, value in fields.items() if value is not None}


def calling(*entries: dict[str, object], finish_reason: object = None) -> dict[str, object]:
    """Return an event of a stream with pieces of calls."""
    return chunk({"tool_calls": list(entries)}, finish_reason)


def read_events(events: Sequence[object], form: AnswerForm = PLAIN_FORM) -> Reply:
    """Read a stream of events to its end."""
    stream = StreamReader(BOUNDS, lambda _: None, form)
    return assembled([*map(stream.feed, events), stream.last_chunk()]).reply()


def read_pieces(pieces: Sequence[bytes], form: AnswerForm = PLAIN_FORM) -> tuple[list[Chunk], Chunk]:
    """Read a stream that comes in these pieces; return what came before its end, and its end."""
    events, stream = EventReader(BOUNDS), StreamReader(BOUNDS, lambda _: None, form)
    chunks = [stream.feed(event) for raw in pieces for event in events.feed(raw)]
    chunks += [stream.feed(event) for event in events.rest(is_needed=not stream.may_be_over)]
    return chunks, stream.last_chunk()
