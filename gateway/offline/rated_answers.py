"""Answers that were rated, from records: what rules saw of the request, and how good the answer was. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.answer import Route
from gateway.ledger.money import cost_usd_nanos
from gateway.offline.outcomes import QualityOutcome, gains_of
from gateway.offline.recorded_outcomes import Fields, Lines, Rated, rated_requests
from gateway.policy.model import Policy
from gateway.records.decoding import BadRecord, DecisionRecord, read_record

Value = int | float | bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedAnswer:
    """An answer and its score from 0 to 1; numbers and names, no text."""

    record: DecisionRecord
    score: float
    effort: str
    """How much the model was asked to reason, after what the rule lowered; "": as it likes."""

    @property
    def is_edge(self) -> bool:
        """Whether the edge answered."""
        return self.record.route is Route.LOCAL

    @property
    def reasoning_tokens(self) -> int:
        """What the model thought before it answered."""
        return 0 if self.record.usage is None else self.record.usage.reasoning_tokens

    def values(self) -> Mapping[str, Value]:
        """Return what a condition may compare with a number or a word."""
        seen = self.record.routing_input
        return {
            "complexity": seen.complexity,
            "prompt_tokens": seen.prompt_tokens,
            **seen.signals.values(),
        }


def rated_answers(read: Callable[[], Lines]) -> Rated[RatedAnswer]:
    """Return the rated answers in records; raises BadRecord with the location."""
    return rated_requests(read, lambda fields: True, _rated)


def _rated(fields: Fields, location: str, score: float) -> RatedAnswer:
    try:
        record = read_record(fields)
    except BadRecord as error:
        raise BadRecord(f"{location}: {error}") from None
    limits = fields["decision"].get("limits") or {}
    effort = limits.get("effort") or record.routing_input.signals.reasoning_effort
    return RatedAnswer(record=record, score=score, effort=str(effort))


def gains_at_cloud(answers: Sequence[RatedAnswer]) -> list[float]:
    """Return how much better the cloud's answer is; of the side that was not asked its average counts."""
    outcomes = [
        QualityOutcome(
            features=(),
            weak=each.score if each.is_edge else None,
            strong=None if each.is_edge else each.score,
            tenant=each.record.routing_input.tenant,
        )
        for each in answers
    ]
    return list(map(float, gains_of(outcomes)))


def usd_nanos_at_cloud(answer: RatedAnswer, policy: Policy) -> int | None:
    """Return what the first model in the cloud would cost for the tokens of the answer; None: unknown."""
    spec = next((each for each in policy.models.values() if each.leaves_host), None)
    if spec is None or answer.record.usage is None:
        return None
    return cost_usd_nanos(spec, answer.record.usage)
