"""The text of an answer: whole characters, and nothing of a stop string."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.text import TextStream, find_stop, held_length
from tests.support.scripted_model import Bench, ScriptedModel


def shown(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    """Return what is shown after each piece and at the end, and whether a stop string was met."""
    stream = TextStream(stop)
    texts = [stream.push(piece) for piece in pieces]
    return [*texts, stream.finish()], stream.is_stopped


@pytest.mark.parametrize(
    ("pieces", "stop", "texts", "is_stopped", "why"),
    [
        ([b"ab", b"cd"], (), ["ab", "cd", ""], False, "without stop strings all is shown at once"),
        ([b"ab", b"cd"], ("bc",), ["a", "", ""], True, "a stop string that crosses a border"),
        ([b"ab", b"xd"], ("bc",), ["a", "bxd", ""], False, "what looked like a stop string and was none"),
        ([b"abc"], ("b",), ["a", ""], True, "what follows a stop string inside one token is dropped"),
        ([b"ab"], ("bc",), ["a", "b"], False, "the end releases what was held back"),
        ([b"aab"], ("ab",), ["a", ""], True, "a stop string that begins anew inside itself"),
        ([b"abc", b"d"], ("abcd", "bc"), ["a", "", ""], True, "the stop string that is complete first wins"),
        ([b"abcd"], ("abcd", "bc"), ["a", ""], True, "and wins too when both come in one token"),
        ([b"abc"], ("abc", "bc"), ["", ""], True, "of two that end together the longer one wins"),
        (["é".encode()[:1], "é".encode()[1:]], (), ["", "é", ""], False, "half a character waits"),
        (["🙂".encode()[:3]], (), ["", ""], False, "an end inside a character is left out"),
        ([b"a", "🙂".encode()[:2]], ("ab",), ["", "", "a"], False, "and what waits before it is shown"),
        ([b"\xff", b"\xf0"], (), ["\ufffd", "", ""], False, "after bytes that are no UTF-8 as well"),
        ([b"\xff", b"a"], (), ["\ufffd", "a", ""], False, "bytes that are no UTF-8 are marked"),
        (["xé".encode()[:2], "é".encode()[1:]], ("é",), ["x", "", ""], True, "a stop string cut inside"),
        ([b"ab"], ("",), ["ab", ""], False, "an empty stop string stops nothing"),
    ],
)
def test_show(
    pieces: list[bytes], stop: tuple[str, ...], texts: list[str], is_stopped: bool, why: str
) -> None:
    """Each part is shown as soon as nothing to come can change it, and no stop string is."""
    assert (texts, is_stopped) == shown(pieces, stop), why


@given(
    text=st.text("abé🙂", max_size=40),
    stop=st.lists(st.text("abé", min_size=1, max_size=4), max_size=3).map(tuple),
    cuts=st.lists(st.integers(0, 120), max_size=20),
)
def test_borders_do_not_matter(text: str, stop: tuple[str, ...], cuts: list[int]) -> None:
    """The same bytes give the same text and the same end, wherever the borders of tokens fall."""
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(places)]

    one_by_one, stopped_one_by_one = shown([data[i : i + 1] for i in range(len(data))], stop)
    in_pieces, stopped_in_pieces = shown(pieces, stop)

    assert ("".join(one_by_one), stopped_one_by_one) == ("".join(in_pieces), stopped_in_pieces)
    assert not any(s in "".join(in_pieces) for s in stop)
    assert text.startswith("".join(in_pieces))
    assert stopped_in_pieces == any(s in text for s in stop)


@pytest.mark.parametrize(
    ("text", "stop", "met"),
    [
        ("a END b", ("STOP", "END"), "END"),
        ("xyz", ("yz", "xyz"), "xyz"),
        ("abab", ("abab", "ab"), "ab"),
        ("a", ("b",), ""),
    ],
)
def test_which_stop_string_was_met(text: str, stop: tuple[str, ...], met: str) -> None:
    """The one that ended first; of two that end together the longer one."""
    stream = TextStream(stop)
    stream.push(text.encode())
    assert stream.met == met


def test_find_stop_in_text_without_one() -> None:
    """A text without a stop string has no end."""
    assert find_stop("abc", ("x",)) is None


def test_held_length_is_bounded_by_the_stop_strings() -> None:
    """No more is held back than one character less than the longest stop string."""
    assert held_length("aaaaaaaa", ("aaab",)) == 3


@given(
    text=st.text(min_size=1, max_size=30),
    stop=st.lists(st.text(min_size=1, max_size=3), max_size=2).map(tuple),
    cuts=st.lists(st.integers(0, 120), max_size=10),
    end=st.integers(0, 120),
)
def test_wherever_an_answer_is_cut_its_text_is_whole(
    text: str, stop: tuple[str, ...], cuts: list[int], end: int
) -> None:
    """An answer that a limit cuts between any two bytes is a beginning of its text."""
    data = text.encode()[:end]
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    texts, is_stopped = shown([data[a:b] for a, b in pairwise(places)], stop)

    assert text.startswith("".join(texts))
    if not is_stopped:
        assert "".join(texts) == data.decode(errors="ignore")


@pytest.mark.parametrize("max_tokens", range(1, 8))
def test_a_limit_inside_a_character(max_tokens: int) -> None:
    """The engine's answers end in whole characters, and count all tokens that were sampled."""
    bench = Bench(ScriptedModel(scripts=["é🙂x".encode()]))
    ticket = bench.submit(3, max_tokens=max_tokens)
    bench.finish()

    assert bench.text(ticket) == "é🙂x".encode()[:max_tokens].decode(errors="ignore")
    usage = bench.last(ticket).usage
    assert usage is not None
    assert usage.completion_tokens == max_tokens
