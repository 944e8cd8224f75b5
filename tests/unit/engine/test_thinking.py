"""What a model thinks is split from what it answers, whatever tokens say it, and ends at its budget."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.thinking.thinking_form import ThinkingForm
from tests.support.thinking_doubles import HARMONY, MARKED, PLAIN, SPECIAL, Read

THOUGHT = b"Is 2 < 3? </thin no."
ANSWER = "Tak: <think>tags</think> in a text stay. ✓".encode()


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the parts of bytes between cuts."""
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_split_of_plain_tags_over_any_tokens(cuts: list[int]) -> None:
    """Tags of ordinary text are found however tokens split them."""
    said = b"\n<think>\n" + THOUGHT + b"\n</think>\n\n" + ANSWER
    read = Read().split(split_at(said, cuts)).finish()
    assert (read.reasoning, read.answer) == (THOUGHT, ANSWER)
    assert read.reader.is_over


@given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_block_that_the_prompt_opened(cuts: list[int]) -> None:
    """The prompt may have begun the reasoning."""
    said = THOUGHT + b"</think>" + ANSWER
    read = Read(prompt="user: hi\nassistant:<think>\n").split(split_at(said, cuts)).finish()
    assert (read.reasoning, read.answer) == (THOUGHT, ANSWER)


@given(
    cuts=st.lists(st.integers(0, 10_000), max_size=40),
    prompt=st.sampled_from(["", "<think>\n\n</think>\n\n"]),
)
def test_answer_without_reasoning(cuts: list[int], prompt: str) -> None:
    """An answer that begins like a tag is an answer, and keeps its white space."""
    said = b"  <thin air> " + ANSWER
    read = Read(prompt=prompt).split(split_at(said, cuts)).finish()
    assert (read.reasoning, read.answer) == (b"", said)
    assert read.reader.reasoning_tokens == 0


def test_tags_of_special_tokens_are_not_their_spelling() -> None:
    """Where a tag is a token, its spelling is text."""
    read = Read(MARKED)
    read.tokens("[THINK]").push(b"is it [/THINK] yet?").tokens("[/THINK]").push(b"[THINK] is a tag.")
    read.finish()
    assert (read.reasoning, read.answer) == (b"is it [/THINK] yet?", b"[THINK] is a tag.")


def test_tag_of_special_tokens_after_the_end_leaves_no_text() -> None:
    """A second block is not reasoning."""
    read = Read(MARKED).tokens("[THINK]a[/THINK]b[THINK]c[/THINK]d").finish()
    assert (read.reasoning, read.answer) == (b"a", b"bcd")


def test_harmony() -> None:
    """Reasoning in two messages, then the answer in a third."""
    read = Read(HARMONY, prompt="<|start|>assistant")
    read.tokens("<|channel|>analysis<|message|>one<|end|><|start|>assistant")
    read.tokens("<|channel|>analysis<|message|>two<|end|><|start|>assistant")
    assert read.answer == b""
    assert not read.reader.is_answering
    read.tokens("<|channel|>final<|message|>three").finish()
    assert (read.reasoning, read.answer) == (b"one\n\ntwo", b"three")


def test_harmony_without_reasoning() -> None:
    """What begins an answer is not sent."""
    read = Read(HARMONY, prompt="<|start|>assistant").tokens("<|channel|>final<|message|>only").finish()
    assert (read.reasoning, read.answer, read.reader.reasoning_tokens) == (b"", b"only", 0)


def test_harmony_message_of_another_channel_is_passed_on_whole() -> None:
    """A message that is neither reasoning nor answer is left to others."""
    read = Read(HARMONY, prompt="<|start|>assistant")
    read.tokens("<|channel|>analysis<|message|>one<|end|><|start|>assistant")
    seen: list[int] = []
    for token in read.vocabulary.tokenize("<|channel|>commentary<|message|>{}", parse_special=True):
        seen += [each for each, _ in read.reader.push(token, read.vocabulary.piece(token)).answer]
    assert seen[0] == SPECIAL["<|channel|>"]
    assert bytes(token for token in seen if token < 256) == b"commentary{}"


