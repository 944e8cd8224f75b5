"""Checks every field of a request, for every transport: after `checked` nothing checks a field again."""

from gateway.server.validation.request import checked

__all__ = ["checked"]
