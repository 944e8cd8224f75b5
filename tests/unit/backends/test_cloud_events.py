"""Server-sent events however they are spelled: the same events come out, or an error does."""

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.events import EventReader
from tests.support.provider_bytes import BOUNDS

EVENTS: list[dict[str, object]] = [{"a": "one ü 語 😀"}, {"b": [1, {"c": None}]}, {"d": 'quote " and \\'}]
JSONS = [json.dumps(event, ensure_ascii=False).encode() for event in EVENTS]


def read(*pieces: bytes, bounds: AnswerBounds = BOUNDS) -> list[object]:
    """Return what comes of a stream that arrives in pieces."""
    reader = EventReader(bounds)
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.rest())


def joined(*, before: bytes = b"data: ", after: bytes = b"\n\n", between: bytes = b"") -> bytes:
    """Return the events in one spelling, and DONE."""
    return between + between.join(before + event + after for event in [*JSONS, b"[DONE]"])


def _pretty(first: bytes, others: bytes) -> bytes:
    events = (json.dumps(event, indent=2).encode().replace(b"\n", b"\n" + others) for event in EVENTS)
    return b"".join(first + event + b"\n\n" for event in events) + b"data: [DONE]\n\n"


SPELLINGS: dict[str, bytes] = {
    "plain": joined(),
    "CRLF": joined(after=b"\r\n\r\n"),
    "CR": joined(after=b"\r\r"),
    "no blank": joined(before=b"data:"),
    "many blanks": joined(before=b"data:  \t", after=b"  \n\n"),
    "no line between events": joined(after=b"\n"),
    "many lines between events": joined(after=b"\n\n\n\n"),
    "nothing after the last": joined().rstrip(),
    "byte order mark": b"\xef\xbb\xbf" + joined(),
    "byte order mark in every event": joined(before=b"\xef\xbb\xbfdata: "),
    "comments": joined(between=b": OK\n\n:\n:keepalive\n"),
    "a comment with JSON": joined(between=b': {"a": 1}\n\n'),
    "empty data": joined(between=b"data:\n\ndata: \n\n"),
    "words as data": joined(between=b"data: ping\n\ndata: : keep-alive\n\ndata: [HEARTBEAT]\n\n"),
    "values as data": joined(between=b"data: null\n\ndata: 1\n\ndata: true\n\n"),
    "events without data": joined(between=b"event: ping\n\nid: 7\n\nretry: 3000\n\n"),
    "named events": joined(before=b"id: 7\nevent: message\nretry: 1\ndata: "),
    "name behind the data": joined(after=b"\nevent: message\n\n"),
    "field in capitals": joined(before=b"DATA: "),
    "a field twice": joined(before=b"data: data: "),
    "blanks before the field": joined(before=b"  data: "),
    "no field at all": joined(before=b""),
    "an unknown field": joined(between=b"origin: here\n\nping\n\n"),
    "several lines of data": _pretty(b"data: ", b"data: "),
    "one field, several lines": _pretty(b"data: ", b""),
    "no field, several lines": _pretty(b"", b""),
    "DONE in quotes": joined().replace(b"[DONE]", b'"[DONE]"'),
    "DONE in small letters": joined().replace(b"[DONE]", b"[done]"),
    "DONE with more": joined().replace(b"[DONE]", b"[DONE] bye"),
}


@pytest.mark.parametrize("raw", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_gives_the_same_events(raw: bytes) -> None:
    """In one piece, byte by byte, and cut in two anywhere."""
    expected = [*EVENTS, None]
    assert read(raw) == expected
    assert read(*(raw[i : i + 1] for i in range(len(raw)))) == expected
    for cut in range(len(raw)):
        assert read(raw[:cut], raw[cut:]) == expected


@given(st.lists(st.sampled_from(sorted(SPELLINGS)), min_size=1, max_size=4), st.lists(st.integers(1, 40)))
def test_spellings_mix_and_pieces_are_of_any_size(kinds: Sequence[str], sizes: Sequence[int]) -> None:
    """A gateway may stand before another, so that one stream holds more than one oddity."""
    raw = b"\n\n".join(SPELLINGS[kind] for kind in kinds)
    pieces = []
    for size in sizes:
        pieces.append(raw[:size])
        raw = raw[size:]
    assert read(*pieces, raw) == [*EVENTS, None] * len(kinds)


@pytest.mark.parametrize(
    "raw",
    [
        b'event: error\ndata: {"message": "m"}\n\n',
        b'error: {"message": "m"}\n\n',
        b'data: {"error": {"message": "m"}}\n\n',
        b'event: error\ndata: {"error": {"message": "m"}}\n\n',
        b"event: error\ndata: m\n\n",
    ],
)
def test_an_event_named_error_is_one(raw: bytes) -> None:
    """However it says so; and the next event is another one."""
    assert read(raw + joined()) == [{"error": {"message": "m"}}, *EVENTS, None]


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"a": \n\ndata: 1}\n\n',
        b'data: {"a": "b"\n\n',
        b'data: {"a": "b"}}\n\n',
        b'data: {"a": "\xff"}\n\n',
        b'data: {"a": 1} {"a": 2}\n\n',
        b'dat: {"a": 1}\n\n',
        b'<html lang="en">',
        b'data: {"a": "b',
        b'{"a": "b',
    ],
)
def test_what_may_be_a_part_of_an_answer_and_cannot_be_read_is_refused(raw: bytes) -> None:
    """A part that is dropped would leave an answer that looks whole."""
    with pytest.raises(UnreadableAnswer):
        read(raw)


def test_a_part_at_the_end_may_be_let_go() -> None:
    """When the answer is over, whoever reads says so."""
    reader = EventReader(BOUNDS)
    assert list(reader.feed(b'data: {"a": 1}\n\ndata: {"b')) == [{"a": 1}]
    assert list(reader.rest(is_needed=False)) == []


ENDLESS: dict[str, Callable[[int], bytes]] = {
    "one line": lambda size: b"data: " + b"x" * size,
    "one event": lambda size: b'data: {"a":\n' + b"data: 1\n" * (size // 8),
    "comments": lambda size: b": keepalive\n" * (size // 12),
    "empty lines": lambda size: b"\n" * size,
    "small events": lambda size: b"data: {}\n" * (size // 9),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_stream_without_end_is_refused(kind: str) -> None:
    """Line, event, body and number of events are bounded by what was asked for, and so is the memory."""
    small = AnswerBounds(prompt_tokens=10, fewest_prompt_tokens=1, max_tokens=1)
    reader = EventReader(small)
    piece = ENDLESS[kind](16 * 1024)
    if kind == "one event":
        list(reader.feed(piece[:12]))
        piece = piece[12:]
    if kind == "one line":
        list(reader.feed(piece[:6]))
        piece = piece[6:]

    def feed_all() -> None:
        for _ in range(small.body_bytes // len(piece) + 1):
            list(reader.feed(piece))

    with pytest.raises(UnreadableAnswer, match="bound"):
        feed_all()
