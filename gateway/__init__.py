"""A hybrid edge/cloud inference gateway: score, route, answer."""

__version__ = "0.1.0"
