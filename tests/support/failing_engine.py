"""The engine as it is, except that a file makes the next step fail as llama.cpp may fail: FUSE says how.

"assert": it is called with what it asserts against; the assertion, the abort and what is printed are its own.
"hang": a call does not come back, while the interpreter and all other threads go on.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from llama_cpp import llama_cpp as lib

from gateway.engine import __main__ as engine
from gateway.engine.interfaces import BatchToken
from gateway.engine.llama.llama_model import LlamaModel

FUSE = Path(os.environ["FUSE"])
NO_SEQUENCE = 1_000_000


_decode = LlamaModel.decode


def decode(self: LlamaModel, tokens: Sequence[BatchToken]) -> None:
    """Fail once, in the step that finds the file."""
    if FUSE.exists():
        how = FUSE.read_text()
        FUSE.unlink()
        if how == "assert":
            lib.llama_memory_seq_cp(self._memory, NO_SEQUENCE, 0, 0, -1)
        elif how == "hang":
            ctypes.CDLL(None).sleep(1000)
        else:
            raise ValueError(f"{FUSE}: {how!r} is no way to fail")
    _decode(self, tokens)


if __name__ == "__main__":
    LlamaModel.decode = decode  # type: ignore[method-assign]  # The one change; of every kind of model.
    sys.exit(engine.main())
