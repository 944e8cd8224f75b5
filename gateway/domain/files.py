"""Files that are written whole, and their hashes."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

_BLOCK_BYTES: Final = 4 << 20


@contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Give a draft beside a file to write, which takes the file's place at the end of the block.

    A reader finds the old file or the new one, never a part; after an error, the old one. `mode` is that of
    the new file, less the umask. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(draft, "xb", opener=partial(os.open, mode=mode)) as file:
            yield file
            file.flush()
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sha256_of_file(path: Path, *, on_progress: Callable[[float], None] = lambda share: None) -> str:
    """Return the SHA-256 of a file, in hexadecimal; raises OSError. `on_progress` is told the share."""
    size = max(1, path.stat().st_size)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            on_progress(file.tell() / size)
    return digest.hexdigest()
