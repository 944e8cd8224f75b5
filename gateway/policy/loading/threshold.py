"""The complexity threshold of a policy: the number with which one rule compares `complexity`; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.policy.loading.document import read_document
from gateway.policy.loading.messages import did_you_mean
from gateway.policy.loading.rules import Conditions
from gateway.policy.loading.syntax import Comparison, comparisons
from gateway.policy.model import Policy
from gateway.policy.source import Path

VARIABLE = "complexity"
ALL_ABOVE, ALL_BELOW = "-1.0", "2.0"
"""Thresholds that are below every score, and above every score."""


class NoThreshold(ValueError):
    """A policy has no threshold, or more than one; the message says which, with a hint, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A rule's comparison of complexity with a number."""

    rule: str
    path: Path
    when: str
    comparison: Comparison

    @property
    def index(self) -> int:
        """The index of the rule, from 0."""
        return int(self.path[1])

    def is_above(self, complexity: float) -> bool:
        """Return whether a score is above the threshold."""
        value = self.comparison.value
        return complexity > value or (complexity == value and self.comparison.operator in (">=", "<"))

    def with_number(self, number: str) -> str:
        """Return the condition with another number."""
        return f"{self.when[: self.comparison.start]}{number}{self.when[self.comparison.end :]}"


def threshold_of(policy: Policy, rule: str | None = None) -> Threshold:
    """Return the threshold of a rule, or of the only rule that has one; raises NoThreshold."""
    if rule is not None and rule not in (names := [each.name for each in policy.rules]):
        raise NoThreshold(f"--rule {rule}: the policy has no such rule{did_you_mean(rule, names)}")
    read = {at: comparisons(each.text, VARIABLE) for at, each in enumerate(policy.rules) if each.text}
    having = [at for at, (found, _) in read.items() if found]
    if rule is not None:
        having = [at for at, each in enumerate(policy.rules) if each.name == rule]
    elif not having:
        others = ", ".join(policy.rules[at].name for at, (_, elsewhere) in read.items() if elsewhere)
        detail = f"{others} reads it, but not beside a plain number" if others else "write complexity >= 0.6"
        raise NoThreshold(f"{policy.source.name}: no rule compares complexity with a number; {detail}")
    elif len(having) > 1:
        names = [policy.rules[at].name for at in having]
        raise NoThreshold(
            f"{policy.source.name}: {len(having)} rules compare complexity with a number;"
            f" set --rule to one of {', '.join(names)}"
        )
    at = having[0]
    found, _ = read.get(at, ((), 0))
    path: Path = ("rules", at, "when")
    if len(found) != 1:
        what = f"{len(found)} times" if found else "nowhere"
        detail = f"compares complexity with a plain number {what}; it must do so once"
        raise NoThreshold(policy.source.at(path, detail))
    text = policy.rules[at].text or ""
    return Threshold(rule=policy.rules[at].name, path=path, when=text, comparison=found[0])


def pinned(policy: Policy, threshold: Threshold, number: str) -> Policy:
    """Return the policy with another threshold."""
    conditions = Conditions(own_findings=[each.name for each in policy.privacy.patterns])
    text = threshold.with_number(number)
    rules = list(policy.rules)
    rules[threshold.index] = replace(rules[threshold.index], when=conditions.compile(text), text=text)
    return replace(policy, rules=tuple(rules))


def rewritten(text: str, threshold: Threshold, number: str) -> str:
    """Return the text of a policy with another threshold, and no other change.

    Raises NoThreshold if the number cannot be located, as in a quoted text with escapes.
    """
    document = read_document(text)
    wanted = _wanted(document.value, threshold, number)
    for start, end in _occurrences(text, document.spans.get(threshold.path, (0, 0)), threshold):
        new = f"{text[:start]}{number}{text[end:]}"
        if read_document(new).value == wanted:
            return new
    at = document.problem(threshold.path, f"the number is written in an unusual way; set {number} yourself")
    raise NoThreshold(at.render("the policy"))


def _wanted(value: object, threshold: Threshold, number: str) -> object:
    """Return the value of the document with the new threshold."""
    if not isinstance(value, dict):
        raise NoThreshold("the policy: changed after it was read; run the command again")
    rules = [dict(each) for each in value["rules"]]
    rules[threshold.index]["when"] = threshold.with_number(number)
    return {**value, "rules": rules}


def _occurrences(text: str, span: tuple[int, int], threshold: Threshold) -> Iterator[tuple[int, int]]:
    written = threshold.when[threshold.comparison.start : threshold.comparison.end]
    start = text.find(written, *span)
    while start >= 0:
        yield start, start + len(written)
        start = text.find(written, start + 1, span[1])
