"""Values that are published for examples and tests and belong to nobody."""

import ipaddress
import re
from dataclasses import dataclass

from gateway.privacy.detector import digits_of

_CARDS = frozenset((
    "4111111111111111", "4242424242424242", "4012888888881881", "4222222222222", "4000056655665556",
    "4917610000000000", "4012001037141112", "4005519200000004", "4009348888881881", "4500600000000061",
    "4444333322221111", "4000000000000002", "4000000000009995", "4000000000000069", "4000000000000127",
    "4000000000000119", "4000002500003155", "4000000000003220", "5555555555554444", "5105105105105100",
    "5200828282828210", "5431111111111111", "5424000000000015", "5454545454545454", "2223003122003222",
    "2223000048400011", "2222420000001113", "2222400070000005", "378282246310005", "371449635398431",
    "378734493671000", "343434343434343", "370000000000002", "6011111111111117", "6011000990139424",
    "6011000000000004", "6011981111111113", "30569309025904", "38520000023237", "36227206271667",
    "3056930009020004", "36148900647913", "6759649826438453", "3530111333300000", "3566002020360505",
    "3569990010030400", "3566111111111113", "6200000000000005", "6205500000000000004",
))  # fmt: skip
"""Test cards that Visa, Mastercard, American Express and payment services publish."""
_NUMBERS = frozenset({"078051120", "219099999", "457555462"})
"""Social security numbers that were printed on sample cards and in advertisements."""
_HOST = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@?#]*@)?(?:[a-z0-9_-]+\.)*"
    r"(?:example(?:\.(?:com|org|net|edu))?|(?:[a-z0-9-]+\.)?(?:test|invalid|localhost))\.?(?::\d+)?(?:[/?#]|$)",
    re.IGNORECASE,
)
"""Names that RFC 2606 and RFC 6761 reserve."""
_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    )
)
"""Networks for documentation: RFC 5737, RFC 3849 and RFC 9637."""
_FICTION = re.compile(r"^(?:1?\d{3})?55501\d\d$")
"""Numbers for fiction of the North American plan."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which values are no findings by a policy: those that it lists, and examples if it ignores them."""

    values: frozenset[str] = frozenset()
    ignores_examples: bool = False

    def __bool__(self) -> bool:
        """Whether any value may be covered."""
        return bool(self.values) or self.ignores_examples

    def covers(self, written: str, kind: str) -> bool:
        """Whether a value of a type is no finding."""
        return written in self.values or (self.ignores_examples and is_example(written, kind))


def is_example(written: str, kind: str) -> bool:
    """Whether a value of a type of finding is one that is published for examples."""
    match kind:
        case "CREDIT_CARD":
            return digits_of(written) in _CARDS
        case "US_SSN":
            return digits_of(written) in _NUMBERS
        case "PHONE":
            return _FICTION.match(digits_of(written)) is not None
        case "EMAIL":
            return _HOST.match(written.rpartition("@")[2]) is not None
        case "URL":
            return _HOST.match(written) is not None
        case "IP":
            return _is_for_documentation(written)
        case _:
            return False


def _is_for_documentation(written: str) -> bool:
    try:
        address = ipaddress.ip_interface(written.partition("%")[0]).ip
    except ValueError:
        return False
    return any(address in network for network in _NETWORKS)
