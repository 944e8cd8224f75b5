"""Checks every field of a request, for every transport: after its steps nothing checks a field again."""

from gateway.server.validation.request import checking_steps

__all__ = ["checking_steps"]
