"""Token counts of the Messages API by our law; an unknown count is charged in full."""

from collections.abc import Mapping

from gateway.backends.http.bounds import AnswerBounds
from gateway.domain.answer import Usage

_PROMPT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_COUNTS = (*_PROMPT, "output_tokens")


class UsageCounter:
    """Joins the counts of one answer: later ones repeat or raise those before, some begin at zero."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._thinking = 0
        self._is_readable = True
        self.was_counted = False
        """Whether counts came at all."""

    def add(self, usage: object) -> None:
        """Take the counts of one event."""
        if usage is None:
            return
        self.was_counted = True
        if not isinstance(usage, Mapping):
            self._is_readable = False
            return
        for name in _COUNTS:
            if usage.get(name) is not None:
                self._counts[name] = max(self._counts.get(name, 0), self._count(usage[name]))
        details = usage.get("output_tokens_details")
        if isinstance(details, Mapping) and details.get("thinking_tokens") is not None:
            self._thinking = max(self._thinking, self._count(details["thinking_tokens"]))

    def usage(self, bounds: AnswerBounds, *, fewest_tokens: int) -> Usage | None:
        """Return what was used; None where it cannot be true.

        The provider counts beside the prompt what it read from its cache and wrote to it. What the model said
        and thought has at least `fewest_tokens`.
        """
        if not self._is_readable or not {"input_tokens", "output_tokens"} <= self._counts.keys():
            return None
        prompt = sum(self._counts.get(name, 0) for name in _PROMPT)
        completion = self._counts["output_tokens"]
        is_possible = (
            max(1, bounds.fewest_prompt_tokens) <= prompt <= bounds.prompt_tokens
            and max(fewest_tokens, self._thinking) <= completion <= bounds.max_tokens
        )
        if not is_possible:
            return None
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_prompt_tokens=self._counts.get("cache_read_input_tokens", 0),
            cache_write_tokens=self._counts.get("cache_creation_input_tokens", 0),
            reasoning_tokens=self._thinking,
        )

    def _count(self, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self._is_readable = False
        return 0
