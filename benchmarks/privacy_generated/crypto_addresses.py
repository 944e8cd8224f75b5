"""Sources of addresses of cryptocurrencies, with right checksums."""

import hashlib
from collections.abc import Iterator

from benchmarks.privacy_generated.value import Draw, Source

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANT, _BECH32M_CONSTANT = 1, 0x2BC830A3
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)

_VERSIONED = {
    "bitcoin P2PKH": b"\x00",
    "bitcoin P2SH": b"\x05",
    "litecoin": b"\x30",
    "litecoin P2SH": b"\x32",
    "dogecoin": b"\x1e",
    "dash": b"\x4c",
    "zcash": b"\x1c\xb8",
    "tron": b"\x41",
}
"""Currencies of Base58Check, by their version bytes."""
_WITNESS = {
    # prefix, version, bytes of the program
    "bitcoin P2WPKH": ("bc", 0, 20),
    "bitcoin P2WSH": ("bc", 0, 32),
    "bitcoin taproot": ("bc", 1, 32),
    "litecoin segwit": ("ltc", 0, 20),
    "litecoin taproot": ("ltc", 1, 32),
}
_PLAIN = {"cosmos": ("cosmos", 20), "cardano": ("addr", 57), "osmosis": ("osmo", 20), "terra": ("terra", 20)}
"""Currencies of Bech32 without a version, and the bytes of their addresses."""


def sources() -> Iterator[Source]:
    """Yield a source for each kind of address."""
    for name, version in _VERSIONED.items():
        yield _source(name, _checked(version))
    yield _source("ripple", lambda random: base58check(b"\0" + random.randbytes(20), _RIPPLE))
    for name, witness in _WITNESS.items():
        yield _source(name, _witness(*witness))
    for name, (prefix, size) in _PLAIN.items():
        yield _source(name, _plain(prefix, size))
    yield _source("ethereum, small letters", lambda random: f"0x{random.randbytes(20).hex()}")
    yield _source("ethereum, checksum", lambda random: eip55(random.randbytes(20).hex()))


def _source(name: str, draw: Draw) -> Source:
    word = name.split()[0].rstrip(",")
    labels = (f"{word} address", "wallet", "wallet address", f"{word} wallet")
    return Source(name=f"crypto {name}", kind=f"address of {word}", type="CRYPTO", draw=draw, labels=labels)


def _checked(version: bytes) -> Draw:
    return lambda random: base58check(version + random.randbytes(20))


def _plain(prefix: str, size: int) -> Draw:
    return lambda random: bech32(prefix, _fives(random.randbytes(size)), _BECH32_CONSTANT)


def _witness(prefix: str, version: int, size: int) -> Draw:
    constant = _BECH32M_CONSTANT if version else _BECH32_CONSTANT
    return lambda random: bech32(prefix, [version, *_fives(random.randbytes(size))], constant)


def base58check(payload: bytes, alphabet: str = _BASE58) -> str:
    """Return bytes and the first four of their double SHA-256, in base 58."""
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data), ""
    while number:
        number, rest = divmod(number, 58)
        text = alphabet[rest] + text
    return alphabet[0] * (len(data) - len(data.lstrip(b"\0"))) + text


def bech32(prefix: str, values: list[int], constant: int) -> str:
    """Return values of five bits with their checksum (BIP 173, BIP 350)."""
    expanded = [ord(sign) >> 5 for sign in prefix] + [0] + [ord(sign) & 31 for sign in prefix]
    check = _polymod([*expanded, *values, 0, 0, 0, 0, 0, 0]) ^ constant
    tail = [check >> 5 * (5 - at) & 31 for at in range(6)]
    return f"{prefix}1{''.join(_BECH32[value] for value in (*values, *tail))}"


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for at, generator in enumerate(_GENERATORS):
            check ^= generator if top >> at & 1 else 0
    return check


def _fives(data: bytes) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]


def eip55(address: str) -> str:
    """Return an address of Ethereum with the capitals that are its checksum."""
    digest = keccak256(address.encode()).hex()
    return "0x" + "".join(
        sign.upper() if int(digest[at], 16) > 7 else sign for at, sign in enumerate(address)
    )


def keccak256(data: bytes) -> bytes:
    """Return the hash that Ethereum uses: Keccak as it was before it became SHA-3, which hashlib has not."""
    rate = 136
    padded = bytearray(data + b"\1" + b"\0" * (rate - 1 - len(data) % rate))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for at in range(rate // 8):
            lanes[at % 5][at // 5] ^= int.from_bytes(padded[start + 8 * at : start + 8 * at + 8], "little")
        _permute(lanes)
    return b"".join(lanes[at % 5][at // 5].to_bytes(8, "little") for at in range(4))


def _permute(lanes: list[list[int]]) -> None:
    """Apply the 24 rounds of Keccak-f[1600] to lanes [x][y] of 64 bits."""
    register = 1
    for _ in range(24):
        columns = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
        for x in range(5):
            mixed = columns[(x + 4) % 5] ^ _rotated(columns[(x + 1) % 5], 1)
            lanes[x] = [lane ^ mixed for lane in lanes[x]]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _rotated(current, (step + 1) * (step + 2) // 2)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]) & (1 << 64) - 1
        for bit in range(7):
            register = (register << 1 ^ (register >> 7) * 0x71) % 256
            if register & 2:
                lanes[0][0] ^= 1 << (1 << bit) - 1


def _rotated(lane: int, by: int) -> int:
    by %= 64
    return (lane << by | lane >> 64 - by) & (1 << 64) - 1 if by else lane
