"""The pieces of an answer become one piece, and the message that a caller appends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from gateway.domain.assembly import Assembly, assembled
from gateway.domain.conversation import Message, Reasoning, Role, Text, ToolCall

USAGE = Usage(prompt_tokens=3, completion_tokens=2)
CALL = ToolCallDelta(index=0, id="c1", name="look", arguments_json='{"at": "sea"}')


def test_text_alone_is_content() -> None:
    """An answer of text is a message in the short form."""
    answer = assembled([Chunk(text="a"), Chunk(text="b", finish_reason=FinishReason.STOP, usage=USAGE)])
    assert answer.message("cloud") == Message(role=Role.ASSISTANT, content="ab")
    assert answer.reply().usage == USAGE


def test_thoughts_text_and_calls_are_parts() -> None:
    """A message holds what was thought, said and asked for, in this order."""
    answer = assembled(
        [
            Chunk(reasoning=(ReasoningDelta(text="hm"),)),
            Chunk(reasoning=(ReasoningDelta(text="m", opaque=b"s1"), ReasoningDelta(text="so"))),
            Chunk(text="Wait."),
            Chunk(tool_calls=(CALL,), finish_reason=FinishReason.TOOL_CALLS),
        ]
    )
    assert answer.message("cloud") == Message(
        role=Role.ASSISTANT,
        parts=(
            Reasoning(text="hmm", model="cloud", opaque=b"s1"),
            Reasoning(text="so", model="cloud"),
            Text("Wait."),
            ToolCall(id="c1", name="look", arguments_json='{"at": "sea"}'),
        ),
    )


def test_a_signed_call_names_the_model_that_made_it() -> None:
    """What a provider wants back goes to nobody else."""
    signed = Chunk(tool_calls=(replace(CALL, opaque=b"sig"),), finish_reason=FinishReason.TOOL_CALLS)
    [call] = assembled([signed]).message("cloud").tool_calls
    assert (call.opaque, call.model) == (b"sig", "cloud")


@given(st.lists(st.text(max_size=5), min_size=1, max_size=6), st.booleans())
def test_a_call_in_pieces_is_the_same_call(pieces: list[str], is_invalid: bool) -> None:
    """However its arguments are cut, they are joined; the last piece says whether they are JSON."""
    deltas = [
        ToolCallDelta(
            index=0,
            id="c1" if i == 0 else "",
            name="look" if i == 0 else "",
            arguments_json=piece,
            arguments_invalid=is_invalid and i == len(pieces) - 1,
        )
        for i, piece in enumerate(pieces)
    ]
    (call,) = assembled([Chunk(tool_calls=(delta,)) for delta in deltas]).calls
    assert call == ToolCallDelta(
        index=0, id="c1", name="look", arguments_json="".join(pieces), arguments_invalid=is_invalid
    )


def test_one_piece_is_the_same_answer() -> None:
    """What was joined into one piece gives the same message again."""
    answer = assembled(
        [
            Chunk(reasoning=(ReasoningDelta(text="hm", opaque=b"s"),)),
            Chunk(text="x", tool_calls=(CALL, ToolCallDelta(index=1, id="c2", name="see"))),
            Chunk(finish_reason=FinishReason.TOOL_CALLS, usage=USAGE),
        ]
    )
    assert assembled([answer.chunk()]).message("m") == answer.message("m")
    assert assembled([answer.reply().as_chunk()]).message("m") == answer.message("m")


@pytest.mark.parametrize("index", [1, 2])
def test_calls_do_not_interleave(index: int) -> None:
    """A reader of a provider puts the pieces in order; here another order is a defect."""
    answer = Assembly()
    answer.add(Chunk(tool_calls=(CALL,)))
    if index == 1:
        answer.add(Chunk(tool_calls=(ToolCallDelta(index=1, id="c2", name="see"),)))
        index = 0
    with pytest.raises(ValueError, match="interleave"):
        answer.add(Chunk(tool_calls=(ToolCallDelta(index=index, arguments_json="}"),)))


def test_an_answer_without_an_end_is_not_whole() -> None:
    """Without a finish reason there is no reply."""
    answer = assembled([Chunk(text="x")])
    assert not answer.is_whole
    with pytest.raises(ValueError, match="not whole"):
        answer.reply()
