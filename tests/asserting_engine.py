"""The engine as it is, except that a file makes the next step call llama.cpp with what it asserts against.

The assertion, the abort and what is printed are llama.cpp's own. No request is known to bring one about.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from llama_cpp import llama_cpp as lib

import gateway.engine.__main__ as engine
from gateway.engine.llama import LlamaModel
from gateway.engine.steps import BatchToken

FUSE = Path(os.environ["FUSE"])
NO_SEQUENCE = 1_000_000


class AssertingModel(LlamaModel):
    """A model that is asked to copy a sequence that there is not, once."""

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        if FUSE.exists():
            FUSE.unlink()
            lib.llama_memory_seq_cp(self._memory, NO_SEQUENCE, 0, 0, -1)
        super().decode(tokens)


if __name__ == "__main__":
    engine.LlamaModel = AssertingModel  # type: ignore[attr-defined]  # The one change.
    sys.exit(engine.main())
