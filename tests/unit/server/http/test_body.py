"""What JSON of a request is read, and what it costs the event loop to refuse the rest."""

import time
from collections.abc import Callable, Mapping

import pytest

from gateway.domain.text.schema_bounds import MAX_DIGITS
from gateway.errors import InvalidRequest
from gateway.server.http.body import MAX_DEPTH, MAX_VALUES, parse_body
from gateway.server.http.members import MAX_OBJECTS, Members

MEBI = 1 << 20
TEXT = b'{"a": "%s"}' % (b"a word, " * (MEBI // 8))
BOMBS: Mapping[str, bytes] = {
    "brackets": b"[" * MEBI,
    "objects without end": b'{"a":' * (MEBI // 5),
    "nested lists": b'{"a": [%s]}' % b",".join([b"[" * 900 + b"]" * 900] * 580),
    "brackets that close nothing": b'{"a": 1}' + b"]" * MEBI,
    "lists": b'{"a": [%s[]]}' % (b"[]," * (MEBI // 3)),
    "objects": b'{"a": [%s{}]}' % (b"{}," * (MEBI // 3)),
    "names": b"{%s}" % b",".join(b'"%x":1' % number for number in range(MEBI // 12)),
    "one name": b"{%s}" % b",".join([b'"a":1'] * (MEBI // 6)),
    "strings": b'{"a": [%s""]}' % (b'"",' * (MEBI // 3)),
    "strings with escapes": b'{"a": [%s""]}' % (rb'"\\",' * (MEBI // 5)),
    "floats": b'{"a": [%s1]}' % (b"1e9," * (MEBI // 4)),
    "numbers": b'{"a": [%s1]}' % (b"1," * (MEBI // 2)),
    "long numbers": b'{"a": [%s1]}' % (b"9" * 4300 + b",") * 240,
    "one long number": b'{"a": %s}' % (b"9" * MEBI),
    "a number beyond floats": b'{"a": 1e999}',
    "half of a pair": rb'{"a": "\ud800"}',
    "a control character": b'{"a": "\x01"}',
    "a name of bytes": b'{"\xff": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a comment": b'{"a": 1 /* */}',
    "no string's end": b'{"a": "' + rb"\"" * (MEBI // 2),
}


def cpu_s(work: Callable[[], object]) -> float:
    """Return the processor time of the quickest of three runs."""
    times = []
    for _ in range(3):
        began_s = time.process_time()
        work()
        times.append(time.process_time() - began_s)
    return min(times)


@pytest.mark.parametrize("what", sorted(BOMBS))
def test_a_bomb_costs_no_more_than_a_text_of_its_size(what: str) -> None:
    """What would take tens of milliseconds is refused by a look at its brackets, commas and quotes."""

    def refuse() -> None:
        with pytest.raises(InvalidRequest) as refused:
            parse_body(BOMBS[what])
        assert len(str(refused.value)) < 100

    assert cpu_s(refuse) < 5 * cpu_s(lambda: parse_body(TEXT))


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": [%s1]}' % (b"1e9," * (MAX_VALUES - 10)),
        b"{%s}" % b",".join(b'"%x":"x"' % number for number in range(MAX_VALUES // 2 - 1)),
        b'{"a": [%s1]}' % (b"[]," * (MAX_VALUES // 2 - 10)),
        b'{"a": [%s1]}' % (b"9" * MAX_DIGITS + b",") * 1,
        rb'{"a": "%s"}' % (rb"\u00e9" * (MEBI // 6)),
    ],
)
def test_the_most_that_is_read_takes_little_longer(data: bytes) -> None:
    """Between what is refused and an ordinary body nothing takes the loop long."""
    assert cpu_s(lambda: parse_body(data)) < 15 * cpu_s(lambda: parse_body(TEXT))


def test_what_stands_in_texts_is_not_counted() -> None:
    """Code, tables and JSON inside of strings are texts, whatever brackets, commas and quotes they have."""
    inside = r"[{\"a\": \"\\\\\"}, " * 40_000
    value = parse_body(f'{{"a": "{inside}", "b": ["{inside}"]}}'.encode())
    assert value["a"] == value["b"][0]
    assert value["a"].startswith('[{"a": "\\\\"}, ')


def test_nesting_is_bounded() -> None:
    """The deepest that is read can be walked through by every function that follows."""
    deepest = b'{"a": %s}' % (b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1))
    assert "a" in parse_body(deepest)
    with pytest.raises(InvalidRequest, match="nested at most"):
        parse_body(b'{"a": %s}' % (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH))


def test_of_two_members_of_one_name_the_last_counts() -> None:
    """As in every usual reader of JSON; what is checked is what is sent on."""
    assert parse_body(b'{"a": 1, "a": 2}') == {"a": 2}


def test_objects_of_a_request_are_counted_as_they_are_read() -> None:
    """Dialects take microseconds for each, wherever it stands, and stop at one too many."""
    messages = Members({"messages": [{"content": [{}] * 100}] * 100}).objects("messages")
    parts = (part for message in messages for part in message.objects("content"))
    for _ in range(40 * 100 + 50):
        next(parts)
    with pytest.raises(
        InvalidRequest, match=rf"messages\[40\].* a request has at most {MAX_OBJECTS} objects"
    ):
        list(parts)
