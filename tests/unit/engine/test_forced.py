"""Tokens that a constraint forces: taken without logits, decoded in one step, counted as any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import FinishReason, Usage
from gateway.engine.batch import SHORT, share_forced
from tests.support.scripted_model import END, Bench, ScriptedModel


def test_forced_tokens_take_one_step() -> None:
    """What follows a sampled token without a choice is decoded together with it."""
    bench = Bench(ScriptedModel(scripts=[b"a!\0"], runs=[[[*b"bcd"]]]))
    ticket = bench.submit(3)

    bench.step()
    assert bench.text(ticket) == "abcd", "it is sent before it is decoded"
    bench.step()
    assert [row.wants_logits for row in bench.model.rows] == [False, False, False, True]
    assert bytes(row.token for row in bench.model.rows) == b"abcd"
    bench.finish()

    assert bench.text(ticket) == "abcd!"
    assert bench.last(ticket).usage == Usage(prompt_tokens=3, completion_tokens=6)
    assert bench.scheduler.metrics.completion_tokens == 6
    assert bench.model.steps == 3
    assert bench.is_clean()


def test_without_and_with_forced_tokens_the_answer_is_the_same() -> None:
    """Forced tokens change when a token is decoded, not which ones are, nor what is left in the cache."""
    plain = Bench(ScriptedModel(scripts=[b"abcdefgh\0"]), kept_bytes=1000)
    forced = Bench(ScriptedModel(scripts=[b"adh\0"], runs=[[[*b"bc"], [*b"efg"]]]), kept_bytes=1000)
    for bench in (plain, forced):
        bench.submit(3, max_tokens=20)
        bench.finish()

    assert forced.text(1) == plain.text(1) == "abcdefgh"
    assert forced.last(1).usage == plain.last(1).usage
    assert forced.scheduler.load.kept_tokens == plain.scheduler.load.kept_tokens == 11
    assert forced.model.steps < plain.model.steps


@pytest.mark.parametrize(
    ("run", "max_tokens", "stop", "text", "reason", "tokens"),
    [
        (b"bcdef", 4, (), "abcd", FinishReason.LENGTH, 4),
        (b"bcdef", 20, ("de",), "abc", FinishReason.STOP_SEQUENCE, 5),
        (b"bc\0", 20, (), "abc", FinishReason.STOP, 4),
        (b"\0", 20, (), "a", FinishReason.STOP, 2),
        (b"bcdef", 6, (), "abcdef", FinishReason.LENGTH, 6),
    ],
    ids=["max_tokens", "stop string", "end", "end only", "max_tokens with the last"],
)
def test_an_answer_may_end_among_forced_tokens(
    run: bytes, max_tokens: int, stop: tuple[str, ...], text: str, reason: FinishReason, tokens: int
) -> None:
    """Whatever ends an answer ends it at that token; what was forced behind it is dropped."""
    bench = Bench(ScriptedModel(scripts=[b"a"], runs=[[[END if byte == 0 else byte for byte in run]]]))
    ticket = bench.submit(3, max_tokens=max_tokens, stop=stop)
    bench.finish()

    assert bench.text(ticket) == text
    assert bench.last(ticket).finish_reason is reason
    assert bench.last(ticket).usage == Usage(prompt_tokens=3, completion_tokens=tokens)
    assert bench.model.steps == 1
    assert bench.is_clean()


def test_a_long_run_leaves_room_for_the_others() -> None:
    """A run beyond a step's size goes on in the next steps, and the others get their token in each."""
    bench = Bench(ScriptedModel(context_tokens=64, kv_cells=128, scripts=[b"a!\0"], runs=[[[*b"x" * 20]]]))
    long = bench.submit(3, max_tokens=40)
    bench.step()
    other = bench.submit(3, max_tokens=40)
    bench.step(2)
    assert bench.text(other), "it reads its prompt beside the run"
    before = len(bench.text(other))
    bench.step()
    assert len(bench.text(other)) == before + 1
    bench.finish()

    assert bench.text(long) == "a" + "x" * 20 + "!"
    assert bench.last(other).finish_reason is FinishReason.LENGTH
    assert bench.is_clean()


def test_a_cancel_and_an_interrupt_lose_no_cell() -> None:
    """Forced tokens that are pending, or half decoded, leave nothing behind."""
    bench = Bench(ScriptedModel(scripts=[b"a", b"b!\0"], runs=[[[*b"bcdef"]], [[*b"cdef"]]]))
    gone = bench.submit(3)
    stays = bench.submit(4)
    bench.step()
    bench.model.during_decode = bench.model.interrupt
    bench.step()
    bench.model.during_decode = lambda: None
    bench.scheduler.cancel(gone)
    bench.finish()

    assert bench.text(stays) == "bcdef!"
    assert bench.is_clean()


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(8, 64))
def test_each_answer_has_a_token_in_every_step(pending: list[int], most: int) -> None:
    """Forced tokens take what is left of a step, up to the length of a short prompt each."""
    shares = share_forced(pending, most=most)

    assert sum(shares) <= max(most // 2, len(pending)) <= most
    assert all(1 <= share <= min(wanted, SHORT) for share, wanted in zip(shares, pending, strict=True))
    if sum(min(wanted, SHORT) for wanted in pending) <= most // 2:
        assert shares == [min(wanted, SHORT) for wanted in pending]
