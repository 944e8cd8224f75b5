"""A file that is replaced is whole at every moment; its hash is that of its bytes."""

import hashlib
import stat
from pathlib import Path

import pytest

from gateway.domain.files import replacing, sha256_of_file


def test_a_file_is_replaced_at_the_end_of_the_block(tmp_path: Path) -> None:
    """Until then a reader finds the old one; afterwards nothing but the new one is in the folder."""
    path = tmp_path / "board.json"
    path.write_bytes(b"old")
    with replacing(path, mode=0o600) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    """Nothing is left of the draft."""
    path = tmp_path / "board.json"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hash_is_that_of_the_file_and_its_progress_is_told(tmp_path: Path) -> None:
    """Of a file of several blocks, the last share is the whole."""
    path, shares = tmp_path / "model.gguf", list[float]()
    path.write_bytes(bytes(9 << 20))
    assert sha256_of_file(path, on_progress=shares.append) == hashlib.sha256(bytes(9 << 20)).hexdigest()
    assert len(shares) == 3
    assert shares[-1] == 1.0
