"""Pieces that came in one read go on as one, in the order in which they were said."""

from collections.abc import Iterator

import pytest

from gateway.backends.http.together import together
from gateway.domain.answer import Chunk, ReasoningDelta, ToolCallDelta

EMPTY = Chunk()
THOUGHT = Chunk(reasoning=(ReasoningDelta(text="hm"),))
TEXT = Chunk(text="a")
CALL = Chunk(tool_calls=(ToolCallDelta(index=0, id="c", name="f"),))


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ([], []),
        ([EMPTY, EMPTY], [EMPTY]),
        ([EMPTY, TEXT, EMPTY], [TEXT]),
        ([TEXT, TEXT, TEXT], [Chunk(text="aaa", pieces=3)]),
        ([THOUGHT, TEXT], [Chunk(reasoning=THOUGHT.reasoning, text="a", pieces=2)]),
        ([TEXT, THOUGHT], [TEXT, THOUGHT]),
        ([TEXT, EMPTY, THOUGHT], [TEXT, THOUGHT]),
        ([TEXT, CALL], [Chunk(text="a", tool_calls=CALL.tool_calls, pieces=2)]),
        ([CALL, TEXT], [CALL, TEXT]),
        ([CALL, EMPTY, TEXT], [CALL, TEXT]),
        ([CALL, CALL], [Chunk(tool_calls=(*CALL.tool_calls, *CALL.tool_calls), pieces=2)]),
    ],
)
def test_they_are_joined_as_far_as_their_order_allows(came: list[Chunk], expected: list[Chunk]) -> None:
    """One piece says reasoning first, then text, then calls of tools."""
    assert list(together(came)) == expected


def test_what_came_before_an_error_is_said() -> None:
    """The caller of a stream that breaks has every word that came."""

    def broken() -> Iterator[Chunk]:
        yield TEXT
        yield TEXT
        raise ValueError

    said: list[Chunk] = []
    with pytest.raises(ValueError, match=r"^$"):
        said.extend(together(broken()))
    assert said == [Chunk(text="aa", pieces=2)]