def test_end_tag_that_ends_turns_elsewhere_does_not_end_the_answer() -> None:
    """The token of the end tag may be one that ends turns."""
    read = Read(HARMONY, prompt="<|start|>assistant").tokens("<|channel|>analysis<|message|>one")
    assert not read.reader.took_tag
    read.tokens("<|end|>")
    assert read.reader.took_tag
    read.tokens("<|start|>assistant<|channel|>final<|message|>x<|end|>")
    assert not read.reader.took_tag


@pytest.mark.parametrize("said", ["<think>never ends", "<think>never ends\n\n", "<think>\n never ends"])
def test_end_tag_that_never_comes(said: str) -> None:
    """What was thought so far is reasoning, and there is no answer."""
    read = Read().tokens(said).finish()
    assert (read.reasoning, read.answer) == (b"never ends", b"")
    assert read.reader.reasoning_tokens == len(said)


def test_answer_that_ends_in_the_middle_of_a_tag() -> None:
    """What was held back for a tag is shown in the end."""
    assert Read().tokens("<thi").finish().answer == b"<thi"
    assert Read().tokens("<think>a </thi").finish().reasoning == b"a </thi"


def test_tokens_are_counted_with_their_tags() -> None:
    """Tags belong to the reasoning."""
    read = Read(MARKED).tokens("[THINK]abc[/THINK]de")
    assert read.reader.reasoning_tokens == 5


@pytest.mark.parametrize("form", [PLAIN, MARKED, HARMONY])
@pytest.mark.parametrize("budget", [0, 1, 2, 50])
def test_reasoning_ends_at_its_budget(form: ThinkingForm, budget: int) -> None:
    """Closing words and the end tag follow at the budget, and no words where nothing was thought."""
    read = Read(form, budget=budget).tokens(form.start).push(b"x" * budget)
    if budget:
        assert read.reasoning.startswith(b"x" * budget + b"\n\nThat is enough")
    else:
        assert read.reasoning == b""
    assert read.reader.is_answering
    assert read.push(b"answer").finish().answer == b"answer"


@given(said=st.binary(max_size=200), budget=st.integers(0, 40))
def test_reasoning_ends_at_its_budget_whatever_is_said(said: bytes, budget: int) -> None:
    """No bytes keep the reasoning open."""
    read = Read(prompt="<think>\n", budget=budget)
    # A tag that has begun at the budget may end by itself, in no more tokens than it has.
    over = len(read.tags.to_text.closing) + len(read.tags.to_text.end)
    read.push(said + b"x" * (max(1, budget) + over))
    assert read.reader.reasoning_tokens <= max(1, budget) + over
    assert read.reader.is_answering


def test_budget_holds_for_all_blocks_together() -> None:
    """A second block gets what the first one left."""
    read = Read(HARMONY, budget=4, prompt="<|start|>assistant")
    read.tokens("<|channel|>analysis<|message|>ab<|end|><|start|>assistant")
    read.tokens("<|channel|>analysis<|message|>c")
    assert read.reader.is_answering
    assert read.reasoning == b"ab\n\nc\n\nThat is enough thinking; now I answer."


@pytest.mark.parametrize("max_tokens", [1000, 200, 100, 80, 40])
def test_budget_leaves_room_for_the_answer(max_tokens: int) -> None:
    """A quarter of max_tokens is left for the answer."""
    read = Read(budget=100, prompt="<think>\n", max_tokens=max_tokens)
    read.push(b"x")
    while not read.reader.is_answering:
        read.push(b"x")
    closing, end = len(read.tags.to_text.closing), len(read.tags.to_text.end)
    budget = max(0, min(100, int(max_tokens * 0.75) - closing))
    assert read.taken == (budget + closing if budget else 1 + end)
    assert max_tokens - read.taken >= max_tokens / 4


def test_end_tag_at_the_budget_is_not_cut() -> None:
    """A tag that has begun at the budget may end."""
    read = Read(budget=5, prompt="<think>\n").tokens("abcd</think>ok").finish()
    assert (read.reasoning, read.answer) == (b"abcd", b"ok")


