"""Values come back in text, thoughts and arguments of calls, however the answer is cut into pieces."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.layer import Target
from gateway.dispatch.unmask import UnmaskLayer
from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, TokenLogprob, ToolCallDelta
from gateway.domain.assembly import Assembly, assembled
from gateway.privacy.masking.restore import JsonRestorer
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.masking_requests import MAIL, POLICY, TAG, decided
from tests.support.requests import request_of

REQUEST = request_of(f"Write to {MAIL}.")
WORD = f"EMAIL_1_{TAG}"
PLACEHOLDER = f"<{WORD}>"


def _target() -> Target:
    return Target(
        request=REQUEST,
        policy=POLICY,
        model="cloud",
        is_last=True,
        is_streamed=True,
        deadline=Deadline.never(),
        attempt_log=AttemptLog(FakeClock()),
        permit=decided(REQUEST).permits["cloud"],
    )


def restored(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return what the layer makes of an answer."""

    async def inner(_: Target) -> AsyncGenerator[Chunk, None]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[Chunk]:
        return [chunk async for chunk in UnmaskLayer(inner)(_target())]

    return asyncio.run(collect())


def said(answer: Assembly) -> list[str]:
    """Return all texts of an answer."""
    thoughts, calls = answer.thoughts, answer.calls
    return [answer.text, *(each.text for each in thoughts), *(each.arguments_json for each in calls)]


_CALLS = (
    ToolCallDelta(index=0, id="a", name="mail", arguments_json=f'{{"to": "{PLACEHOLDER}"}}'),
    ToolCallDelta(index=1, id="b", name="sh", input=f"mail {WORD}", is_custom=True),
    ToolCallDelta(
        index=2, id="c", name="mail", arguments_json=f'["{WORD}', arguments_invalid=True, opaque=b"s"
    ),
)
WHOLE = assembled(
    [
        Chunk(reasoning=(ReasoningDelta(text=f"They want {PLACEHOLDER}", opaque=b"sig"),)),
        Chunk(reasoning=(ReasoningDelta(text=f"and {WORD}"),)),
        Chunk(text=f"I write to {PLACEHOLDER}", tool_calls=_CALLS),
    ]
)


def _pieces(answer: Assembly, size: int) -> list[Chunk]:
    """Cut an answer into pieces of `size` characters, in its order."""
    return [
        *(piece for thought in answer.thoughts for piece in _thought(thought, size)),
        *(Chunk(text=part) for part in _cut(answer.text, size)),
        *(piece for call in answer.calls for piece in _call(call, size)),
        Chunk(finish_reason=FinishReason.TOOL_CALLS),
    ]


def _thought(thought: ReasoningDelta, size: int) -> list[Chunk]:
    deltas = [ReasoningDelta(text=part) for part in _cut(thought.text, size)]
    deltas += [ReasoningDelta(opaque=thought.opaque)] if thought.opaque else []
    return [Chunk(reasoning=(delta,)) for delta in deltas]


def _call(call: ToolCallDelta, size: int) -> list[Chunk]:
    at = call.index
    deltas = [
        ToolCallDelta(index=at, id=call.id, name=call.name, is_custom=call.is_custom),
        *(ToolCallDelta(index=at, arguments_json=part) for part in _cut(call.arguments_json, size)),
        *(ToolCallDelta(index=at, input=part) for part in _cut(call.input, size)),
        ToolCallDelta(index=at, arguments_invalid=call.arguments_invalid, opaque=call.opaque),
    ]
    return [Chunk(tool_calls=(delta,)) for delta in deltas]


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_an_answer_is_restored_however_it_is_cut(size: int) -> None:
    """Each thought, the text and each call by itself; signatures, ids and names stay as they are."""
    answer = assembled(restored(_pieces(WHOLE, size)))
    assert answer.text == f"I write to {MAIL}"
    assert answer.thoughts == (
        ReasoningDelta(text=f"They want {MAIL}", opaque=b"sig"),
        ReasoningDelta(text=f"and {MAIL}"),
    )
    one, two, three = answer.calls
    assert (one.id, one.name, one.arguments_json) == ("a", "mail", f'{{"to": "{MAIL}"}}')
    assert (two.input, two.is_custom) == (f"mail {MAIL}", True)
    assert (three.arguments_json, three.arguments_invalid, three.opaque) == (f'["{MAIL}', True, b"s")


