"""Derives score and class from the evidence for each type of finding; pure, needs no text."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.privacy import Evidence, PrivacyClass
from gateway.policy.model import Classes, PrivacyPolicy, privacy_class
from gateway.privacy.custom_patterns import OWN_FLOOR, OWN_WEIGHT
from gateway.privacy.detectors.defaults import FLOORS, UNREADABLE, WEIGHTS

CONFIDENT = 0.5
"""The least confidence of a finding that counts for floors and for MANY."""
MANY = 20
"""With this many distinct values of a type a request counts as a list of people: one class higher."""
_DECIMALS = 9
"""Decimals of the score, so that a weight of 0.2 alone scores exactly 0.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Weights, floors and class limits of a policy, merged with the defaults."""

    weights: Mapping[str, float]
    floors: Mapping[str, PrivacyClass]
    classes: Classes


def scale_of(policy: PrivacyPolicy) -> Scale:
    """Return the scale of a policy, including its own types."""
    weights: dict[str, float] = dict(WEIGHTS)
    weights.update((str(kind), weight) for kind, weight in policy.weights.items())
    floors: dict[str, PrivacyClass] = dict(FLOORS)
    floors.update((kind, privacy_class(name)) for kind, name in policy.floors.items())
    for own in policy.patterns:
        if own.name not in WEIGHTS:
            weights[own.name] = OWN_WEIGHT if own.weight is None else own.weight
            floors[own.name] = privacy_class(own.floor or OWN_FLOOR)
    weights[UNREADABLE], floors[UNREADABLE] = 0.0, privacy_class(policy.unreadable)
    return Scale(weights=weights, floors=floors, classes=policy.classes)


def score_of(evidence: Mapping[str, Evidence], scale: Scale) -> float:
    """Return `1 - product over types (1 - weight * highest confidence)`."""
    innocent = 1.0
    for kind in sorted(evidence):
        # The scale lacks a type only if the policy's detectors do not look for it.
        innocent *= 1.0 - scale.weights.get(kind, 0.0) * evidence[kind].highest
    return round(1.0 - innocent, _DECIMALS)


def class_of(
    score: float, evidence: Mapping[str, Evidence], scale: Scale, hint: PrivacyClass | None
) -> tuple[PrivacyClass, str]:
    """Return the class and its reason: the highest of the score's class, floors, MANY, and hint."""
    confident = sorted(kind for kind, found in evidence.items() if found.confident)
    class_, reason = PrivacyClass.PUBLIC, ""
    for kind in confident:
        floor = scale.floors.get(kind)
        if floor is not None and (floor > class_ or not reason):
            class_, reason = floor, _floor_reason(kind)
    of_score = _class_of_score(score, scale.classes)
    if of_score > class_ or not reason:
        class_, reason = of_score, "score" if evidence else "nothing found"
    many = [kind for kind in confident if evidence[kind].confident >= MANY]
    if many and class_ < PrivacyClass.RESTRICTED:
        class_, reason = PrivacyClass(class_ + 1), f"many {many[0]}"
    if hint is not None and hint > class_:
        class_, reason = hint, "hint"
    return class_, reason


def _floor_reason(kind: str) -> str:
    return "unreadable content" if kind == UNREADABLE else f"floor {kind}"


def _class_of_score(score: float, starts: Classes) -> PrivacyClass:
    if score >= starts.restricted:
        return PrivacyClass.RESTRICTED
    if score >= starts.confidential:
        return PrivacyClass.CONFIDENTIAL
    return PrivacyClass.INTERNAL if score >= starts.internal else PrivacyClass.PUBLIC
