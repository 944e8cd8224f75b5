"""Names of a text, found once for all the detectors that ask for them one after another."""

import threading

from gateway.privacy.names.decode import Name, names_in
from gateway.privacy.names.network import shipped_network

_KEPT = 8
"""Texts of which a thread remembers the names: the variants of one string, with room."""


class _Last(threading.local):
    """What this thread looked for last: hashes of texts and places of names, no text."""

    def __init__(self) -> None:
        self.names: dict[tuple[int, int], tuple[Name, ...]] = {}


_last = _Last()


def names_once(text: str) -> tuple[Name, ...]:
    """Return the names of a text by the shipped network."""
    key = hash(text), len(text)
    names = _last.names.get(key)
    if names is None:
        if len(_last.names) >= _KEPT:
            _last.names.clear()
        names = _last.names[key] = tuple(names_in(text, shipped_network()))
    return names
