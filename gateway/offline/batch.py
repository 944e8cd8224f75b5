"""Reads, scores and writes the lines of a batch."""

import json
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.complexity.complexity import Scorer as ComplexityScorer
from gateway.complexity.complexity import score_complexity
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyAssessment
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer


class BadLine(ValueError):
    """A line of a batch is wrong; the message says why, without its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A text to score, with the id that the caller gave it."""

    id: str | int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Content of an output line."""

    id: str | int
    complexity: float
    privacy: PrivacyAssessment


class StillClock:
    """A clock that does not move: no detector exceeds its time, so scores are the same on any machine."""

    def monotonic_s(self) -> float:
        """Return 0."""
        return 0.0

    def unix_s(self) -> float:
        """Return 0."""
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        """Return immediately."""


class BatchScorer:
    """Scores texts one by one, each as a request with one user message."""

    def __init__(self, policy: PrivacyPolicy, complexity: ComplexityScorer | None = None) -> None:
        self._complexity = complexity
        clock: Clock = StillClock()
        self._privacy = PrivacyScorer(policy, clock=clock)

    def score(self, item: Item) -> Scored:
        """Return both scores and the findings."""
        messages = (Message(role=Role.USER, content=item.text),)
        return Scored(
            id=item.id,
            complexity=score_complexity(messages, self._complexity),
            privacy=self._privacy.score_text(item.text),
        )


def parse_line(line: bytes) -> Item | None:
    """Parse a line; return None for an empty one. Raises BadLine."""
    try:
        text = line.decode("utf-8-sig").strip()
        fields = json.loads(text) if text else None
    except UnicodeDecodeError:
        raise BadLine("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadLine(f"is not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError):  # Too many digits, or too deeply nested.
        raise BadLine("is JSON that cannot be read") from None
    if not text:
        return None
    if not isinstance(fields, dict):
        raise BadLine('must be an object {"id", "text"}')
    id_, content = fields.get("id"), fields.get("text")
    if not isinstance(id_, str | int) or isinstance(id_, bool):
        raise BadLine('"id" must be present, and a string or an integer')
    if not isinstance(content, str):
        raise BadLine('"text" must be present, and a string')
    return Item(id=id_, text=content)


def to_line(scored: Scored) -> str:
    """Return one line of JSON, in ASCII, with its line break."""
    fields = {
        "id": scored.id,
        "complexity": scored.complexity,
        "privacy": scored.privacy.score,
        "privacy_class": scored.privacy.privacy_class.name.lower(),
        "findings": [
            {"type": each.type, "start": each.start, "end": each.end, "confidence": each.confidence}
            for each in scored.privacy.findings
        ],
    }
    return json.dumps(fields, separators=(", ", ": ")) + "\n"
