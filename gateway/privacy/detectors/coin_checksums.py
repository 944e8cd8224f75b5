"""Checksums of addresses of cryptocurrencies, which no library here has."""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b, sha256

_BASE_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_VALUES = {alphabet: {char: at for at, char in enumerate(alphabet)} for alphabet in (_BASE_58, _RIPPLE)}
_CHECK_BYTES = 4
_LEAST_BYTES, _MOST_BYTES = 25, 27
"""Version of one to three bytes, hash of twenty, checksum."""


def _decoded(written: str, alphabet: str) -> bytes | None:
    """Return the bytes of a number in base 58; None with another character."""
    values = _VALUES[alphabet]
    value = 0
    try:
        for char in written:
            value = value * 58 + values[char]
    except KeyError:
        return None
    zeros = len(written) - len(written.lstrip(alphabet[0]))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8)


def size_in_base58(written: str) -> int:
    """Return how many bytes a number in base 58 has; 0 with another character."""
    return len(_decoded(written, _BASE_58) or b"")


def _is_base58(written: str, alphabet: str = _BASE_58) -> bool:
    """Whether the last four bytes check the others, as in Bitcoin and the many coins made after it."""
    decoded = _decoded(written, alphabet)
    if decoded is None or not _LEAST_BYTES <= len(decoded) <= _MOST_BYTES:
        return False
    return sha256(sha256(decoded[:-_CHECK_BYTES]).digest()).digest()[:_CHECK_BYTES] == decoded[-_CHECK_BYTES:]


is_base58: Callable[[str], bool] = _is_base58
is_ripple: Callable[[str], bool] = partial(_is_base58, alphabet=_RIPPLE)


def is_polkadot(written: str) -> bool:
    """Whether the last two bytes check the others, as in SS58 of Polkadot, Kusama and others."""
    decoded = _decoded(written, _BASE_58)
    if decoded is None or len(decoded) not in (35, 36):
        return False
    return blake2b(b"SS58PRE" + decoded[:-2]).digest()[:2] == decoded[-2:]


