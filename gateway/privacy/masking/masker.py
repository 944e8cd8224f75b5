"""Masks requests for the models that allow it; pure but for the clock that bounds the detectors.

A mask lets a request leave that otherwise stays, so in doubt a request is not masked.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from secrets import SystemRandom
from typing import NamedTuple

from gateway.clock import Clock
from gateway.domain.decision import Masked
from gateway.domain.privacy import Entities, Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.domain.strings import RequestString, with_texts
from gateway.policy.model import Policy, privacy_class
from gateway.privacy import PrivacyScorer
from gateway.privacy.classify import CONFIDENT, MANY
from gateway.privacy.detector import Detector
from gateway.privacy.masking.known_masks import Known, KnownMasks
from gateway.privacy.masking.placeholders import MaskSpan, Shift, mask, new_tag
from gateway.privacy.masking.places import Places, is_beside, is_inside, outside, without_altered_thoughts
from gateway.privacy.masking.restore import restore
from gateway.privacy.masking.spelling import Value
from gateway.privacy.normalize import normalise
from gateway.privacy.scanner import Scan
from gateway.privacy.scorer import DEFAULT_DETECTORS, scanned_strings

MAX_VALUES = 200
"""The most values that are masked in a request, because each is searched in the whole rest."""
_NO_ENTITIES = Entities()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What a mask makes of a request: all that differs, so that processes need not exchange the rest."""

    texts: Mapping[tuple[int, str], str] = field(repr=False)
    """By index of message and path, the masked text."""
    privacy_class: PrivacyClass
    values: Mapping[str, str] = field(repr=False)
    counts: Mapping[str, int]

    def applied_to(self, request: Request) -> Masked:
        """Return the request that it was made for as a model may see it."""
        sent = without_altered_thoughts(with_texts(request, self.texts), request)
        if sent is None:
            raise ValueError("no mask is made of a request of which a message would be empty")
        return Masked(request=sent, privacy_class=self.privacy_class, values=self.values, counts=self.counts)


class _Look(NamedTuple):
    """What was found in the strings of a request."""

    strings: Sequence[RequestString]
    scan: Scan
    findings: Sequence[Finding]


