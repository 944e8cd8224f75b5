"""How long a prompt is by the count of a model itself, where that costs no call of a provider."""

from collections.abc import Mapping

from gateway.backends.base import Backend, TokenCounter
from gateway.clock import Deadline
from gateway.domain.capability import needs_of
from gateway.domain.request import Request
from gateway.errors import BackendError
from gateway.policy.model import ModelSpec


class TokenCounts:
    """The models that can count."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._counters = {name: each for name, each in backends.items() if isinstance(each, TokenCounter)}

    async def of(self, request: Request, model: str, spec: ModelSpec, deadline: Deadline) -> int | None:
        """Return how many tokens the prompt has.

        None where the model cannot count, is down, or is not sent all of the request: the caller then gets an
        estimate, and is told that it is one.
        """
        counter = self._counters.get(model)
        if counter is None or spec.missing(needs_of(request)):
            return None
        try:
            return await counter.count_tokens(request, deadline)
        except BackendError:
            return None
