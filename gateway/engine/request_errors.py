"""What one request is told when it fails by itself: its own grammar, its own samplers, or a defect of ours.

What only one request has (its template, its samplers, its text) may fail for it alone: it is told so, the
owner is told of the defect, and everybody else goes on. What all share (the context, the cache) may not:
after a failure there no answer can be trusted, and the process ends.
"""

import traceback
from pathlib import Path

from gateway.engine.interfaces import GrammarRefused, NothingToSample, Sampling
from gateway.errors import EngineFault, GatewayError, NotCapable


def location_of(error: BaseException) -> str:
    """Return the type and the place of an error; its text could quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def fault_of(error: Exception, *, model: str) -> EngineFault:
    """Return what a request is told of a defect, and its owner's log too."""
    return EngineFault(model, f"a defect of the engine met this request ({location_of(error)})")


def failure_of(error: Exception, *, model: str, sampling: Sampling) -> GatewayError:
    """Return what a request is told when it cannot begin, or cannot go on."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, GrammarRefused):
        field = sampling.grammar_field
        return NotCapable(model, f"{field}: llama.cpp refuses its grammar", field=field)
    if isinstance(error, NothingToSample):
        field = "logit_bias" if sampling.grammar is None else sampling.grammar_field
        return NotCapable(model, f"{field}: leaves no token to go on with", field=field)
    return fault_of(error, model=model)