class Masker:
    """Masks requests under one policy; holds no state of a request, so threads may share it."""

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Clock,
        detectors: Sequence[Detector] = DEFAULT_DETECTORS,
        rng: Random | None = None,
        value_key: bytes = b"",
        known: KnownMasks | None = None,
    ) -> None:
        """`known`: what is known of masked texts of requests before."""
        self._policy_hash = policy.hash
        self._known = known or KnownMasks(max_bytes=0)
        self._rng = rng or SystemRandom()
        self._types = {name: types for name, spec in policy.models.items() if (types := spec.masked_types)}
        self._clearances = {name: privacy_class(policy.models[name].clearance) for name in self._types}
        # Unlike in reports, findings of every confidence count here.
        everything = policy.privacy.model_copy(update={"report_at": 0.0})
        self._scorer = PrivacyScorer(everything, clock=clock, detectors=detectors, value_key=value_key)

    def masked(
        self, request: Request, privacy: PrivacyAssessment, entities: Entities = _NO_ENTITIES
    ) -> Mapping[str, Masked]:
        """Return the masked request for each model that needs one and may get it."""
        masks = self.masks(request, privacy, entities, scanned_strings(request))
        return {name: mask.applied_to(request) for name, mask in masks.items()}

    def masks(
        self,
        request: Request,
        privacy: PrivacyAssessment,
        entities: Entities,
        strings: Sequence[RequestString],
        scan: Scan | None = None,
    ) -> Mapping[str, Mask]:
        """Return the mask for each model that needs one and may get it; `strings` are those of the request.

        `scan` is that of `privacy`, where its summaries hold for strings that no mask changes.
        """
        # A request that could not be scanned has no findings, and is never masked.
        found = {finding.type for finding in privacy.findings}
        wanted = {
            name: types
            for name, types in self._types.items()
            if self._clearances[name] < privacy.privacy_class and not found.isdisjoint(types)
        }
        if not wanted:
            return {}
        scan = scan or self._scorer.scan(strings, is_cached=True)
        whole = self._scorer.assessment(request, strings, scan, entities)
        if whole.privacy_class < privacy.privacy_class:
            return {}
        masks = {
            types: self._mask(request, _Look(strings, scan, whole.findings), types, entities)
            for types in dict.fromkeys(wanted.values())
        }
        return {name: mask for name, types in wanted.items() if (mask := masks[types]) is not None}

    def _mask(self, request: Request, look: _Look, types: frozenset[str], entities: Entities) -> Mask | None:
        places = Places(look.strings)
        to_mask, others = _split_findings(look.findings, types)
        if not _can_mask(places, to_mask, others):
            return None
        tag = new_tag((each.text for each in places.strings), self._rng)
        if tag is None:
            return None
        spans = [MaskSpan(index=places.index(f), start=f.start, end=f.end, type=f.type) for f in to_mask]
        texts, values, shifts = mask([each.text for each in places.strings], spans, tag=tag)
        rest = tuple(_moved(each, places, shifts) for each in outside(entities.findings, to_mask))
        strings = [
            old if text == old.text else old._replace(text=text)
            for old, text in zip(look.strings, texts, strict=True)
        ]
        scan = self._scan_left(request, look, strings, tag)
        verdict = self._scorer.assessment(request, strings, scan, Entities(findings=rest))
        changed = {
            (new.message_index, new.path): new.text
            for new, old in zip(strings, look.strings, strict=True)
            if new is not old
        }
        if (
            without_altered_thoughts(with_texts(request, changed), request) is None
            or _finds_more(verdict.findings, types)
            or not _is_still_found(outside(others, to_mask), verdict.findings)
            or _remains_in(values, strings, self._known.scope(request.tenant, self._policy_hash))
            or not _is_restorable(values, request)
        ):
            return None
        return Mask(
            texts=changed,
            privacy_class=_with_many(verdict.privacy_class, places, to_mask),
            values=values,
            counts=_counts(to_mask),
        )

    def _scan_left(self, request: Request, look: _Look, strings: Sequence[RequestString], tag: str) -> Scan:
        """Scan what a mask left over, without strings of which it is known what is in them."""
        # Tags are drawn anew for each request, and are in no other text.
        without_tag = [
            new if new is old else new._replace(text=new.text.replace(f"_{tag}>", "_>"))
            for new, old in zip(strings, look.strings, strict=True)
        ]
        seen = self._known.summaries.look_up(request, self._policy_hash, without_tag)
        known = [
            was if new is old else seen.known[at]
            for at, (new, old, was) in enumerate(zip(strings, look.strings, look.scan.summaries, strict=True))
        ]
        scan = self._scorer.scan(strings, known, is_cached=True)
        self._known.summaries.keep(seen, scan.summaries)
        return scan


def _split_findings(
    findings: Sequence[Finding], types: frozenset[str]
) -> tuple[list[Finding], list[Finding]]:
    """Return the findings to mask, without unsure ones inside of sure ones, and all others."""
    to_mask = [finding for finding in findings if finding.type in types]
    confident = [finding for finding in to_mask if finding.confidence >= CONFIDENT]
    doubtful = [
        finding for finding in to_mask if finding.confidence < CONFIDENT and not is_inside(finding, confident)
    ]
    return [*confident, *doubtful], [finding for finding in findings if finding.type not in types]


def _can_mask(places: Places, to_mask: Sequence[Finding], others: Sequence[Finding]) -> bool:
    """Return whether type, span and text of each value to mask are certain."""
    if not 0 < len(to_mask) <= MAX_VALUES or _overlaps([*to_mask, *others]):
        return False
    if any(finding.message_index < 0 for finding in (*to_mask, *others)):
        return False
    if not all(map(places.is_maskable, to_mask)):
        return False
    if any(finding.confidence < CONFIDENT for finding in to_mask):
        return False
    if any(other.confidence >= CONFIDENT for other in others if is_inside(other, to_mask)):
        return False
    return all(normalise(text).text == text for text in map(places.text_of, to_mask))


