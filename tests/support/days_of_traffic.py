"""Days of simulated traffic, decided by a policy and recorded: for tests and benchmarks of thresholds.

Prompts are drawn from grammars: small talk and lookups, everyday writing, hard work with proofs and code, and
texts with personal data in each of them. A day has its rhythm, three tenants, answers of lengths that vary,
and budgets: by default they are used up by the hour, whatever this traffic costs; or by what it costs.
"""

import math
import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clock import SystemClock
from gateway.complexity.complexity import complexity_of, features_of
from gateway.domain.answer import Answer, Attempt, FinishReason, Outcome, Route, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import RoutingState, Scores
from gateway.domain.request import Request
from gateway.ledger.money import cost_usd_nanos, nanos_of_usd
from gateway.offline.batch import StillClock
from gateway.policy.model import OpenAIModel, Policy
from gateway.privacy import PrivacyScorer
from gateway.records.writer import Records
from gateway.telemetry.report import CallReport
from tests.support.decisions import decide

POLICY = """\
# What a team of three runs.
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, clearance: internal, price_per_million_usd: {input: 0.25, output: 2.00}}
budgets:
  - {name: daily, per: tenant, limit_usd: 0.15, window: day}
rules:
  - {name: stays-home,   when: 'privacy_class >= CONFIDENTIAL', route: [edge]}
  - {name: nearly-spent, when: 'budget >= 0.95', route: [edge]}
  - {name: hard,         when: 'complexity >= 0.6', route: [cloud, edge]}   # <- the number
  - {name: default,      route: [edge, cloud]}
replies:
  - {id: sorry, text: Sorry.}
"""
DAY_S = 86_400
MONDAY_UNIX_S = 1_763_942_400
TENANTS = ("acme", "globex", "initech")
_HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 18, 15, 12, 16, 18, 17, 14, 9, 6, 5, 4, 3, 2, 1)
"""How busy each hour is."""

