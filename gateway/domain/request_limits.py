"""What a rule lowers of a request: how long an answer may be, and how much a model may think."""

from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.conversation import ReasoningConfig, ReasoningEffort
from gateway.domain.request import GenerationConfig, Request

_ORDER: Final = tuple(ReasoningEffort)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """None lowers nothing."""

    max_tokens: int | None = None
    effort: ReasoningEffort | None = None

    def fields(self) -> dict[str, int | str | None]:
        """Return it for JSON."""
        return {"max_tokens": self.max_tokens, "effort": None if self.effort is None else str(self.effort)}


def lowered(request: Request, limits: RequestLimits | None, *, max_tokens: int, can_reason: bool) -> Request:
    """Return the request as a model is sent it, within the limits: nothing that its caller asked is raised.

    `max_tokens` is what the model takes for a request that sets none; one that cannot reason is told no
    effort.
    """
    reasoning = request.config.reasoning
    if reasoning.is_optional and not can_reason:
        unasked = ReasoningConfig(hide=reasoning.hide)
        request = replace(request, config=replace(request.config, reasoning=unasked))
    if limits is None:
        return request
    config = _shorter(request.config, limits.max_tokens, unset=max_tokens)
    if limits.effort is not None and can_reason:
        reasoning = _less(config.reasoning, limits.effort)
        config = config if reasoning is config.reasoning else replace(config, reasoning=reasoning)
    return request if config is request.config else replace(request, config=config)


def _shorter(config: GenerationConfig, limit: int | None, *, unset: int) -> GenerationConfig:
    asked = unset if config.max_tokens is None else config.max_tokens
    return config if limit is None or asked <= limit else replace(config, max_tokens=limit)


def _less(asked: ReasoningConfig, limit: ReasoningEffort) -> ReasoningConfig:
    """Return the lower effort. A budget of tokens takes the place of an effort, and only none undoes it."""
    if asked.effort is not None and _ORDER.index(asked.effort) <= _ORDER.index(limit):
        return asked
    if limit is ReasoningEffort.NONE:
        return replace(asked, effort=limit, budget_tokens=None)
    if asked.effort is None and asked.budget_tokens is not None:
        return asked
    return replace(asked, effort=limit)