_BASE_32 = {char: at for at, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH_RESULTS = (1, 0x2BC830A3)
"""Of Bech32 (BIP 173) and Bech32m (BIP 350)."""


def _multiples(generators: tuple[int, ...]) -> list[int]:
    """Return what each five bits that leave the remainder add to it."""
    found = []
    for top in range(32):
        added = 0
        for at, generator in enumerate(generators):
            added ^= generator if top >> at & 1 else 0
        found.append(added)
    return found


_BECH = _multiples((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3))
_CASH = _multiples((0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470))


def _remainder(values: list[int], multiples: list[int], bits: int) -> int:
    """Return the remainder of a polynomial over 32 values."""
    rest, mask = 1, (1 << bits) - 1
    for value in values:
        rest = (rest & mask) << 5 ^ value ^ multiples[rest >> bits]
    return rest


def is_bech32(written: str) -> bool:
    """Whether the last six characters check the others: Bitcoin, Litecoin, Cardano, the Cosmos coins."""
    lowered = written.lower()
    if written not in (lowered, written.upper()):
        return False
    prefix, _, rest = lowered.rpartition("1")
    values = [_BASE_32.get(char, -1) for char in rest]
    if not prefix or -1 in values:
        return False
    expanded = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    return _remainder(expanded + values, _BECH, 25) in _BECH_RESULTS


def is_cash_address(written: str, prefix: str = "bitcoincash") -> bool:
    """Whether the last eight characters check the others, with or without the prefix of the coin."""
    lowered = written.lower()
    if ":" in lowered:
        prefix, _, lowered = lowered.partition(":")
    values = [_BASE_32.get(char, -1) for char in lowered]
    if -1 in values:
        return False
    return _remainder([ord(char) & 31 for char in prefix] + [0] + values, _CASH, 35) == 1


_RFC_4648 = {char: at for at, char in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}


def crc16(data: bytes) -> int:
    """Return the checksum CRC-16/XMODEM."""
    rest = 0
    for byte in data:
        rest ^= byte << 8
        for _ in range(8):
            rest = (rest << 1 ^ (0x1021 if rest & 0x8000 else 0)) & 0xFFFF
    return rest


def is_stellar(written: str) -> bool:
    """Whether the last two bytes check the others, as in account ids of Stellar."""
    value = 0
    for char in written:
        value = value << 5 | _RFC_4648[char]
    decoded = value.to_bytes(35)
    return crc16(decoded[:-2]) == int.from_bytes(decoded[-2:], "little")


_ROUNDS = 24
_LANE = (1 << 64) - 1


def _constants() -> list[int]:
    """Return the constants of the rounds (FIPS 202, section 3.2.5)."""
    found, state = [], 1
    for _ in range(_ROUNDS):
        constant = 0
        for power in range(7):
            constant |= (state & 1) << (1 << power) - 1
            state = state << 1 ^ (0x171 if state & 0x80 else 0)
        found.append(constant)
    return found


_CONSTANTS = _constants()


def _steps() -> list[tuple[int, int]]:
    """Return where the lanes go in turn, and by how much each rotates (sections 3.2.2 and 3.2.3)."""
    x, y, found = 1, 0, []
    for step in range(_ROUNDS):
        x, y = y, (2 * x + 3 * y) % 5
        found.append((x + 5 * y, (step + 1) * (step + 2) // 2 % 64))
    return found


_STEPS = _steps()


def _permuted(lanes: list[int]) -> list[int]:
    """Return Keccak-f[1600] of 25 lanes."""
    for constant in _CONSTANTS:
        sums = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixed = [sums[x - 1] ^ ((sums[(x + 1) % 5] << 1 | sums[(x + 1) % 5] >> 63) & _LANE) for x in range(5)]
        lanes = [lane ^ mixed[at % 5] for at, lane in enumerate(lanes)]
        moving = lanes[1]
        for to, by in _STEPS:
            lanes[to], moving = (moving << by | moving >> 64 - by) & _LANE, lanes[to]
        for row in range(0, 25, 5):
            a, b, c, d, e = lanes[row : row + 5]
            lanes[row : row + 5] = a ^ ~b & c, b ^ ~c & d, c ^ ~d & e, d ^ ~e & a, e ^ ~a & b
        lanes[0] ^= constant
    return lanes


_RATE = 136
"""Bytes of a block of Keccak-256."""


def keccak256(data: bytes) -> bytes:
    """Return Keccak-256 as Ethereum and Monero use it: SHA3-256 with its first padding."""
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % _RATE))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for block in range(0, len(padded), _RATE):
        for at in range(_RATE // 8):
            lanes[at] ^= int.from_bytes(padded[block + 8 * at : block + 8 * at + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def is_ethereum(written: str) -> bool:
    """Whether capitals and small letters check the digits (EIP 55); of one case there is no checksum."""
    digits = written[2:]
    hashed = keccak256(digits.lower().encode("ascii")).hex()
    return all(
        char.isdigit() or char.isupper() == (nibble >= "8")
        for char, nibble in zip(digits, hashed, strict=False)
    )


_MONERO_BLOCK, _MONERO_BYTES = 11, 8
_MONERO_LAST = {7: 5, 11: 8}
"""Characters and bytes of the last block."""


def is_monero(written: str) -> bool:
    """Whether the last four bytes check the others, in addresses of Monero."""
    decoded = b""
    for start in range(0, len(written), _MONERO_BLOCK):
        block = written[start : start + _MONERO_BLOCK]
        value = 0
        for char in block:
            value = value * 58 + _VALUES[_BASE_58][char]
        size = _MONERO_LAST.get(len(block), 0)
        if value.bit_length() > 8 * size:
            return False
        decoded += value.to_bytes(size)
    return keccak256(decoded[:-_CHECK_BYTES])[:_CHECK_BYTES] == decoded[-_CHECK_BYTES:]