class TestConstrained:
    """An answer under a schema begins with a token of its own."""

    def test_end_tag_and_answer_in_one_token(self) -> None:
        read = Read(prompt="<think>\n", is_constrained=True).tokens("a</think")
        token = read.vocabulary.chunk(b">{")
        instead = read.reader.steer(token, b">{", is_end=False)
        assert instead == tuple(b">")
        assert read.push(instead).reader.is_answering
        assert read.push(b"{}").answer == b"{}"

    def test_what_begins_the_answer_follows_the_end_tag(self) -> None:
        read = Read(HARMONY, is_constrained=True).tokens("<|channel|>analysis<|message|>a<|end|>")
        assert read.reader.is_answering
        assert read.taken == 3 + len("analysis") + 1 + len("assistantfinal") + 3

    def test_new_lines_that_are_forced_after_the_tag_precede_the_constraint(self) -> None:
        for budget in (None, 1):
            read = Read(prompt="<think>\n", is_constrained=True, budget=budget)
            vocabulary, reader = read.vocabulary, read.reader
            for token in b"ab</think>" if budget is None else b"a":
                reader.push(token, vocabulary.piece(token))
            forced = reader.forced()
            assert bytes(forced).endswith(b"\n\n")
            for token in forced:
                assert not reader.is_answering
                reader.push(token, vocabulary.piece(token))
            assert reader.is_answering

    def test_first_token_of_an_answer_is_sampled_again(self) -> None:
        read = Read(is_constrained=True)
        assert read.reader.steer(ord("y"), b"y", is_end=False) == ()
        assert read.reader.is_answering

    def test_first_token_of_an_answer_gives_way_to_what_begins_it(self) -> None:
        read = Read(HARMONY, is_constrained=True)
        instead = read.reader.steer(ord("y"), b"y", is_end=False)
        assert instead == tuple(read.vocabulary.tokenize("<|channel|>final<|message|>", parse_special=True))
        assert read.push(instead or ()).reader.is_answering

    def test_tag_that_has_begun_is_made_whole(self) -> None:
        read = Read(is_constrained=True).tokens("<th")
        instead = read.reader.steer(ord("e"), b"e", is_end=False)
        assert instead == tuple(b"ink>")
        assert read.push(instead or ()).reader.is_answering is False

    @pytest.mark.parametrize("budget", [None, 1])
    def test_calls_of_tools_begin_in_a_way_of_their_own(self, budget: int | None) -> None:
        read = Read(HARMONY, is_constrained=True, calls="auto", budget=budget)
        read.tokens("<|channel|>analysis<|message|>a").tokens("<|end|>" if budget is None else "")
        assert not read.reader.is_answering
        assert read.reader.steer(ord("t"), b"t", is_end=False) == ()
        assert read.push(b"to=x").answer == b"to=x"

    def test_a_text_may_follow_where_calls_may(self) -> None:
        read = Read(HARMONY, is_constrained=True, calls="auto")
        read.tokens("<|channel|>analysis<|message|>a<|end|>")
        for token in read.vocabulary.tokenize("<|channel|>final<|message|>", parse_special=True):
            assert read.reader.steer(token, read.vocabulary.piece(token), is_end=False) is None
            read.push([token])
        assert read.reader.is_answering

    def test_no_text_may_follow_where_a_call_must(self) -> None:
        read = Read(HARMONY, is_constrained=True, calls="required").tokens("<|channel|>")
        instead = read.reader.steer(ord("f"), b"f", is_end=False)
        assert instead == tuple(read.vocabulary.tokenize("analysis<|message|>", parse_special=True))

    def test_end_of_the_turn_ends_the_reasoning_only(self) -> None:
        read = Read(is_constrained=True, prompt="<think>\n").tokens("a")
        instead = read.reader.steer(999, b"", is_end=True)
        assert instead
        assert read.push(instead).reader.is_answering

    @given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
    def test_reasoning_is_left_alone(self, cuts: list[int]) -> None:
        read = Read(is_constrained=True)
        for part in split_at(b"<think>\n" + THOUGHT, cuts):
            token = read.vocabulary.chunk(part) if part else 10
            assert read.reader.steer(token, part or b"\n", is_end=False) is None or not part
            if part:
                read.push([token])
        assert THOUGHT.startswith(read.reasoning)
