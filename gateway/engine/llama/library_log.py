"""Collects llama.cpp's log messages instead of printing them."""

import contextlib
import ctypes
import re
from collections import deque
from collections.abc import Iterator

from llama_cpp import llama_cpp as lib

_WARNING, _ERROR = 3, 4
"""ggml_log_level of warnings and errors; the only higher level continues a line."""


class LlamaLog:
    """The latest warnings and errors of this process; a singleton, since llama.cpp has one log."""

    def __init__(self) -> None:
        self._lines: dict[int, deque[str]] = {level: deque(maxlen=64) for level in (_WARNING, _ERROR)}
        self._all: list[str] | None = None
        self._callback = lib.llama_log_callback(self._take)

    def begin(self) -> None:
        """Clear the log and collect messages from now on."""
        lib.llama_log_set(self._callback, ctypes.c_void_p(0))
        for lines in self._lines.values():
            lines.clear()

    @contextlib.contextmanager
    def lines(self) -> Iterator[list[str]]:
        """Collect every message until the block ends, those of no level too; for the time of loading only:
        later ones may hold texts of requests."""
        self.begin()
        self._all = []
        try:
            yield self._all
        finally:
            self._all = None

    def reason(self) -> str:
        """Return the first error, without the names of llama.cpp's functions."""
        errors = self._lines[_ERROR]
        first = errors[0] if errors else "llama.cpp gave no reason"
        return re.sub(r"^\w+: (error loading model: )?", "", first)

    def has_warned(self, text: str) -> bool:
        """Whether a warning contained this text."""
        return any(text in line for line in self._lines[_WARNING])

    def _take(self, level: int, text: bytes | None, _data: object) -> None:
        if self._all is not None and text is not None:
            self._all.append(text.decode("utf-8", "replace").strip())
        if level in self._lines and text is not None:
            self._lines[level].append(text.decode("utf-8", "replace").strip())


log = LlamaLog()
