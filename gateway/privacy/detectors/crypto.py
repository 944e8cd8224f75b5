"""Addresses of cryptocurrencies, by checksum, or by a form that means nothing else."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from itertools import count

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, PROBABLE, Match, context
from gateway.privacy.detectors import coin_checksums as checks

_BASE_58 = "[1-9A-HJ-NP-Za-km-z]"
_BASE_32 = "[02-9ac-hj-np-z]"
_TOKEN = Pattern(
    rf"\b(?:{_BASE_58}{{25,36}}|{_BASE_58}{{43,50}}|[48]{_BASE_58}{{94}}(?:{_BASE_58}{{11}})?"
    rf"|[a-z]{{2,12}}1{_BASE_32}{{38,110}}|bc1{_BASE_32}{{11,71}}|[A-Z]{{2,12}}1[02-9AC-HJ-NP-Z]{{38,110}}"
    rf"|(?:(?:bitcoincash|bchtest|ecash|kaspa):)?[qp]{_BASE_32}{{41,63}}|0x[0-9a-fA-F]{{40}}|G[A-Z2-7]{{55}}"
    rf"|(?:Ae2|DdzFF){_BASE_58}{{50,100}}|(?:nano|xrb)\x1f[13][13-9a-km-uw-z]{{59}})\b"
)
"""Candidates of all coins in one pass."""
_TON = Pattern(r"\b[EUk0]Q[A-Za-z0-9_-]{46}\b")
_TON_BYTES = 36
_SOLANA = Pattern(r"\b(?:solana|sol|phantom|spl|wallet|airdrop|lamports)\b", ignore_case=True)
_SOLANA_BYTES = 32
_MOST_HASHED = 32
"""Addresses of one text whose checksum is by Keccak-256, which takes a quarter of a millisecond in Python."""
_OTHER_BECH32 = ("nsec1", "age1", "note1")
"""Keys and notes with a checksum of the same kind."""


class CryptoDetector:
    """Finds addresses of Bitcoin, Ethereum and the coins whose addresses are made like theirs, and more."""

    types = ("CRYPTO",)
    prefilter = r"\b[A-Z0-9]{25}|\b[A-Z]{2,12}1[A-Z0-9]{11}|0x[0-9A-F]{40}|\b[EUK0]Q[A-Z0-9_-]{46}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses in `text`."""
        data = as_data(text)
        hashed = count()
        for start, end in _TOKEN.places(data):
            confidence = _confidence(text, start, end, lambda: next(hashed) < _MOST_HASHED)
            if confidence:
                yield Match("CRYPTO", start, end, confidence)
        if "Q" in text:
            for start, end in _TON.places(text):
                if _is_ton(text[start:end]):
                    yield Match("CRYPTO", start, end, CHECKED)


_CHECKS: tuple[tuple[re.Pattern[str], Callable[[str], bool], float], ...] = tuple(
    (re.compile(form), check, confidence)
    for form, check, confidence in (
        (rf"{_BASE_58}{{25,36}}", checks.is_base58, CHECKED),
        (rf"r{_BASE_58}{{24,34}}", checks.is_ripple, CHECKED),
        (rf"{_BASE_58}{{46,50}}", checks.is_polkadot, CHECKED),
        (rf"(?:[a-z]+:)?[qp]{_BASE_32}{{41,63}}", checks.is_cash_address, CHECKED),
        (r"G[A-Z2-7]{55}", checks.is_stellar, CHECKED),
        (r"(?:Ae2|DdzFF|nano\x1f|xrb\x1f|nano_|xrb_).{50,}", lambda written: True, LIKELY),
        (r"[a-zA-Z]+1[a-zA-Z0-9]{11,}", checks.is_bech32, CHECKED),
    )
)


def _confidence(text: str, start: int, end: int, may_hash: Callable[[], bool]) -> float:
    """Return the confidence of a candidate; 0 if no checksum fits."""
    written = text[start:end]
    if written.startswith("0x"):
        return _of_ethereum(written, may_hash)
    if end - start in (95, 106):
        if not may_hash():
            return LIKELY
        return CHECKED if checks.is_monero(written) else 0.0
    for form, check, confidence in _CHECKS:
        if form.fullmatch(written) and check(written):
            return 0.0 if written.lower().startswith(_OTHER_BECH32) else confidence
    if end - start in (43, 44) and checks.size_in_base58(written) == _SOLANA_BYTES:
        return PROBABLE if _SOLANA.is_in(context(text, (start, end), before=80, after=40)) else 0.0
    return 0.0


def _of_ethereum(written: str, may_hash: Callable[[], bool]) -> float:
    """Return the confidence of an address whose checksum, by capitals, is optional."""
    if len(set(written)) <= 4:
        return 0.0
    digits = written[2:]
    is_mixed = digits != digits.lower() and digits != digits.upper()
    if is_mixed and may_hash():
        return CHECKED if checks.is_ethereum(written) else PROBABLE
    return LIKELY


def _is_ton(written: str) -> bool:
    """Whether the last two bytes check the others, in addresses of TON."""
    decoded = urlsafe_b64decode(written)
    return len(decoded) == _TON_BYTES and checks.crc16(decoded[:-2]) == int.from_bytes(decoded[-2:])