def test_nothing_is_said_out_of_order() -> None:
    """The end of a text is said before a thought that follows it, and only the last piece ends the answer."""
    chunks = restored([
        Chunk(text=f"see {WORD}"),
        Chunk(reasoning=(ReasoningDelta(text=f"hm {WORD}"),)),
        Chunk(text="!", finish_reason=FinishReason.STOP),
    ])  # fmt: skip
    order = [
        kind
        for chunk in chunks
        for kind, has in (("thought", bool(chunk.reasoning)), ("text", bool(chunk.text)))
        if has
    ]
    assert order == ["text", "text", "thought", "thought", "text"]
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert assembled(chunks).text == f"see {MAIL}!"


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.sampled_from(["thought", "text", "call"]), max_size=12), st.integers(1, 9))
def test_any_order_is_restored_as_a_whole_answer_is(kinds: list[str], size: int) -> None:
    """Thoughts, text and calls in any order: what comes of the pieces is what comes of the whole."""
    whole: list[Chunk] = []
    pieces: list[Chunk] = []
    for at, kind in enumerate(kinds):
        if kind == "thought":
            thought = ReasoningDelta(text=f"{at} {PLACEHOLDER}.", opaque=b"s")
            whole.append(Chunk(reasoning=(thought,)))
            pieces += _thought(thought, size)
        elif kind == "text":
            whole.append(Chunk(text=f"{at} {PLACEHOLDER}."))
            pieces += [Chunk(text=part) for part in _cut(whole[-1].text, size)]
        else:
            arguments = json.dumps({"a": PLACEHOLDER})
            index = kinds[:at].count("call")
            call = ToolCallDelta(index=index, id=str(at), name="n", arguments_json=arguments)
            whole.append(Chunk(tool_calls=(call,)))
            pieces += _call(call, size)
    end = Chunk(finish_reason=FinishReason.STOP)
    one, many = assembled(restored([*whole, end])), assembled(restored([*pieces, end]))
    assert said(one) == said(many)
    assert TAG not in "".join(said(one))


class TestArguments:
    """The arguments of a call stay JSON, whatever was masked."""

    @pytest.mark.parametrize(
        "brackets", [("<", ">"), ("\\u003c", "\\u003e"), ("\\u003C", "\\u003E"), ("", "")]
    )
    @pytest.mark.parametrize("size", [1, 4, 1000])
    def test_escaped_brackets_are_brackets(self, brackets: tuple[str, str], size: int) -> None:
        """Some providers escape them; a backslash before stays one."""
        opening, closing = brackets
        arguments = f'{{"a": "\\\\{opening}{WORD}{closing}, \\\\u003c", "b": "\\n"}}'
        deltas = [
            ToolCallDelta(index=0, id="a", name="n"),
            *(ToolCallDelta(index=0, arguments_json=part) for part in _cut(arguments, size)),
        ]
        chunks = [
            *(Chunk(tool_calls=(delta,)) for delta in deltas),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ]
        (call,) = assembled(restored(chunks)).calls
        assert json.loads(call.arguments_json) == {"a": f"\\{MAIL}, \\u003c", "b": "\n"}

    def test_a_value_is_escaped(self) -> None:
        """A name with quotes, which a text holds as it is."""

        restorer = JsonRestorer({f"person_1_{TAG.lower()}": 'Jane "JJ" Roe\n'})
        whole = restorer.feed(f'{{"to": "<PERSON_1_{TAG}>"}}') + restorer.flush()
        assert json.loads(whole) == {"to": 'Jane "JJ" Roe\n'}


def test_log_probabilities_of_placeholders_are_dropped() -> None:
    """They would show the tokens of a placeholder, and fit no word of the caller's."""
    logprob = TokenLogprob(token="<EMAIL", logprob=-0.1)
    chunks = restored([Chunk(text=PLACEHOLDER, logprobs=(logprob,)), Chunk(finish_reason=FinishReason.STOP)])
    assert [chunk.logprobs for chunk in chunks] == [()] * len(chunks)