_EASY = (
    "Hello{mark}", "Good {time}, can you help me?", "What is the capital of {country}?",
    "How many {unit} are in {n} {unit}?",
    "What is {n} plus {n}?", "What is the opposite of {word}?", "Translate '{word}' into {language}.",
    "Is {n} even?", "Which day comes after {day}?", "Spell {word}.", "Thanks, that was {word}!",
)  # fmt: skip
_EVERYDAY = (
    "Write a short note to a colleague about the {thing} on {day}.",
    "Summarise in {n} sentences why a {thing} needs a {thing}.",
    "Suggest {n} names for a {thing} that is sold in {country}.",
    "Explain to a child what a {thing} is, and what it is not.",
    "Rewrite this politely: we cannot ship the {thing} before {day}, since the {thing} is {word}.",
    "What should I consider when I buy a {thing} in {country}? List {n} points.",
    "Classify the tone of this review as good or bad: 'The {thing} was {word}, the {thing} was not.'",
)
_HARD = (
    "Prove step by step that the sum of the first {n} odd numbers is a square, and compare two proofs.",
    "Write a Python function that merges {n} sorted lists of {thing}s, analyse its complexity, and explain"
    " why each branch terminates. Do not use a heap. Return JSON with the keys code and reason.",
    "A train leaves {country} at {n}:15 and travels at {n} km/h; another leaves {n} minutes later."
    " Derive when they meet, and show every step of the calculation.",
    "Compare the constitutions of {country} and {country}: evaluate the powers of the courts, argue for one"
    " of them, and then refute your own argument. Use at least {n} sources, and cite each.",
    "Design a schema for a {thing} shop with {n} tables. First reason about normal forms, then write the"
    " SQL, then a query that finds customers who bought a {thing} but never a {thing}.",
    "```python\ndef f(x):\n    return f(x - {n}) if x > {n} else x\n```\nWhat is wrong with this code, when"
    " does it overflow, and how would you prove that your correction is right?",
)
_PRIVATE = (
    "Please answer {first}.{last}@example.org: ",
    "The card 4111 1111 1111 1111 was declined. ",
    "Call me back at +1 212 555 0{n}{n}. ",
)
_WORDS = {
    "time": ("morning", "afternoon", "evening"),
    "country": ("France", "Japan", "Peru", "Kenya", "Norway", "Chile", "Poland", "Vietnam", "Canada"),
    "unit": ("metres", "feet", "grams", "ounces", "litres", "hours", "minutes", "inches"),
    "word": ("early", "bright", "rough", "quiet", "heavy", "late", "gentle", "broken", "useful", "green"),
    "language": ("French", "Spanish", "German", "Italian", "Swedish"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "thing": ("lamp", "bicycle", "contract", "server", "kitchen", "ticket", "battery", "garden", "parcel"),
    "mark": ("", "!", ".", " there", " again"),
    "first": ("jane", "li", "omar", "ana"),
    "last": ("roe", "chen", "diaz", "novak"),
}
_MIX: Sequence[tuple[tuple[str, ...], float, float]] = (
    (_EASY, 0.45, 30),
    (_EVERYDAY, 0.33, 160),
    (_HARD, 0.22, 520),
)
"""Grammar, share of the traffic, and usual tokens of an answer."""
_PRIVATE_SHARE = 0.12
_PRESSURE = (0.4, 0.9, 1.2)
"""By tenant, what share of its budget is spent at the end of the day; the last one's is gone by then."""
_EDGE_BREVITY = 0.8
"""A small model says less: so what is learned from its answers is not exactly what the cloud would bill."""


def _filled(template: str, draw: random.Random) -> str:
    parts = []
    for literal, name, _, _ in string.Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(str(draw.randint(2, 99)) if name == "n" else draw.choice(_WORDS[name]))
    return "".join(parts)


def prompts(draw: random.Random, count: int) -> Iterator[str]:
    """Yield what is asked."""
    for _ in range(count):
        yield _prompt(draw)[0]


def _prompt(draw: random.Random) -> tuple[str, float]:
    """Return what is asked, and the usual tokens of an answer to it."""
    grammar, _, tokens = draw.choices(_MIX, [share for _, share, _ in _MIX])[0]
    text = _filled(draw.choice(grammar), draw)
    if draw.random() < _PRIVATE_SHARE:
        text = _filled(draw.choice(_PRIVATE), draw) + text
    return text, tokens


@dataclass
class Day:
    """One day: what was asked of whom, and what it cost so far."""

    policy: Policy
    begins_unix_s: float
    is_spent_by_itself: bool
    """Whether the budgets are used up by these answers; else by the hour, for one tenant to the end."""
    spent_usd_nanos: dict[str, int] = field(default_factory=dict)

    def reports(self, seed: int, requests: int) -> Iterator[CallReport]:
        """Yield the day's calls in the order of their ends."""
        draw = random.Random(seed)
        scorer = PrivacyScorer(self.policy.privacy, clock=StillClock())
        for number, at_s in enumerate(sorted(_moment(draw) for _ in range(requests))):
            text, tokens = _prompt(draw)
            answer_tokens = max(1, round(tokens * math.exp(draw.gauss(0.0, 0.5))))
            request = Request(
                request_id=f"r{seed}-{number}",
                tenant=draw.choice(TENANTS),
                messages=(Message(role=Role.USER, content=text),),
            )
            yield self._report(request, scorer, answer_tokens, self.begins_unix_s + at_s)

    def _report(
        self, request: Request, scorer: PrivacyScorer, answer_tokens: int, ended_unix_s: float
    ) -> CallReport:
        policy, features = self.policy, features_of(request.messages)
        privacy = scorer.score(request)
        scores = Scores(
            complexity=complexity_of(features, policy.scorer),
            privacy=privacy.score,
            budget=self._budget(request.tenant, ended_unix_s),
        )
        decision = decide(
            request,
            scores=scores,
            privacy=privacy,
            policy=policy,
            state=RoutingState(deadline_s=60.0),
            features=features,
        )
        model = policy.models[decision.chain[0]]
        if not isinstance(model, OpenAIModel):
            answer_tokens = max(1, round(answer_tokens * _EDGE_BREVITY))
        usage = Usage(
            prompt_tokens=len(request.messages[0].content) // 4 + 8, completion_tokens=answer_tokens
        )
        cost = cost_usd_nanos(model, usage) if isinstance(model, OpenAIModel) else 0
        self.spent_usd_nanos[request.tenant] = self.spent_usd_nanos.get(request.tenant, 0) + cost
        attempt = Attempt(
            model=decision.chain[0], outcome=Outcome.ANSWERED, reason=None, start_ms=0.0, duration_ms=9.0,
            usage=usage, cost_usd_nanos=cost,
        )  # fmt: skip
        answer = Answer(
            decision=decision,
            message=Message(role=Role.ASSISTANT), finish_reason=FinishReason.STOP, usage=usage,
            route=model.route, model=attempt.model,
            degraded=None, cost_usd_nanos=cost, attempts=(attempt,),
        )  # fmt: skip
        return CallReport(
            transport="grpc", method="Generate",
            request_id=request.request_id, tenant=request.tenant, code="OK", reason=None,
            policy=policy, decision=decision, shadow=None, answer=answer, attempts=(attempt,),
            ended_unix_s=ended_unix_s, duration_s=0.01, decision_s=0.001, first_text_s=None, waited_s=0.0,
        )  # fmt: skip

    def _budget(self, tenant: str, at_unix_s: float) -> float:
        """Return the share of a tenant's budget that is spent."""
        if self.is_spent_by_itself:
            limit = nanos_of_usd(self.policy.budgets[0].limit_usd)
            return min(1.0, self.spent_usd_nanos.get(tenant, 0) / limit)
        passed = (at_unix_s - self.begins_unix_s) / DAY_S
        return min(1.0, passed * _PRESSURE[TENANTS.index(tenant)])


def _moment(draw: random.Random) -> float:
    """Return a time of the day in seconds."""
    (hour,) = draw.choices(range(24), _HOURS)
    return hour * 3600 + draw.random() * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What a day came to."""

    requests: int
    cloud: int
    private: int
    cost_usd_nanos: int

    @property
    def cloud_share(self) -> float:
        """Of all requests."""
        return self.cloud / self.requests


def lived(
    policy: Policy,
    *,
    seed: int,
    requests: int,
    day: int = 0,
    records: Path | None = None,
    is_spent_by_itself: bool = False,
) -> Sum:
    """Let a day pass under a policy, and record it where asked."""
    that = Day(policy, MONDAY_UNIX_S + day * DAY_S, is_spent_by_itself)
    reports = list(that.reports(seed, requests))
    if records is not None:
        writer = Records(records, clock=SystemClock())
        for report in reports:
            writer.note(report)
        writer.close()
    return Sum(
        requests=len(reports),
        cloud=sum(report.route is Route.CLOUD for report in reports),
        private=sum(
            report.decision is not None and report.decision.rule == "stays-home" for report in reports
        ),
        cost_usd_nanos=sum(attempt.cost_usd_nanos for report in reports for attempt in report.attempts),
    )
