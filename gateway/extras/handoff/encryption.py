"""Encryption at rest: AES-256-GCM with keys of the environment; the only file that imports `cryptography`."""

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
    """Return a new random key in base64, for the variable GATEWAY_HANDOFF_KEY."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class KeyRing:
    """Encrypts with the first key and decrypts with any of them, so that keys can be rotated.

    An encrypted text is a format byte, 4 bytes of key id, a nonce of 12 bytes, and ciphertext with tag.
    Its associated data names ticket, tenant and kind, so that it cannot be decrypted as anything else.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_id_of(key): AESGCM(key) for key in keys}
        self.ids = tuple(each.hex() for each in self._ciphers)
        """Ids of the keys, the encrypting one first; an id reveals nothing about its key."""
        self._first = _id_of(keys[0])

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "KeyRing":
        """Read the comma-separated keys from the environment; raises StartupError, without the value."""
        written = [each.strip() for each in environ.get(KEY_VARIABLE, "").split(",") if each.strip()]
        if not written:
            raise StartupError(
                f"handoff: the variable {KEY_VARIABLE} is not set; make a key: gateway handoff new-key"
            )
        return cls([_read(text) for text in written])

    def encrypt(self, text: str, *, associated_data: str) -> bytes:
        """Encrypt a text with the first key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        encrypted = self._ciphers[self._first].encrypt(nonce, text.encode(), associated_data.encode())
        return _FORMAT + self._first + nonce + encrypted

    def decrypt(self, encrypted: bytes, *, associated_data: str) -> str:
        """Decrypt a text; raises HandoffUnavailable for an unknown key and for altered bytes."""
        cipher = self._ciphers.get(encrypted[len(_FORMAT) : _HEAD])
        if cipher is None or encrypted[: len(_FORMAT)] != _FORMAT:
            raise HandoffUnavailable(f"the text is encrypted with a key that {KEY_VARIABLE} does not hold")
        nonce, rest = encrypted[_HEAD : _HEAD + NONCE_BYTES], encrypted[_HEAD + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, rest, associated_data.encode()).decode()
        except InvalidTag:
            raise HandoffUnavailable("the stored text was altered") from None


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
