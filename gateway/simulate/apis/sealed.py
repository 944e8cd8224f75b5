"""Signed and encrypted thoughts: only what this provider made for the same model is taken back."""

import base64
import hashlib

_DIGEST_BYTES = 16


def signature_of_thought(model: str, thought: str) -> str:
    """Return the signature of a thought of this model."""
    return base64.b64encode(_digest(model, thought)).decode()


def sealed(model: str, thought: str) -> str:
    """Return a thought that only this provider can read."""
    text = thought.encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(_digest(model, thought) + bytes(byte ^ 0x5A for byte in text)).decode()


def unsealed(model: str, data: str) -> str | None:
    """Return a thought that was sealed for this model; None for anything else."""
    try:
        raw = base64.urlsafe_b64decode(data.encode())
        text = bytes(byte ^ 0x5A for byte in raw[_DIGEST_BYTES:]).decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return text if raw[:_DIGEST_BYTES] == _digest(model, text) else None


def _digest(model: str, thought: str) -> bytes:
    text = f"a thought of {model}: {thought}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]
