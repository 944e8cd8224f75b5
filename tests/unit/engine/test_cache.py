"""What of the past a prompt begins from, and whom the cells belong to."""

import pytest

from gateway.engine.interfaces import Sampling
from gateway.engine.prefix_cache import common_length
from tests.support.scripted_model import Bench, ScriptedModel

CHAT = tuple(range(1, 13))


def bench(**keys: object) -> Bench:
    """Return a scheduler that keeps up to 60 tokens of the past."""
    model = ScriptedModel(context_tokens=32, kv_cells=64, batch_tokens=32)
    for key, value in keys.items():
        setattr(model, key, value)
    return Bench(model, kept_bytes=60)


def answer(bench: Bench, prompt: tuple[int, ...], *, tenant: str = "t") -> int:
    """Run a request to its end; return how many tokens of its prompt were in memory."""
    bench.model.scripts.append(b"ab\0")
    ticket = bench.submit(prompt, tenant=tenant)
    bench.finish()
    return bench.last(ticket).reused_tokens


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [
        ((), (), 0),
        ((1,), (), 0),
        ((1, 2, 3), (1, 2, 3), 3),
        ((1, 2, 3), (1, 2, 4, 5), 2),
        ((9, 2), (1, 2), 0),
        (tuple(range(100)), (*range(99), 7), 99),
    ],
)
def test_common_length(left: tuple[int, ...], right: tuple[int, ...], length: int) -> None:
    """Two sequences are compared to the first token that differs."""
    assert (common_length(left, right), common_length(right, left)) == (length, length)


@pytest.mark.parametrize(
    ("first", "second", "tenant", "reused", "why"),
    [
        (CHAT, (*CHAT, 50, 51), "t", 12, "a growing chat begins with all that was there"),
        (CHAT, (*CHAT, 97, 98, 50), "t", 14, "the answer is kept with its prompt, its end token is not"),
        (CHAT, CHAT, "t", 11, "the last token is decoded: its logits are needed"),
        (CHAT, (*CHAT[:5], 50), "t", 5, "what differs is decoded"),
        (CHAT, (50, *CHAT), "t", 0, "only beginnings are shared"),
        (CHAT, (*CHAT, 50), "another", 0, "nothing serves another tenant"),
    ],
)
def test_a_prompt_begins_where_the_past_ends(
    first: tuple[int, ...], second: tuple[int, ...], tenant: str, reused: int, why: str
) -> None:
    """A prompt decodes only what no kept sequence of its tenant begins with."""
    it = bench()
    answer(it, first)
    before = it.model.decoded_tokens

    assert answer(it, second, tenant=tenant) == reused, why
    assert it.model.decoded_tokens - before == len(second) - reused + 2
    assert it.is_clean()


def test_the_longest_match_wins() -> None:
    """Of several that begin alike the one with the most tokens is taken."""
    it = bench()
    for prompt in (CHAT[:4], (*CHAT[:8], 60), (*CHAT[:6], 61)):
        answer(it, prompt)

    assert answer(it, CHAT) == 8


def test_a_running_sequence_shares_its_cells() -> None:
    """Two requests with one system prompt hold its cells once, and both may have more than half the cache."""
    it = bench(kv_cells=40)
    system = tuple(range(1, 25))
    first = it.submit((*system, 60), max_tokens=6)
    it.step()
    second = it.submit((*system, 61), max_tokens=6)
    it.step()

    assert it.scheduler.load.slots_busy == 2
    assert len(it.model.cells) == 25 + 1 + 1
    it.finish()
    assert (it.last(first).reused_tokens, it.last(second).reused_tokens) == (0, 24)
    assert it.is_clean()


def test_the_oldest_goes_first() -> None:
    """When the memory for the past is full, what was used longest ago makes room."""
    it = bench()
    old, used, new = ((n, *range(100, 120)) for n in (1, 2, 3))
    answer(it, old)
    answer(it, used)
    answer(it, old)
    answer(it, new)

    assert [answer(it, prompt) > 0 for prompt in (old, used)] == [True, False]
    assert it.scheduler.load.kept_bytes <= 60


def test_a_cancelled_request_is_not_kept() -> None:
    """Only what came to its end is kept."""
    it = bench()
    ticket = it.submit(CHAT)
    it.step(2)
    it.scheduler.cancel(ticket)
    it.step()

    assert it.scheduler.load.kept_tokens == 0
    assert it.is_clean()


def test_a_model_with_a_running_state_shares_nothing() -> None:
    """Where a sequence cannot be cut back every prompt is decoded whole."""
    it = bench(can_share=False)
    answer(it, CHAT)

    assert answer(it, CHAT) == 0
    assert it.scheduler.load.kept_tokens == 0


def test_a_past_that_does_not_fit_beside_what_runs_is_left_alone() -> None:
    """A kept sequence that is longer than the free cells is not loaded, and the prompt is decoded."""
    it = bench(kv_cells=40)
    answer(it, tuple(range(1, 27)))
    it.submit(tuple(range(100, 116)), max_tokens=8)
    it.step()

    short = it.submit((1, 2, 3), max_tokens=2)
    it.finish()

    assert it.last(short).reused_tokens == 0


def test_sampling_knows_what_changes_logits() -> None:
    """Only a request without penalties and biases may take the short way to the likeliest token."""
    plain = Sampling(temperature=0.0, top_p=1.0, seed=None)

    assert not plain.has_penalties
    assert Sampling(temperature=0.0, top_p=1.0, seed=None, repeat_penalty=1.1).has_penalties
