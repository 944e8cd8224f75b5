"""Streams with oddities mixed in at random: the text is the right one, or the end is an error.

The streams are made here; the catalogue is of what providers were seen to send.
"""

import json
import random
from collections.abc import Callable, Sequence

import pytest

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.events import EventReader
from gateway.backends.openai.answers import StreamReader
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.domain.assembly import assembled
from tests.support.provider_bytes import BOUNDS, chunk, counted, said

ROUNDS = 400
WORDS = ["one ", "zwei ", "три ", "四", "😀", "e\u0301", "\u200b", " ", "\t", "ping"]
MARKS = ['"', "\\", "\n", "\r", "{", "}", "[", ":", "data: ", "[DONE]", "\n\n"]
Events = list[dict[str, object]]


def read(raw: bytes, rng: random.Random) -> Reply:
    """Read a stream that comes in pieces of random size, as the backend does."""
    events, stream = EventReader(BOUNDS), StreamReader(BOUNDS, lambda _: None)
    chunks: list[Chunk] = []
    while raw:
        size = rng.randint(1, 60)
        chunks += [stream.feed(event) for event in events.feed(raw[:size])]
        raw = raw[size:]
    chunks += [stream.feed(event) for event in events.rest(is_needed=not stream.may_be_over)]
    return assembled([*chunks, stream.last_chunk()]).reply()


def made(rng: random.Random, words: Sequence[str]) -> tuple[list[str], Events]:
    """Return pieces of a text and a plain stream of them."""
    texts = rng.choices(words, k=rng.randint(1, 8))
    return texts, [chunk({"role": "assistant"}), *map(said, texts), chunk({}, "stop"), counted()]


def _finish_in_every_event(events: Events, rng: random.Random) -> Events:
    return _replaced(events, '"finish_reason": null', '"finish_reason": "stop"')


def _empty_finish(events: Events, rng: random.Random) -> Events:
    return _replaced(events, '"finish_reason": null', '"finish_reason": ""')


def _replaced(events: Events, old: str, new: str) -> Events:
    return [json.loads(json.dumps(event).replace(old, new)) for event in events]


def _text(event: dict[str, object]) -> str:
    """Return the text of an event of one choice; empty for any other."""
    match event:
        case {"choices": [{"index": 0, "delta": {"content": str(text)}}]}:
            return text
    return ""


def _parts(events: Events, rng: random.Random) -> Events:
    thought = {"type": "thinking", "thinking": "hm"}
    return [
        event | chunk({"content": [thought, {"type": "text", "text": _text(event)}]})
        if _text(event)
        else event
        for event in events
    ]


def _split_characters(events: Events, rng: random.Random) -> Events:
    """Cut each text between the halves of its surrogate pairs."""
    split: Events = []
    for event in events:
        units = _text(event).encode("utf-16-le", "surrogatepass")
        halves = [units[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(units), 2)]
        split += [said(half) for half in halves] or [event]
    return split


def _insert(*odd: dict[str, object]) -> Callable[[Events, random.Random], Events]:
    def insert(events: Events, rng: random.Random) -> Events:
        at = rng.randint(0, len(events) - 1)
        return [*events[:at], *odd, *events[at:]]

    return insert


def _counts_everywhere(events: Events, rng: random.Random) -> Events:
    early = [event | {"usage": {"prompt_tokens": 11, "completion_tokens": 1}} for event in events[:-2]]
    return [*early, *events[-2:]]


def _absurd_counts(events: Events, rng: random.Random) -> Events:
    absurd = [None, {}, {"prompt_tokens": -1}, {"prompt_tokens": 0, "completion_tokens": 0}, "x", 10**30]
    return [*(event | {"usage": rng.choice(absurd)} for event in events[:-1]), events[-1]]


