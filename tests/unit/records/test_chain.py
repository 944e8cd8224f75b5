"""The chain of records: whatever is done to a file of it is found, and named."""

import json
from collections.abc import Callable

import pytest

from gateway.records.chain import BEGINNING, ChainLink, append, chained, faults

Lines = list[bytes]


def chain(count: int = 8, *, begins: tuple[int, ...] = (0,)) -> tuple[Lines, ChainLink]:
    """Return the lines of a whole chain, of which some begin a file, and where it ends."""
    lines, link = [], BEGINNING
    for number in range(count):
        line, link = append(
            link, {"kind": "file" if number in begins else "request", "cost_usd_nanos": number}, version=1
        )
        lines.append(line)
    return lines, link


def found(lines: Lines, end: ChainLink | None) -> list[str]:
    """Return what is wrong with a file of these lines."""
    return list(faults(chained([("f", b"".join(lines))]), end=end))


def change(at: int) -> Callable[[Lines], Lines]:
    """Lower the cost of one record."""

    def changed(lines: Lines) -> Lines:
        fields = json.loads(lines[at])
        fields["cost_usd_nanos"] = 99
        spoilt = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        return [*lines[:at], spoilt, *lines[at + 1 :][: len(lines)]] if at >= 0 else [*lines[:-1], spoilt]

    return changed


def flip_prev(lines: Lines) -> Lines:
    """Change nothing of a record but the hash that it names."""
    fields = json.loads(lines[3])
    fields["prev"] = "f" * 64
    return [*lines[:3], json.dumps(fields, separators=(",", ":")).encode() + b"\n", *lines[4:]]


def test_a_whole_chain_has_no_fault() -> None:
    """What the writer wrote is right, with its end and without."""
    lines, end = chain()
    assert found(lines, end) == []
    assert found(lines, None) == []


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (change(0), ["f:1: record 1 was changed"]),
        (change(3), ["f:4: record 4 was changed"]),
        (change(-1), ["f:8: record 8 was changed"]),
        (flip_prev, ["f:4: record 4 was changed"]),
        (lambda lines: [*lines[:3], *lines[4:]], ["f:4: record 4 should come before record 5: dropped"]),
        (
            lambda lines: [*lines[:2], *lines[5:]],
            ["f:3: records 3 to 5 should come before record 6: dropped"],
        ),
        (lambda lines: lines[:-2], ["f:6: the end was cut: records 7 to 8 should follow"]),
        (lambda lines: [*lines[:-1], lines[-1][:20]], ["f:8: is no record: it was changed or cut"]),
        (
            lambda lines: [*lines[:3], lines[3][:20] + b"\n", *lines[4:]],
            ["f:4: is no record: it was changed or cut"],
        ),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], ["f:4: record 3 appears twice"]),
    ],
)  # fmt: skip
def test_each_deed_is_found_and_named(deed: Callable[[Lines], Lines], said: list[str]) -> None:
    """Changed, dropped, cut or doubled: the line is named."""
    lines, end = chain()
    assert found(deed(lines), end)[: len(said)] == said


def test_swapped_lines_are_found() -> None:
    """Two lines that changed places are named, and nothing else is."""
    lines, end = chain()
    swapped = [*lines[:3], lines[4], lines[3], *lines[5:]]

    said = found(swapped, end)

    assert said[0] == "f:4: record 5 was moved: record 4 belongs before it"
    assert said[1] == "f:5: record 4 follows record 5: it was moved"


@pytest.mark.parametrize("at", range(8))
def test_any_byte_that_changes_is_found(at: int) -> None:
    """Flip one bit anywhere in a line, and its number is in what is said."""
    lines, end = chain()
    for place in range(len(lines[at]) - 1):
        spoilt = bytearray(lines[at])
        spoilt[place] ^= 1
        said = found([*lines[:at], bytes(spoilt), *lines[at + 1 :]], end)
        assert any(f"f:{at + 1}:" in line or f"f:{at + 2}:" in line for line in said), (at, place, said)


def test_the_end_of_a_chain_that_grew_on_is_in_it() -> None:
    """A writer that was killed between a line and its note of the end leaves a chain that is right."""
    lines, end = chain()
    assert found(lines, ChainLink(7, json.loads(lines[7])["prev"])) == []
    assert end.seq == 8


def test_files_are_read_in_the_order_of_the_chain() -> None:
    """A chain goes on from a full file to the next, and a file that is missing is missed."""
    lines, end = chain(9, begins=(0, 3, 6))
    first, second, third = b"".join(lines[:3]), b"".join(lines[3:6]), b"".join(lines[6:])

    whole = chained([("c", third), ("a", first), ("b", second)])
    without = chained([("c", third), ("a", first)])

    assert list(faults(whole, end=end)) == []
    assert list(faults(without, end=end)) == ["c:1: records 4 to 6 should come before record 7: dropped"]


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_beginning_that_was_cut_is_found(cut: int) -> None:
    """A file begins with a record that says so, whatever it was cut to: a start of a process is none."""
    lines, end = chain()
    assert found(lines[cut:], end)[0] == f"f:1: the beginning was cut: record {cut + 1} does not begin a file"


def test_full_files_may_be_moved_away() -> None:
    """What is left begins with the beginning of a file."""
    lines, end = chain(9, begins=(0, 3, 6))
    assert list(faults(chained([("c", b"".join(lines[6:])), ("b", b"".join(lines[3:6]))]), end=end)) == []
    joined = chained([("b", b"".join(lines))])
    assert list(faults(joined, end=end)) == [
        "b:4: record 4 begins a file and was moved", "b:7: record 7 begins a file and was moved",
    ]  # fmt: skip
