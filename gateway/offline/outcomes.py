"""Outcomes as JSON lines: a prompt, as text or features, and the quality of the answers to it."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import FEATURES, features_of
from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request
from gateway.domain.signals import NO_SIGNALS, ConversationSignals, signals_of
from gateway.offline.chat_messages import BadMessages, moments, read_messages


class BadOutcome(ValueError):
    """A line is no outcome; the message says why, without its content."""


Moment = tuple[tuple[float, ...], ConversationSignals]
"""The features and the signals of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOutcome:
    """The features of a request, and the quality of each model's answer from 0 to 1, where it is known."""

    features: tuple[float, ...]
    weak: float | None
    strong: float | None
    tenant: str = ""
    """Tenant of the request; empty where it is unknown."""
    signals: ConversationSignals = NO_SIGNALS
    later: tuple[Moment, ...] = ()
    """The later turns of a whole conversation, which share the outcome."""

    @property
    def moments(self) -> tuple[Moment, ...]:
        """All turns that are known."""
        return ((self.features, self.signals), *self.later)


def read_outcomes(lines: Iterable[bytes]) -> Iterator[tuple[int, QualityOutcome]]:
    """Yield the outcomes with their line numbers; raises BadOutcome with the line number."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, parse_outcome(line)
            except BadOutcome as error:
                raise BadOutcome(f"{number}: {error}") from None


def parse_outcome(line: bytes) -> QualityOutcome:
    """Parse a line; raises BadOutcome."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise BadOutcome("is not JSON") from None
    if not isinstance(fields, dict):
        raise BadOutcome('must be an object {"id", "text", "messages" or "features", "weak", "strong"}')
    return outcome_of(fields)


def outcome_of(fields: Mapping[str, Any]) -> QualityOutcome:
    """Return the outcome for the fields of a line; raises BadOutcome."""
    weak, strong = _quality(fields, "weak"), _quality(fields, "strong")
    if weak is None and strong is None:
        raise BadOutcome('"weak" or "strong" must be present, a number from 0 to 1')
    tenant = fields.get("tenant", "")
    if not isinstance(tenant, str):
        raise BadOutcome('"tenant" must be text')
    (features, signals), *later = _conversation(fields) if "messages" in fields else [_request(fields)]
    return QualityOutcome(
        features=features, weak=weak, strong=strong, tenant=tenant, signals=signals, later=tuple(later)
    )


def _quality(fields: Mapping[str, Any], key: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise BadOutcome(f'"{key}" must be a number from 0 to 1')
    return float(value)


def _conversation(fields: Mapping[str, Any]) -> list[Moment]:
    """Return the turns of a whole conversation."""
    try:
        messages = read_messages(fields["messages"])
    except BadMessages as error:
        raise BadOutcome(str(error)) from None
    if not (found := [moment_of(each) for each in moments(messages)]):
        raise BadOutcome('"messages" must have one that a model answers')
    return found


def moment_of(messages: Sequence[Message]) -> Moment:
    """Return features and signals of what a model was asked."""
    request = Request(request_id="", tenant="", messages=tuple(messages))
    return features_of(messages), signals_of(request)


def _request(fields: Mapping[str, Any]) -> Moment:
    """Return the one request of a line; of a record with its signals."""
    facts = fields.get("facts", {})
    try:
        return _features(fields), ConversationSignals(**facts.get("signals", {}))
    except (AttributeError, TypeError):
        raise BadOutcome('"facts" must have the signals of this version') from None


def _features(fields: Mapping[str, Any]) -> tuple[float, ...]:
    stored, text = fields.get("features"), fields.get("text")
    if stored is None:
        if not isinstance(text, str):
            raise BadOutcome('"text" must be present, or "features" of a record')
        return features_of([Message(role=Role.USER, content=text)])
    if not (
        isinstance(stored, list)
        and len(stored) == FEATURES
        and all(isinstance(each, int | float) and math.isfinite(each) for each in stored)
    ):
        raise BadOutcome(f'"features" must be {FEATURES} numbers, as records of this version hold them')
    return tuple(map(float, stored))


def gains_of(outcomes: list[QualityOutcome]) -> NDArray[np.float64]:
    """Return how much better each strong answer was; an unknown quality counts as the model's average.

    The average is that of the tenant, so that one tenant's ratings do not change another's gains; if the
    tenant rated no answer of the model, that of all tenants. If no quality is known, a strong model counts
    as always right and a weak one as never right.
    """
    by_tenant: dict[str, list[QualityOutcome]] = {}
    for each in outcomes:
        by_tenant.setdefault(each.tenant, []).append(each)
    all_weak, all_strong = _averages(outcomes, 0.0, 1.0)
    averages = {tenant: _averages(own, all_weak, all_strong) for tenant, own in by_tenant.items()}
    return np.array(
        [
            (averages[each.tenant][1] if each.strong is None else each.strong)
            - (averages[each.tenant][0] if each.weak is None else each.weak)
            for each in outcomes
        ]
    )


def _averages(outcomes: list[QualityOutcome], weak: float, strong: float) -> tuple[float, float]:
    """Return the average quality of each model; the given defaults where none is known."""
    weaks = [each.weak for each in outcomes if each.weak is not None]
    strongs = [each.strong for each in outcomes if each.strong is not None]
    return (
        sum(weaks) / len(weaks) if weaks else weak,
        sum(strongs) / len(strongs) if strongs else strong,
    )