HARMLESS: list[Callable[[Events, random.Random], Events]] = [
    _finish_in_every_event,
    _empty_finish,
    _parts,
    _split_characters,
    _counts_everywhere,
    _absurd_counts,
    _insert({"choices": None}),
    _insert({"type": "ping"}),
    _insert({"choices": [{"index": 0, "finish_reason": None}]}),
    _insert({"choices": [{"index": 0, "delta": None}]}),
    _insert({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}),
    _insert({"choices": [], "prompt_filter_results": []}),
]
BETWEEN = [
    b"\n", b"\r\n", b": keepalive\n\n", b"data:\n\n", b"data: ping\n\n", b"event: ping\n\n", b"retry: 3000\n",
    b"id: 1\n", b'event: ping\ndata: {"type": "ping"}\n\n', b"data: null\n\n", b"",
]  # fmt: skip
PREFIXES = [b"data: ", b"data:", b"\xef\xbb\xbfdata: ", b"id: 3\ndata: ", b"event: message\ndata: "]
ENDS = [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n"]


def spelled(events: Sequence[dict[str, object]], rng: random.Random) -> bytes:
    """Return a stream with odd lines between its events; a spelling is one server's, so it is kept."""
    prefix, end, is_ascii = rng.choice(PREFIXES), rng.choice(ENDS), rng.random() < 0.5
    raw = b""
    for event in events:
        try:
            body = json.dumps(event, ensure_ascii=is_ascii).encode()
        except UnicodeEncodeError:  # Half a surrogate pair goes over the wire as an escape alone.
            body = json.dumps(event).encode()
        raw += prefix + body + end + rng.choice(BETWEEN)
    return raw + rng.choice([b"data: [DONE]\n\n", b"data: [DONE]", b"data:[DONE]\n", b""])


@pytest.mark.parametrize("seed", range(4))
def test_harmless_oddities_change_nothing(seed: int) -> None:
    """Any number of them at once: text, reason and counts are those of the plain stream."""
    rng = random.Random(seed)
    for _ in range(ROUNDS):
        texts, events = made(rng, [*WORDS, *MARKS])
        for oddity in rng.sample(HARMLESS, k=rng.randint(0, 3)):
            events = oddity(events, rng)
        raw = spelled(events, rng)
        reply = read(raw, rng)
        assert reply.text == "".join(texts), raw
        assert reply.finish_reason is FinishReason.STOP
        assert reply.usage == Usage(prompt_tokens=11, completion_tokens=5), raw


def _cut(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randint(0, len(raw))]


def _drop_structure(raw: bytes, rng: random.Random) -> bytes:
    at = rng.choice([i for i, byte in enumerate(raw) if byte in b'{}[]":,'])
    return raw[:at] + raw[at + 1 :]


def _repeat_bytes(raw: bytes, rng: random.Random) -> bytes:
    at = rng.choice([i for i, byte in enumerate(raw) if byte in b"{}[]:"])
    return raw[:at] + raw[at : at + 1] + raw[at:]


def _insert_bytes(*odd: bytes) -> Callable[[bytes, random.Random], bytes]:
    def insert(raw: bytes, rng: random.Random) -> bytes:
        at = rng.choice([0, *(i + 2 for i in range(len(raw)) if raw[i : i + 2] == b"\n\n")])
        return raw[:at] + rng.choice(odd) + raw[at:]

    return insert


HARMFUL: list[Callable[[bytes, random.Random], bytes]] = [
    _cut,
    _drop_structure,
    _repeat_bytes,
    _insert_bytes(
        b'data: {"id": "chatcmpl-\n\n',
        b'data: {"error": {"message": "broken"}}\n\n',
        b'event: error\ndata: "broken"\n\n',
        b'error: {"code": 500}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "network_error"}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": 5}}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": [{"type": "image_url"}]}}]}\n\n',
        b'<html><body class="x">502</body></html>\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n',
    ),
    lambda raw, _: raw.replace(b'"stop"', b"null"),
]


@pytest.mark.parametrize("seed", range(4))
def test_harm_is_an_error_or_did_no_harm(seed: int) -> None:
    """A stream that is cut or garbled never ends well with another text than the whole one."""
    rng = random.Random(seed)
    refused = 0
    for _ in range(ROUNDS):
        texts, events = made(rng, WORDS)
        harm = rng.choice(HARMFUL)
        # A reason that is given once, at the end, is what tells a cut from an end.
        oddity = rng.choice([_empty_finish, _parts, _counts_everywhere, _insert({"type": "ping"})])
        raw = harm(spelled(oddity(events, rng), rng), rng)
        try:
            reply = read(raw, rng)
        except UnreadableAnswer:
            refused += 1
            continue
        assert reply.text == "".join(texts), (harm, raw)
        assert reply.usage in (None, Usage(prompt_tokens=11, completion_tokens=5))
    assert refused > ROUNDS / 4


@pytest.mark.parametrize("text", ["😀", "a😀b", "👩\u200d👩\u200d👧", "語😀", "\U0010ffff"])
def test_no_character_is_cut_in_two(text: str) -> None:
    """Halves in a row are one character; a half that has no other is U+FFFD, but none that LENGTH cut off."""
    rng = random.Random(0)
    events = _split_characters([said(text), chunk({}, "stop")], rng)
    assert read(spelled(events, rng), rng).text == text
    halves = [event for event in events if _text(event)]
    for cut in range(1, len(halves)):
        units = text.encode("utf-16-le")[: 2 * cut]
        for half in (json.loads(json.dumps(halves[:cut])), [said(units.decode("utf-16-le", "replace"))]):
            limited = read(spelled([*half, chunk({}, "length")], rng), rng)
            assert text.startswith(limited.text)
            assert "\ufffd" not in limited.text
            stopped = read(spelled([*half, chunk({}, "stop")], rng), rng)
            assert stopped.text == units.decode("utf-16-le", "replace")
