"""Where a model's file is, and whether it is the file that the policy means."""

import hashlib
from importlib.resources import files
from pathlib import Path

from gateway.errors import StartupError

DEMO_PATH = "builtin:demo"
"""The policy's name for the model that ships in the package."""

_MAGIC = b"GGUF"
_BLOCK_BYTES = 4 << 20


def resolve_model_path(path: str) -> Path:
    """Return the file that a policy's `path` names; StartupError for a built-in that does not exist."""
    if not path.startswith("builtin:"):
        return Path(path).expanduser()
    if path != DEMO_PATH:
        raise StartupError(f'path: there is no {path}; write "{DEMO_PATH}" or the path of a GGUF file')
    return Path(str(files("gateway.engine").joinpath("demo.gguf")))


def check_model_file(path: Path, *, sha256: str | None) -> None:
    """Raise StartupError unless `path` is a readable GGUF file with this hash (None: any)."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
            digest = hashlib.sha256(magic)
            while sha256 is not None and (block := file.read(_BLOCK_BYTES)):
                digest.update(block)
    except FileNotFoundError:
        raise StartupError(f"{path}: no such file; correct the model's path") from None
    except OSError as error:
        raise StartupError(f"{path}: cannot be read ({error.strerror}); correct path or rights") from error
    if magic != _MAGIC:
        raise StartupError(f"{path}: is not a GGUF file; convert the model or correct the path")
    if sha256 is not None and digest.hexdigest() != sha256:
        raise StartupError(
            f"{path}: its sha256 is {digest.hexdigest()}, but the policy says {sha256}; "
            "fetch the file again or correct the policy"
        )
