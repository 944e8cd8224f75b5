"""The error of one request that fails alone: its grammar, its samplers, or a defect of the engine.

A failure in what one request owns (template, samplers, text) fails that request only; a defect is also
reported to the supervisor. A failure in what all requests share (context, cache) ends the process, since no
answer can be trusted after it.
"""

import traceback
from pathlib import Path

from gateway.engine.interfaces import NothingToSample, Sampling
from gateway.errors import EngineFault, GatewayError, NotCapable


def location_of(error: BaseException) -> str:
    """Return the type and the source line of an error, without its text, which could quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def fault_of(error: Exception, *, model: str) -> EngineFault:
    """Return the error for a request that met a defect; the supervisor logs the same text."""
    return EngineFault(model, f"internal error of the engine ({location_of(error)})")


def failure_of(error: Exception, *, model: str, sampling: Sampling) -> GatewayError:
    """Return the error for a request that cannot start or continue."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, NothingToSample):
        field = "logit_bias" if sampling.constraint is None else sampling.constraint.request_field
        return NotCapable(model, f"{field}: allows no further token", field=field)
    return fault_of(error, model=model)
