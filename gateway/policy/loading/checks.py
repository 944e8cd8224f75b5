"""Checks across the parts of a policy, beyond the type and range of each key.

The checks run over the parts that are valid by themselves, so that one invalid part does not hide the
errors of the others.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import TypeAdapter, ValidationError

from gateway.policy.aliases import ModelNames
from gateway.policy.entities import ModelEntities
from gateway.policy.keys import KeyPolicy
from gateway.policy.kinds import AnyModel
from gateway.policy.loading.detection import check_detection
from gateway.policy.loading.document import Document
from gateway.policy.loading.messages import did_you_mean, quoted
from gateway.policy.loading.names import check_aliases, check_keys, check_spaces
from gateway.policy.loading.policy_test_checks import check_policy_tests
from gateway.policy.loading.rules import ConditionRefused, Conditions
from gateway.policy.mirror import CAP, MirrorPolicy
from gateway.policy.model import (
    RETRY_AFTER,
    Budget,
    CannedReply,
    ModelSpec,
    PrivacyPolicy,
    Resilience,
    Rule,
)
from gateway.policy.policy_tests import PolicyTest
from gateway.policy.source import Path, Problem

Part = TypeVar("Part")
Finding = tuple[Path, str]
"""The path of an error, and its message."""

_MODEL: TypeAdapter[ModelSpec] = TypeAdapter(AnyModel)
_BUDGET, _RULE, _REPLY = TypeAdapter(Budget), TypeAdapter(Rule), TypeAdapter(CannedReply)
_TEST, _MIRROR, _KEY = TypeAdapter(PolicyTest), TypeAdapter(MirrorPolicy), TypeAdapter(KeyPolicy)
_PRIVACY, _RESILIENCE = TypeAdapter(PrivacyPolicy), TypeAdapter(Resilience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a policy that are valid by themselves, by name or index."""

    names: frozenset[str]
    """The names of all models, valid or not."""
    models: Mapping[str, ModelSpec]
    aliases: Mapping[str, str]
    keys: Mapping[str, KeyPolicy]
    budgets: Mapping[int, Budget]
    rules: Mapping[int, Rule]
    replies: Mapping[int, CannedReply]
    privacy: PrivacyPolicy | None
    resilience: Resilience | None
    tests: Mapping[int, PolicyTest]
    mirror: MirrorPolicy | None
    last_rule: int
    last_reply: int


def check(document: Document) -> list[Problem]:
    """Return all errors across the parts of a policy."""
    parts = _parts_of(document.value if isinstance(document.value, dict) else {})
    checks: tuple[Callable[[Parts], Iterator[Finding]], ...] = (
        _check_models, _check_called, _check_urls, _check_privacy, _check_budgets, _check_names,
        _check_rules, _check_routes, _check_resilience, _check_replies, _check_tests, _check_mirror,
    )  # fmt: skip
    problems = [document.problem(path, message) for each in checks for path, message in each(parts)]
    return [*problems, *_check_conditions(parts, document)]


def _parts_of(root: Mapping[str, object]) -> Parts:
    models, budgets, rules, replies = (root.get(key) for key in ("models", "budgets", "rules", "replies"))
    named = models if isinstance(models, dict) else {}
    return Parts(
        names=frozenset(named),
        models={name: part for name, raw in named.items() if (part := _part(_MODEL, raw))},
        aliases={name: to for name, to in _pairs(root.get("aliases")) if isinstance(to, str)},
        keys={name: key for name, raw in _pairs(root.get("keys")) if (key := _part(_KEY, raw))},
        budgets=_items(_BUDGET, budgets),
        rules=_items(_RULE, rules),
        replies=_items(_REPLY, replies),
        privacy=_part(_PRIVACY, root.get("privacy")),
        resilience=_part(_RESILIENCE, root.get("resilience")),
        tests=_items(_TEST, root.get("tests")),
        mirror=_part(_MIRROR, root.get("mirror")),
        last_rule=len(rules) - 1 if isinstance(rules, list) else -1,
        last_reply=len(replies) - 1 if isinstance(replies, list) else -1,
    )


def _pairs(raw: object) -> Iterable[tuple[str, object]]:
    return raw.items() if isinstance(raw, dict) else ()


def _items(adapter: TypeAdapter[Part], raw: object) -> dict[int, Part]:
    listed = raw if isinstance(raw, list) else []
    return {index: part for index, each in enumerate(listed) if (part := _part(adapter, each))}


def _part(adapter: TypeAdapter[Part], raw: object) -> Part | None:
    try:
        return adapter.validate_python(raw)
    except ValidationError:
        return None  # `load` validates the whole file and reports it.


def _check_models(parts: Parts) -> Iterator[Finding]:
    for name, spec in parts.models.items():
        for key, message in spec.problems():
            yield ("models", name, key), message


def _check_called(parts: Parts) -> Iterator[Finding]:
    yield from check_aliases(parts.names, parts.aliases)
    yield from check_spaces(parts.models, parts.aliases)
    yield from check_keys(parts.names, parts.aliases, parts.keys)


def _check_urls(parts: Parts) -> Iterator[Finding]:
    for name, spec in parts.models.items():
        for key in spec.urls:
            url = getattr(spec, key)
            if url is not None and (message := _refuse_url(url)):
                yield ("models", name, key), message


def _refuse_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if not host:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "must hold no user or password; secrets come from the environment (api_key_env)"
    if parts.query or parts.fragment:
        return "must hold no query and no fragment"
    return None


