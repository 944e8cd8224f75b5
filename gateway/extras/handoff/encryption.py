"""Encryption at rest: AES-256-GCM under keys of the environment; the only file that knows `cryptography`."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import HandoffUnavailable, StartupError
from gateway.extras.handoff.queue import KEY_VARIABLE

KEY_BYTES, ID_BYTES, NONCE_BYTES = 32, 4, 12
_FORMAT = b"\x01"
_HEAD = len(_FORMAT) + ID_BYTES


def new_key() -> str:
    """Return a fresh key as the variable holds it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class KeyRing:
    """Seals with the first key and opens with any, so that a key can be followed by a new one.

    A sealed text is a byte of format, 4 bytes that name the key, a nonce of 12 bytes, and the ciphertext
    with its tag. It is bound to the ticket, its tenant and what it is, so that it opens nowhere else.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_id_of(key): AESGCM(key) for key in keys}
        self.ids = tuple(each.hex() for each in self._ciphers)
        """The names of the keys, the one that seals first; they tell nothing of the keys."""
        self._first = _id_of(keys[0])

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "KeyRing":
        """Return the keys of the environment, parted by commas; raises StartupError, without their words."""
        written = [each.strip() for each in environ.get(KEY_VARIABLE, "").split(",") if each.strip()]
        if not written:
            raise StartupError(
                f"handoff: the variable {KEY_VARIABLE} is not set; make a key: gateway handoff new-key"
            )
        return cls([_read(text) for text in written])

    def seal(self, text: str, *, bound_to: str) -> bytes:
        """Return the text, encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, text.encode(), bound_to.encode())
        return _FORMAT + self._first + nonce + sealed

    def open(self, sealed: bytes, *, bound_to: str) -> str:
        """Return the text; raises HandoffUnavailable for another key and for bytes that were altered."""
        cipher = self._ciphers.get(sealed[len(_FORMAT) : _HEAD])
        if cipher is None or sealed[: len(_FORMAT)] != _FORMAT:
            raise HandoffUnavailable(f"it is sealed with a key that {KEY_VARIABLE} does not hold")
        nonce, rest = sealed[_HEAD : _HEAD + NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, rest, bound_to.encode()).decode()
        except InvalidTag:
            raise HandoffUnavailable("what is stored was altered") from None


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"handoff key " + key).digest()[:ID_BYTES]


def _read(text: str) -> bytes:
    try:
        key = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StartupError(
            f"handoff: {KEY_VARIABLE} holds no key of 32 bytes in base64; make one: gateway handoff new-key"
        )
    return key
