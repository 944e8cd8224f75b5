"""Shortens a conversation for each model of a chain that it is too long for."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits
from gateway.domain.trimming import ContextLimit, Trimmed
from gateway.policy.model import ModelSpec
from gateway.trimming.trim import trimmed

ANSWER_SHARE: Final = 4
"""An answer gets what is asked for, at most one part of so many of the context."""
SURE_SHARE: Final = 3, 4
"""A prompt has up to four tokens for three that are estimated: code and figures have more than prose."""


def shortened(
    sent: Mapping[str, Request],
    context: ContextLimit | None,
    *,
    models: Mapping[str, ModelSpec],
    limits: RequestLimits | None,
) -> Mapping[str, Trimmed]:
    """Return by model what it is sent in place of `sent`; one that it fits is left out."""
    if context is None:
        return {}
    found = {
        name: trimmed(request, context.trim, most_prompt_tokens(request, models[name], context, limits))
        for name, request in sent.items()
        if request.embedding is None
    }
    return {name: each for name, each in found.items() if each is not None}


def most_prompt_tokens(
    request: Request, spec: ModelSpec, context: ContextLimit, limits: RequestLimits | None
) -> int:
    """Return how long a prompt may be for a model, as routing estimates it, so that its answer fits too."""
    wanted = spec.lowered(request, limits).config.max_tokens or spec.max_tokens
    room = min(wanted, spec.max_output_tokens or wanted, spec.context // ANSWER_SHARE)
    sure, of = SURE_SHARE
    fits = (spec.context - room) * sure // of
    return fits if context.above_tokens is None else min(fits, context.above_tokens)
