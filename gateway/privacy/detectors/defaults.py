"""Default weights and floors of the types of findings."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import FindingType

_WEIGHTS: dict[FindingType, float] = {
    "SECRET": 1.0,
    "CREDIT_CARD": 0.9,
    "US_SSN": 0.9,
    "NATIONAL_ID": 0.9,
    "IBAN": 0.9,
    "BANK_ACCOUNT": 0.9,
    "EMAIL": 0.5,
    "PHONE": 0.5,
    "ADDRESS": 0.5,
    "DOB": 0.5,
    "PERSON": 0.3,
    "VEHICLE": 0.3,
    "CRYPTO": 0.3,
    "IP": 0.2,
    "MAC": 0.2,
    "URL": 0.0,
    "ORG": 0.0,
    "LOCATION": 0.0,
    "DATE": 0.0,
    "TITLE": 0.0,
    "NRP": 0.0,
    "AGE": 0.0,
    "ZIP": 0.0,
    "HANDLE": 0.0,
    "HEALTH": 0.0,
    "SPECIAL_CATEGORY": 0.0,
}

WEIGHTS: Mapping[str, float] = MappingProxyType({str(kind): weight for kind, weight in _WEIGHTS.items()})
"""How much one certain finding of a type adds to the score, for every type."""

FLOORS: Mapping[str, PrivacyClass] = MappingProxyType(
    {kind: PrivacyClass.RESTRICTED for kind, weight in WEIGHTS.items() if weight >= 0.9}
    | {kind: PrivacyClass.CONFIDENTIAL for kind, weight in WEIGHTS.items() if weight == 0.5}
)
"""The least class of a request with a finding of a type; other types have none."""

UNREADABLE = "UNREADABLE"
"""The type of an image, a file, or other bytes that no detector reads; its floor is `privacy.unreadable`."""
