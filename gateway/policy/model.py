"""The policy as one frozen value: every key with its type, range, default and meaning.

`loading.load` creates it from YAML; `loading.schema` creates its JSON schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, Protocol

from pydantic import Field

from gateway.domain.conversation import ReasoningEffort
from gateway.domain.decision import Facts, Reason
from gateway.domain.request_limits import RequestLimits
from gateway.domain.trimming import ContextLimit, Trim
from gateway.policy.aliases import MAX_ALIASES, AliasName, ModelNames
from gateway.policy.caching import CachePolicy
from gateway.policy.complexity import Complexity, Scorer
from gateway.policy.entities import EntitySource
from gateway.policy.handoff import Handoff
from gateway.policy.http import HttpPolicy
from gateway.policy.keys import MAX_KEYS, KeyPolicy
from gateway.policy.kinds import AnyModel
from gateway.policy.limits import Limits
from gateway.policy.llama_cpp import LlamaCppModel
from gateway.policy.mirror import MirrorPolicy
from gateway.policy.openai import OpenAIModel
from gateway.policy.policy_tests import PolicyTest
from gateway.policy.priced import Price
from gateway.policy.record_keeping import RecordKeeping
from gateway.policy.sessions import SessionPolicy
from gateway.policy.source import Source
from gateway.policy.spec import (
    ClassName,
    ModelSpec,
    Name,
    Seconds,
    Usd,
    privacy_class,
)
from gateway.policy.strict import Share, Strict

__all__ = [
    "RETRY_AFTER",
    "Budget",
    "CannedReply",
    "ClassName",
    "CompiledRule",
    "Condition",
    "ExtraPattern",
    "Facts",
    "FindingType",
    "Handoff",
    "LlamaCppModel",
    "ModelSpec",
    "OpenAIModel",
    "Policy",
    "PolicyFile",
    "Price",
    "PrivacyPolicy",
    "Resilience",
    "Rule",
    "privacy_class",
]

FindingType = Literal[
    "SECRET", "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT", "EMAIL", "PHONE", "ADDRESS",
    "DOB", "PERSON", "VEHICLE", "CRYPTO", "IP", "MAC", "URL", "ORG", "LOCATION", "DATE", "TITLE", "NRP",
    "AGE", "ZIP", "HANDLE", "HEALTH", "SPECIAL_CATEGORY",
]  # fmt: skip


class Classes(Strict):
    """The least privacy score of each class; below the first a request is public."""

    internal: Share = Field(0.2, description="From this score on a request is internal.")
    confidential: Share = Field(
        0.5, description="From this score on a request is confidential; above internal."
    )
    restricted: Share = Field(
        0.8, description="From this score on a request is restricted; above confidential."
    )


PrivateValue = Annotated[str, Field(min_length=3, max_length=200)]
ContextWord = Annotated[str, Field(min_length=2, max_length=60)]


class ExtraPattern(Strict):
    """A pattern of an operator, such as that of employee numbers."""

    name: str = Field(
        pattern="^[A-Z][A-Z0-9_]{1,39}$",
        description="The type of its findings: a built-in one, or a name of your own.",
    )
    regex: str = Field(
        min_length=1,
        max_length=500,
        description="A regular expression in RE2's syntax, which runs in linear time; letters beyond Latin-1 "
        "are not supported.",
    )
    confidence: Share = Field(
        0.9, description="The confidence of a match; from 0.5 on it counts for the floor."
    )
    context: tuple[ContextWord, ...] = Field(
        (),
        strict=False,
        max_length=50,
        description="Words near a match, in the same paragraph; without one of them the confidence is half.",
    )
    weight: Share | None = Field(
        None, description="As in weights, for a name of your own. Default: 0.5, as for an e-mail address."
    )
    floor: ClassName | None = Field(
        None, description="As in floors, for a name of your own. Default: confidential."
    )


class PrivacyPolicy(Strict):
    """What makes a request private.

    Its class is the highest of the class of its score, the floors of its findings, and the caller's hint. A
    request that cannot be scanned is restricted.
    """

    classes: Classes = Field(
        Classes(), description="The least privacy score of each class; below them a request is public."
    )
    weights: dict[FindingType, Share] = Field(
        {},
        description="How much a certain finding of a type adds to the score, where it differs from the "
        "defaults in docs/explanations/privacy.md.",
    )
    floors: dict[FindingType, ClassName] = Field(
        {},
        description="The least class of a request with a finding of a type, where it differs from the "
        "defaults.",
    )
    allow: tuple[PrivateValue, ...] = Field(
        (),
        strict=False,
        max_length=1000,
        description="Values that are never findings, exactly as written, such as your helpdesk's address.",
    )
    examples: Literal["report", "ignore"] = Field(
        "report",
        description="Whether published test cards, numbers for fiction, and addresses and networks that are "
        "reserved for documentation are findings like any other.",
    )
    deny: tuple[PrivateValue, ...] = Field(
        (),
        strict=False,
        max_length=200,
        description="Words and phrases that are always a SECRET, in any case.",
    )
    patterns: tuple[ExtraPattern, ...] = Field(
        (),
        strict=False,
        max_length=50,
        description="Your own patterns; they add findings to those of the detectors and remove none.",
    )
    entities: tuple[EntitySource, ...] = Field(
        (),
        strict=False,
        max_length=4,
        description="Further finders of names, places and the like; they add findings and remove none.",
    )
    unreadable: ClassName = Field(
        "restricted",
        description="The least class of a request with images, files or other bytes that no detector reads.",
    )
    report_at: Share = Field(0.5, description="The least confidence of a finding that is reported.")
    limit_ms: float = Field(
        50.0,
        gt=0,
        le=10_000,
        description="Time for all detectors in milliseconds, plus 1 ms for every 2 kB of text; "
        "a request that takes longer is restricted.",
    )


class Budget(Strict):
    """A cap on spend in a window of time."""

    name: Name = Field(description="The budget's name in errors, logs and metrics.")
    per: Literal["tenant", "key", "label", "model", "all"] = Field(
        description="What has its own cap: each tenant, each name of a key or value of a label inside its "
        "tenant, each model, or all spend together."
    )
    key: Name | None = Field(
        None,
        description="With per: key, the name of the only keys that the budget is for. Default: every name; "
        "calls without a key's name share one cap of their tenant.",
    )
    label: Name | None = Field(
        None, description="The key of the label, required with per: label. Requests without it share one cap."
    )
    limit_usd: Annotated[Usd, Field(decimal_places=9)] = Field(
        description="The cap in US dollars; spend and open reservations together never exceed it."
    )
    soft_limit_usd: Annotated[Usd, Field(decimal_places=9)] | None = Field(
        None,
        description="The limit for the budget score, in place of limit_usd, so that rules react earlier; "
        "refuses nothing. At most limit_usd.",
    )
    window: Literal["minute", "hour", "day", "week", "month"] = Field(
        description="The time after which the cap is whole again; a week begins on Monday."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "UTC", description="The time zone of the window, such as Europe/Warsaw."
    )


class RuleLimits(Strict):
    """What a rule lowers of a request. Nothing is raised above what the caller asks."""

    max_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="The most tokens of an answer, also where the caller, or the model's max_tokens, would "
        "allow more. Default: not lowered.",
    )
    effort: Annotated[ReasoningEffort, Field(strict=False)] | None = Field(
        None,
        description="The most reasoning effort, and the effort of a request that sets neither effort nor "
        "budget: none, minimal, low, medium, high or xhigh. Only models that take an effort are told. "
        "Default: not lowered.",
    )

    @property
    def limits(self) -> RequestLimits:
        """The same as routing has it."""
        return RequestLimits(max_tokens=self.max_tokens, effort=self.effort)


class RuleContext(Strict):
    """How a rule shortens a conversation that is too long for a model. What it leaves out is told."""

    trim: Annotated[Trim, Field(strict=False)] = Field(
        Trim.NONE,
        description="What is left out: none, nothing; tool_results, the middle of old results of tools, the "
        "oldest first; oldest, after these whole turns, the oldest first. Messages of the system, the user's "
        "last one, and the last three steps stay whole, and so does a call with its results.",
    )
    above_tokens: int | None = Field(
        None,
        ge=1_000,
        le=10_000_000,
        description="The tokens of a prompt, as prompt_tokens estimates them, above which a conversation is "
        "also shortened for models that it fits, to spend less. Default: only what does not fit.",
    )

    @property
    def limit(self) -> ContextLimit | None:
        """The same as routing has it; None: nothing is left out."""
        return (
            None if self.trim is Trim.NONE else ContextLimit(trim=self.trim, above_tokens=self.above_tokens)
        )


class Rule(Strict):
    """Which models to try, in order, when a condition holds.

    A filter removes a model from the route that may not answer (clearance, context window, capability,
    deadline), whatever the rule says.
    """

    name: Name = Field(description="The rule's name in decisions and logs.")
    when: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="A CEL expression of type bool over complexity, privacy, budget, budget.plan, "
        "privacy_class, findings, tenant, labels, prompt_tokens, deadline_s, session.class, session.model "
        "and the signals of the conversation. The last rule, and only it, has none.",
    )
    route: tuple[str, ...] = Field(
        strict=False, min_length=1, description="Names of models, in the order in which they are tried."
    )
    set: RuleLimits | None = Field(
        None,
        description="What the rule lowers of a request, never above what the caller asks. Default: nothing.",
    )
    context: RuleContext | None = Field(
        None,
        description="How a conversation is shortened that is too long for a model. Default: it is not.",
    )


class Backoff(Strict):
    """The wait before a retry at the same model; doubles, with 20 % jitter."""

    first: Seconds = Field(0.2, description="The wait before the first retry, in seconds; then it doubles.")
    max: Seconds = Field(4.0, description="The longest wait, in seconds, also for a rate limit.")


class DeadlineBounds(Strict):
    """The default deadline of a call, and the longest one."""

    default: Seconds = Field(60.0, description="For a call without a deadline, in seconds; at most max.")
    max: Seconds = Field(600.0, description="The longest deadline of a call, in seconds.")


class Resilience(Strict):
    """How failures are handled."""

    attempts: int = Field(3, ge=1, le=10, description="Attempts at one model, the first included.")
    backoff_s: Backoff = Field(Backoff(), description="The wait between two attempts at the same model.")
    first_token_s: Literal["auto"] | Seconds = Field(
        "auto",
        description="How long a streamed answer may take to begin, in seconds. auto is 10 for a cloud model "
        "that does not reason and is not the last of its route, else 30.",
    )
    stall_s: Seconds = Field(
        10.0, description="How long a streamed answer may pause, in seconds; a longer pause counts as a cut."
    )
    attempt_s: Seconds = Field(
        30.0,
        description="How long one unary attempt may take, in seconds. Does not apply to a local model, which "
        "always streams.",
    )
    deadline_s: DeadlineBounds = Field(DeadlineBounds(), description="Bounds on the deadline of a call.")
    recovery: Literal["restart", "resume", "buffer", "fail"] = Field(
        "restart",
        description="What happens when a stream is cut after it began: restart sends the next model's "
        "whole answer; resume lets the next model continue the text already sent if it can, else restarts; "
        "buffer sends an answer once it is whole; fail ends the stream with an error. A caller over HTTP "
        "cannot be told of a restart: its stream fails instead.",
    )
    hedge_after: Literal["p95"] | Seconds | None = Field(
        None,
        description="When the next model is called beside one that has not begun to answer: after this many "
        "seconds, or p95, the 95th percentile of its recent times to the first token. The first text wins; "
        "the other call is cancelled and paid for. Default: never.",
    )
    content_filter: Literal["stop", "next"] = Field(
        "stop",
        description="What happens when a provider's content filter refuses a request: stop ends it with an "
        "error that names the filter, next tries the next model.",
    )


RETRY_AFTER = "{retry_after_s}"
"""The placeholder in a canned reply for the seconds after which the caller may retry."""


class CannedReply(Strict):
    """A fixed text for when no model answers."""

    id: Name = Field(description="The reply's name in responses and logs.")
    when_reason: tuple[Annotated[Reason, Field(strict=False)], ...] = Field(
        (),
        strict=False,
        description="The reasons that this reply is for; none means any.",
    )
    when_label: dict[Name, Name] = Field(
        {}, description="Labels that the request must have, with these values."
    )
    language: str | None = Field(
        None,
        pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="The language of the text, for callers whose accept-language names it; pl also serves "
        "pl-PL. The last reply has no reasons, labels or language. Default: for everybody.",
    )
    text: str = Field(
        min_length=1,
        max_length=4096,
        description="The text for the caller. A reply with {retry_after_s} is sent only if the seconds after "
        "which the caller may retry are known.",
    )


class PolicyFile(Strict):
    """The policy of a gateway: what can answer, what is private, what may be spent, what is tried first."""

    version: int = Field(ge=1, le=1, description="The version of this format.")
    models: dict[Name, AnyModel] = Field(min_length=1, description="The models, by name.")
    aliases: dict[AliasName, str] = Field(
        {},
        max_length=MAX_ALIASES,
        description="Further names by which callers may ask for a model, such as gpt-4o or claude-*: each "
        "means a model of models, or auto, any model of the route. An exact name goes before a pattern, a "
        "longer pattern before a shorter one. A name never widens what rules and filters allow.",
    )
    keys: dict[Name, KeyPolicy] = Field(
        {},
        max_length=MAX_KEYS,
        description="Which models callers may use, by the name of their API key: name=NAME in the key file. "
        "A name that is not here, and a call without one, may use all.",
    )
    privacy: PrivacyPolicy = Field(PrivacyPolicy(), description="What makes a request private.")
    budgets: tuple[Budget, ...] = Field(
        (), strict=False, description="Caps on spend; a call must fit into all that apply."
    )
    rules: tuple[Rule, ...] = Field(
        strict=False, min_length=1, description="The first rule whose condition holds gives the route."
    )
    resilience: Resilience = Field(Resilience(), description="How failures are handled.")
    replies: tuple[CannedReply, ...] = Field(
        strict=False,
        min_length=1,
        description="Canned replies for when no model answers; the first that fits the reason is sent.",
    )
    limits: Limits = Field(Limits(), description="Bounds on concurrent requests and on rates.")
    records: RecordKeeping = Field(RecordKeeping(), description="What records of decisions hold.")
    tests: tuple[PolicyTest, ...] = Field(
        (),
        strict=False,
        max_length=10_000,
        description="Requests and their expected decisions, for gateway policy test; no part of the policy's "
        "hash.",
    )
    complexity: Complexity = Field(Complexity(), description="How the complexity score is computed.")
    handoff: Handoff | None = Field(
        None, description="Which requests are handed to a person when no model answers. Default: none."
    )
    mirror: MirrorPolicy | None = Field(
        None,
        description="Which requests are answered twice, by edge and cloud, to learn from. Default: none.",
    )
    http: HttpPolicy = Field(HttpPolicy(), description="What callers over HTTP get that others do not.")
    sessions: SessionPolicy = Field(
        SessionPolicy(), description="What holds for all turns of a conversation together."
    )
    cache: CachePolicy | None = Field(
        None, description="Which answers are kept and given again. Default: none."
    )


class Condition(Protocol):
    """A compiled `when`."""

    def holds(self, facts: Facts) -> bool:
        """Return whether the condition is true; raises ValueError, without values, if evaluation fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A type-checked rule; `when` is None for the last one."""

    name: str
    when: Condition | None
    route: tuple[str, ...]
    text: str | None = None
    """The text of the condition."""
    limits: RequestLimits | None = None
    """What it lowers of a request."""
    context: ContextLimit | None = None
    """How it shortens a conversation that is too long."""


@dataclass(frozen=True, kw_only=True)  # Without slots: it keeps what it computes.
class Policy:
    """A checked policy; immutable, created by `loading.load`."""

    models: Mapping[str, ModelSpec]
    privacy: PrivacyPolicy
    budgets: tuple[Budget, ...]
    rules: tuple[CompiledRule, ...]
    resilience: Resilience
    replies: tuple[CannedReply, ...]
    effective_yaml: str
    """The policy as YAML, with every default filled in."""
    hash: str
    """SHA-256 of the effective policy, hexadecimal."""
    records: RecordKeeping = field(default_factory=RecordKeeping)
    limits: Limits = field(default_factory=Limits)
    handoff: Handoff | None = None
    mirror: MirrorPolicy | None = None
    http: HttpPolicy = field(default_factory=HttpPolicy)
    sessions: SessionPolicy = field(default_factory=SessionPolicy)
    cache: CachePolicy | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, KeyPolicy] = field(default_factory=dict)
    tests: tuple[PolicyTest, ...] = ()
    source: Source = field(default_factory=lambda: Source(name="policy", lines={}), compare=False)
    scorer: Scorer | None = None
    """The complexity scorer; None: the shipped one."""

    @property
    def reads_labels(self) -> bool:
        """Whether a rule reads labels."""
        return any("labels" in (rule.text or "") for rule in self.rules)

    @cached_property
    def names(self) -> ModelNames:
        """The names by which callers may ask for a model."""
        spaces = frozenset(self.spaces)
        return ModelNames(frozenset(self.models), self.aliases, spaces)

    @property
    def spaces(self) -> Mapping[str, int]:
        """The vector spaces of the models, with the dimensions of their vectors."""
        embeds = (spec.embedding for spec in self.models.values())
        return {each.space: each.dimensions for each in embeds if each is not None}

    def space_of(self, asked: str, key_name: str) -> str:
        """Return the vector space that a name means to a caller: by itself, by a model, or as the only one.

        "": none, or one of several.
        """
        names, allowed = self.names, self.models_of_key(key_name)
        entry, model = names.entry(asked), names.model(asked)
        if entry in names.spaces and entry is not None:
            return entry
        usable = [
            spec.space
            for name, spec in self.models.items()
            if spec.space and model in ("", name) and (allowed is None or name in allowed)
        ]
        return usable[0] if len(set(usable)) == 1 else ""

    def gives_vectors(self, asked: str) -> bool:
        """Whether a name means a vector space, or a model of one."""
        spec = self.models.get(self.names.model(asked) or "")
        return self.names.entry(asked) in self.names.spaces or (spec is not None and bool(spec.space))

    def models_of_key(self, key_name: str) -> frozenset[str] | None:
        """Return the models that keys of a name may use; None: all."""
        narrowed = self.keys.get(key_name)
        if narrowed is None:
            return None
        names = self.names
        return frozenset(filter(None, map(names.model, narrowed.models)))

    @property
    def engines(self) -> Mapping[str, LlamaCppModel]:
        """The models that run in an engine process on this host."""
        return {name: spec for name, spec in self.models.items() if isinstance(spec, LlamaCppModel)}