def _overlaps(findings: Sequence[Finding]) -> bool:
    """Return whether two findings overlap, and neither contains the other."""
    open_: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.message_index, f.path, f.start, -f.end)):
        while open_ and (not is_beside(open_[-1], finding) or open_[-1].end <= finding.start):
            open_.pop()
        if open_ and open_[-1].end < finding.end:
            return True
        open_.append(finding)
    return False


def _moved(finding: Finding, places: Places, shifts: Sequence[Shift]) -> Finding:
    """Return a finding with its offsets in the masked text."""
    index = places.index(finding)
    by = sum(shift.by for shift in shifts if shift.text_index == index and shift.end <= finding.start)
    return replace(finding, start=finding.start + by, end=finding.end + by)


def _finds_more(findings: Iterable[Finding], types: frozenset[str]) -> bool:
    """Return whether a finding remains that should have been masked."""
    return any(finding.type in types for finding in findings)


def _is_still_found(before: Iterable[Finding], after: Iterable[Finding]) -> bool:
    """Return whether all other findings keep their confidence: a mask may remove their context."""
    found: dict[str, list[float]] = {}
    for finding in after:
        found.setdefault(finding.type, []).append(finding.confidence)
    needed: dict[str, list[float]] = {}
    for finding in before:
        needed.setdefault(finding.type, []).append(finding.confidence)
    return all(
        len(found.get(kind, ())) >= len(wanted)
        and all(
            a >= b
            for a, b in zip(sorted(found[kind], reverse=True), sorted(wanted, reverse=True), strict=False)
        )
        for kind, wanted in needed.items()
    )


def _remains_in(values: Mapping[str, str], strings: Iterable[RequestString], known: Known) -> bool:
    """Return whether a value, or an identifying part of one, remains in the masked texts in any spelling."""
    # New messages come last, so that all before them is as it was in the turn before.
    rest = "\n".join(each.text for each in sorted(strings, key=lambda each: each.message_index))
    words = "|".join(values)
    rest = re.sub(f"<(?:{words})>", "\n", rest, flags=re.IGNORECASE)
    return known.is_spelled_in(rest, [Value(_kind(word), value) for word, value in values.items()])


def _kind(word: str) -> str:
    """Return the type of a placeholder."""
    return word.rsplit("_", 2)[0].upper()


def _is_restorable(values: Mapping[str, str], request: Request) -> bool:
    """Return whether the answer can be restored: no stop string cuts a placeholder, and JSON stays valid."""
    for stop in request.config.stop:
        if any(stop in value for value in values.values()):
            return False
        if any(restore(joined, values) != joined for joined in _joined(stop.lower(), values)):
            return False
    if request.config.json_schema is None and not request.config.json_object:
        return True
    return all(json.dumps(value, ensure_ascii=False) == f'"{value}"' for value in values.values())


def _joined(stop: str, words: Iterable[str]) -> Iterator[str]:
    """Yield the texts in which a stop string shares characters with a placeholder, bare or in brackets."""
    for word in words:
        for placeholder in (word, f"<{word}>"):
            if stop in placeholder:
                yield placeholder
            for length in range(1, min(len(stop), len(placeholder))):
                if placeholder.endswith(stop[:length]):
                    yield placeholder + stop[length:]
                if placeholder.startswith(stop[-length:]):
                    yield stop[:-length] + placeholder


def _with_many(class_: PrivacyClass, places: Places, to_mask: Sequence[Finding]) -> PrivacyClass:
    """Return one class higher if a type has MANY distinct values: a masked list of people is still one."""
    distinct: dict[str, set[str]] = {}
    for finding in to_mask:
        value = places.text_of(finding).casefold()
        distinct.setdefault(finding.type, set()).add("".join(filter(str.isalnum, value)))
    is_many = any(len(values) >= MANY for values in distinct.values())
    return PrivacyClass(min(class_ + 1, PrivacyClass.RESTRICTED)) if is_many else class_


def _counts(to_mask: Sequence[Finding]) -> Mapping[str, int]:
    kinds = [finding.type for finding in to_mask]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