def _check_privacy(parts: Parts) -> Iterator[Finding]:
    if parts.privacy is None:
        return
    classes = parts.privacy.classes
    if not classes.internal < classes.confidential < classes.restricted:
        yield ("privacy", "classes"), "must ascend: internal < confidential < restricted"
    yield from check_detection(parts.privacy)
    for index, source in enumerate(parts.privacy.entities):
        if not isinstance(source, ModelEntities):
            continue
        path = ("privacy", "entities", index, "model")
        if source.model not in parts.names:
            yield path, f"no model is called{quoted(source.model)}{did_you_mean(source.model, parts.names)}"
        elif (spec := parts.models.get(source.model)) is not None and spec.leaves_host:
            yield path, "must be of kind llama_cpp, so that the text stays on this host"


def _check_budgets(parts: Parts) -> Iterator[Finding]:
    for index, budget in parts.budgets.items():
        if budget.per == "label" and budget.label is None:
            yield ("budgets", index, "label"), "is missing; per: label needs the name of a label"
        if budget.per != "label" and budget.label is not None:
            yield ("budgets", index, "label"), f"needs per: label, but this budget is per: {budget.per}"
        if budget.per != "key" and budget.key is not None:
            yield ("budgets", index, "key"), f"needs per: key, but this budget is per: {budget.per}"
        if budget.soft_limit_usd is not None and budget.soft_limit_usd > budget.limit_usd:
            yield ("budgets", index, "soft_limit_usd"), f"must be at most limit_usd ({budget.limit_usd})"
        if not _is_time_zone(budget.time_zone):
            near = did_you_mean(budget.time_zone, sorted(available_timezones()))
            yield ("budgets", index, "time_zone"), f"unknown time zone{quoted(budget.time_zone)}{near}"


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # Not a name, an unknown zone, or a folder of zones.
        return False
    return True


def _check_names(parts: Parts) -> Iterator[Finding]:
    yield from _duplicates("budgets", "name", {index: each.name for index, each in parts.budgets.items()})
    yield from _duplicates("rules", "name", {index: each.name for index, each in parts.rules.items()})
    yield from _duplicates("replies", "id", {index: each.id for index, each in parts.replies.items()})


def _duplicates(section: str, key: str, names: Mapping[int, str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, name in names.items():
        if first.setdefault(name, index) != index:
            yield (section, index, key), f"'{name}' is already used by {section}[{first[name]}]"


def _check_rules(parts: Parts) -> Iterator[Finding]:
    for index, rule in parts.rules.items():
        if index == parts.last_rule and rule.when is not None:
            yield ("rules", index, "when"), "the last rule must have none, so that every request has a route"
        if index != parts.last_rule and rule.when is None:
            yield ("rules", index, "when"), "is missing; only the last rule has none"
        if rule.context is not None and rule.context.limit is None and rule.context.above_tokens is not None:
            path = ("rules", index, "context", "above_tokens")
            yield path, "needs trim: tool_results or trim: oldest; with trim: none nothing is left out"


def _check_routes(parts: Parts) -> Iterator[Finding]:
    for index, rule in parts.rules.items():
        seen = Counter[str]()
        for position, model in enumerate(rule.route):
            path = ("rules", index, "route", position)
            seen[model] += 1
            if model not in parts.names:
                yield path, f"unknown model{quoted(model)}{did_you_mean(model, sorted(parts.names))}"
            elif seen[model] == 2:
                yield (
                    path,
                    f"'{model}' appears twice in this route; resilience.attempts sets how often one is tried",
                )


def _check_resilience(parts: Parts) -> Iterator[Finding]:
    if parts.resilience is None:
        return
    backoff, deadline = parts.resilience.backoff_s, parts.resilience.deadline_s
    if backoff.first > backoff.max:
        yield ("resilience", "backoff_s", "first"), f"must be at most max ({backoff.max})"
    if deadline.default > deadline.max:
        yield ("resilience", "deadline_s", "default"), f"must be at most max ({deadline.max})"


def _check_replies(parts: Parts) -> Iterator[Finding]:
    for index, reply in parts.replies.items():
        criteria = {
            "when_reason": reply.when_reason,
            "when_label": reply.when_label,
            "language": reply.language,
        }
        if index == parts.last_reply:
            for key in (key for key, value in criteria.items() if value):
                yield ("replies", index, key), "the last reply must have none: it is the catch-all"
            if RETRY_AFTER in reply.text:
                detail = f"the last reply must not use {RETRY_AFTER}, which is not always known"
                yield ("replies", index, "text"), detail
        elif not any(criteria.values()) and RETRY_AFTER not in reply.text:
            yield ("replies", index, "when_reason"), "is missing; only the last reply is the catch-all"


def _check_tests(parts: Parts) -> Iterator[Finding]:
    spaces = frozenset(spec.space for spec in parts.models.values())
    names = ModelNames(parts.names, parts.aliases, spaces)
    yield from check_policy_tests(parts.tests, names, frozenset(rule.name for rule in parts.rules.values()))


def _check_mirror(parts: Parts) -> Iterator[Finding]:
    if parts.mirror is None:
        return
    judge = parts.mirror.judge
    if judge is not None and judge not in parts.names:
        near = did_you_mean(judge, sorted(parts.names))
        yield ("mirror", "judge"), f"no model is called{quoted(judge)}{near}"
    for index, budget in parts.budgets.items():
        if budget.name == CAP:
            yield ("budgets", index, "name"), f"'{CAP}' is already used by mirror.max_usd_per_day"


def _check_conditions(parts: Parts, document: Document) -> Iterator[Problem]:
    conditions = Conditions(
        own_findings=[each.name for each in parts.privacy.patterns] if parts.privacy else ()
    )
    for index, rule in parts.rules.items():
        if rule.when is None:
            continue
        path = ("rules", index, "when")
        try:
            conditions.compile(rule.when)
        except ConditionRefused as refused:
            for mistake in refused.mistakes:
                message = f"column {mistake.column}: {mistake.message}"
                yield document.problem_in_text(path, line=mistake.line, message=message)
