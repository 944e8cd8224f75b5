"""When each model is expected to finish a request, for the filter that leaves out those that are too slow."""

from collections.abc import Mapping

from gateway.backends.base import Backend, QueueAware
from gateway.dispatch.latency import LatencyTracker, foreseen_s
from gateway.dispatch.layer import most_tokens_after
from gateway.domain.capability import Capability
from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits
from gateway.domain.strings import estimate_prompt_tokens
from gateway.policy.model import Policy


class Forecasts:
    """By a model's own word of its queue where it gives one, else by the latencies of its answers."""

    def __init__(self, backends: Mapping[str, Backend], latencies: LatencyTracker) -> None:
        self._queues = {name: each for name, each in backends.items() if isinstance(each, QueueAware)}
        self._latencies = latencies

    def refresh(self) -> None:
        """Have models whose latest word of their queue is old asked anew; returns immediately."""
        for each in self._queues.values():
            each.refresh_forecast()

    def finish_s(
        self,
        request: Request,
        limits: RequestLimits | None = None,
        *,
        policy: Policy,
        prompt_tokens: int | None = None,
    ) -> Mapping[str, float]:
        """Return the seconds within which each model is expected to answer this; 0.0 where nobody knows.

        `limits`: what the request's rule lowers, since a shorter answer is finished earlier.
        `prompt_tokens`: the estimate, if it is known.
        """
        if prompt_tokens is None:
            prompt_tokens = estimate_prompt_tokens(request)  # What a rule lowers changes no prompt.
        return {
            name: self._finish_s(name, most_tokens_after(prompt_tokens, spec.lowered(request, limits), spec))
            for name, spec in policy.models.items()
        }

    def idle(self) -> frozenset[str]:
        """Return the models that have nothing to do, as far as this process knows."""
        return frozenset(name for name, each in self._queues.items() if each.is_idle)

    def lacking(self) -> Mapping[str, frozenset[Capability]]:
        """Return by model what its engine found that it cannot do."""
        return {name: each.lacking for name, each in self._queues.items() if each.lacking}

    def _finish_s(self, model: str, max_tokens: int) -> float:
        queue = self._queues.get(model)
        if queue is None:
            return self._latencies.finish_s(model, max_tokens)
        forecast = queue.forecast()
        if forecast is None:
            # It knows its queue, and refuses immediately what it cannot finish.
            return 0.0
        return foreseen_s(forecast, max_tokens=max_tokens)
