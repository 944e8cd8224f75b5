"""Addresses of cryptocurrencies, by checksum or format."""

from collections.abc import Iterator
from hashlib import sha256

from stdnum import bitcoin

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, Match

_BITCOIN = Pattern(
    r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71}|BC1[02-9AC-HJ-NP-Z]{11,71})\b"
)
_ETHEREUM = Pattern(r"\b0x[0-9a-fA-F]{40}\b")


class CryptoDetector:
    """Finds Bitcoin addresses (checksum) and Ethereum addresses (format: their checksum is optional)."""

    types = ("CRYPTO",)
    prefilter = r"\b(?:[13][1-9A-Z]{25}|bc1|0x[0-9A-F]{40})"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses in `text`."""
        data = as_data(text)
        for start, end in _BITCOIN.places(data):
            if is_bitcoin(text[start:end]):
                yield Match("CRYPTO", start, end, CHECKED)
        if "0x" in text:
            for start, end in _ETHEREUM.places(data):
                if len(set(text[start + 2 : end])) > 2:
                    yield Match("CRYPTO", start, end, LIKELY)


_BASE_58 = {
    char: value for value, char in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_ADDRESS_BYTES = 25
"""Version, hash and four bytes of checksum."""


def is_bitcoin(written: str) -> bool:
    """Whether the checksum of an address of either form is valid."""
    if written[:3].lower() == "bc1":
        return bool(bitcoin.is_valid(written))
    value = 0
    for char in written:
        value = value * 58 + _BASE_58[char]
    if value.bit_length() > 8 * _ADDRESS_BYTES:
        return False
    decoded = value.to_bytes(_ADDRESS_BYTES)
    return sha256(sha256(decoded[:-4]).digest()).digest()[:4] == decoded[-4:]
