"""What a rule lowers of a request, and that it raises nothing."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import Message, ReasoningConfig, ReasoningEffort, Role
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.request_limits import RequestLimits, lowered

EFFORTS = tuple(ReasoningEffort)
TOKENS = st.none() | st.integers(1, 2000)
EFFORT = st.none() | st.sampled_from(EFFORTS)


def request_of(config: GenerationConfig) -> Request:
    """Return a request with this configuration."""
    return Request(
        request_id="r", tenant="t", messages=(Message(role=Role.USER, content="hi"),), config=config
    )


def within(
    limits: RequestLimits, *, max_tokens: int | None = None, reasoning: ReasoningConfig | None = None
) -> GenerationConfig:
    """Return what is left of a configuration, at a model that takes 1,000 tokens and an effort."""
    config = GenerationConfig(max_tokens=max_tokens, reasoning=reasoning or ReasoningConfig())
    return lowered(request_of(config), limits, max_tokens=1000, can_reason=True).config


@given(
    asked=TOKENS,
    effort=EFFORT,
    budget=st.none() | st.integers(0, 2000),
    limits=st.none() | st.builds(RequestLimits, max_tokens=TOKENS, effort=EFFORT),
    own=st.integers(1, 2000),
    can_reason=st.booleans(),
)
def test_nothing_is_raised_above_what_the_caller_asks(
    asked: int | None,
    effort: ReasoningEffort | None,
    budget: int | None,
    limits: RequestLimits | None,
    own: int,
    can_reason: bool,
) -> None:
    """Tokens stay below what is asked, or the model's own; effort below what is asked; the rest is kept."""
    config = GenerationConfig(
        max_tokens=asked, reasoning=ReasoningConfig(effort=effort, budget_tokens=budget, hide=True), seed=7
    )
    before = request_of(config)
    after = lowered(before, limits, max_tokens=own, can_reason=can_reason)
    given_, got = before.config.reasoning, after.config.reasoning

    most = own if asked is None else asked
    assert (own if after.config.max_tokens is None else after.config.max_tokens) <= most
    if limits is not None and limits.max_tokens is not None:
        assert (own if after.config.max_tokens is None else after.config.max_tokens) <= limits.max_tokens
    if effort is not None:
        assert got.effort is not None
        assert EFFORTS.index(got.effort) <= EFFORTS.index(effort)
    if limits is not None and limits.effort is not None and can_reason and got.effort is not None:
        assert EFFORTS.index(got.effort) <= EFFORTS.index(limits.effort)
    if not can_reason:
        assert got == given_
    assert got.budget_tokens in (None, given_.budget_tokens)
    assert (got.hide, after.config.seed, after.messages) == (True, 7, before.messages)


def test_what_is_unset_gets_the_limit() -> None:
    """Tokens only where they are below the model's own; an effort where no budget is in its place."""
    limits = RequestLimits(max_tokens=300, effort=ReasoningEffort.LOW)
    assert within(limits).max_tokens == 300
    assert within(RequestLimits(max_tokens=5000)).max_tokens is None
    assert within(limits).reasoning.effort is ReasoningEffort.LOW
    assert within(limits, reasoning=ReasoningConfig(budget_tokens=9)).reasoning == ReasoningConfig(
        budget_tokens=9
    )


def test_no_reasoning_at_all_undoes_a_budget() -> None:
    """The rule's none is not none if a budget stays."""
    limits = RequestLimits(effort=ReasoningEffort.NONE)
    left = within(limits, reasoning=ReasoningConfig(effort=ReasoningEffort.HIGH, budget_tokens=9)).reasoning
    assert left == ReasoningConfig(effort=ReasoningEffort.NONE)


def test_a_request_that_is_within_stays_the_same_object() -> None:
    """Nothing is copied where nothing changes."""
    config = GenerationConfig(max_tokens=10, reasoning=ReasoningConfig(effort=ReasoningEffort.MINIMAL))
    request = request_of(config)
    limits = RequestLimits(max_tokens=10, effort=ReasoningEffort.LOW)
    assert lowered(request, limits, max_tokens=9, can_reason=True) is request
    assert lowered(request, None, max_tokens=9, can_reason=True) is request


def test_a_wish_to_reason_is_kept_from_models_that_cannot() -> None:
    """They are told nothing of it, except that the caller wants to see no reasoning."""
    wish = ReasoningConfig(effort=ReasoningEffort.HIGH, hide=True, is_optional=True)
    request = request_of(GenerationConfig(reasoning=wish))
    told = lowered(request, None, max_tokens=9, can_reason=False).config.reasoning
    assert told == ReasoningConfig(hide=True)
    assert lowered(request, None, max_tokens=9, can_reason=True) is request
