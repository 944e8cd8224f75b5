"""Lists in which ways a new policy is looser than the old one; pure.

Looser are: a higher clearance, cap or rate, a class that begins at a higher score, a lower weight or floor, a
value that is no longer a finding, a new mask or host, a key of more models, and a rule that may send more to
the cloud. What cannot be compared is reported as changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal

from gateway.policy.caching import CachePolicy
from gateway.policy.diff.loosening_rules import loosened_rules
from gateway.policy.handoff import Handoff
from gateway.policy.http import HttpPolicy
from gateway.policy.limits import Limits, Rates
from gateway.policy.mirror import MirrorPolicy
from gateway.policy.model import (
    Budget,
    ModelSpec,
    Policy,
    PrivacyPolicy,
    Resilience,
    privacy_class,
)
from gateway.policy.record_keeping import RecordKeeping
from gateway.policy.sessions import SessionPolicy
from gateway.policy.source import Path
from gateway.privacy.classify import scale_of
from gateway.privacy.detectors.defaults import UNREADABLE

Change = tuple[Path, str]
"""The path in the new policy (or of the removed key) where it is looser, and how."""

_NEVER_LOOSER = frozenset({"aliases", "effective_yaml", "hash", "replies", "source", "tests"})
_COMPARED_PRIVACY_KEYS = frozenset(
    {
        "classes",
        "weights",
        "floors",
        "allow",
        "examples",
        "deny",
        "patterns",
        "unreadable",
        "report_at",
        "limit_ms",
    }
)


def loosened(before: Policy, after: Policy) -> list[Change]:
    """Return every way in which `after` may allow what `before` did not, in the order of the file."""
    known: dict[str, Iterator[Change]] = {
        "models": _models(before.models, after.models),
        "keys": _keys(before, after),
        "privacy": _privacy(before.privacy, after.privacy),
        "budgets": _budgets(before.budgets, after.budgets),
        "rules": loosened_rules(before, after),
        "resilience": _resilience(before.resilience, after.resilience),
        "records": _records(before.records, after.records),
        "limits": _limits(before.limits, after.limits),
        "handoff": _handoff(before.handoff, after.handoff),
        "mirror": _mirror(before.mirror, after.mirror),
        "http": _http(before.http, after.http),
        "sessions": _sessions(before.sessions, after.sessions),
        "cache": _cache(before.cache, after.cache),
        "scorer": _scorer(before, after),
    }
    changes: list[Change] = []
    for field in fields(Policy):
        if field.name in known:
            changes += known[field.name]
        elif field.name not in _NEVER_LOOSER and getattr(before, field.name) != getattr(after, field.name):
            changes.append(((field.name,), "changed; whether it is looser is not known"))
    return changes


def _sessions(old: SessionPolicy, new: SessionPolicy) -> Iterator[Change]:
    if new.idle_s < old.idle_s:
        detail = f"lowered from {old.idle_s:g} to {new.idle_s:g}"
        yield ("sessions", "idle_s"), f"{detail}: the class of a conversation is forgotten sooner"
    if new.on_error == "stateless" and old.on_error != "stateless":
        yield ("sessions", "on_error"), "is stateless now: a class that cannot be looked up is not held"
    for key in sorted(set(SessionPolicy.model_fields) - {"idle_s", "on_error", "sticky", "switch_margin"}):
        if getattr(old, key) != getattr(new, key):
            yield ("sessions", key), "changed; whether it is looser is not known"


def _scorer(before: Policy, after: Policy) -> Iterator[Change]:
    if before.scorer != after.scorer:
        yield ("complexity", "scorer"), "changed; whether it is looser is not known"


def _models(before: Mapping[str, ModelSpec], after: Mapping[str, ModelSpec]) -> Iterator[Change]:
    for name, new in after.items():
        old = before.get(name)
        if old is None:
            continue  # A new model gets requests only by a rule, whose change is reported.
        here = ("models", name)
        if privacy_class(new.clearance) > privacy_class(old.clearance):
            yield (*here, "clearance"), f"raised from {old.clearance} to {new.clearance}"
        if new.kind != old.kind:
            yield (*here, "kind"), f"changed from {old.kind} to {new.kind}"
        elif new.leaves_host:
            for key, message in _remote(old, new):
                yield (*here, key), message


def _remote(old: ModelSpec, new: ModelSpec) -> Iterator[tuple[str, str]]:
    yield from new.looser_than(old)
    for key in sorted(set(type(new).model_fields) - new.neutral_keys - new.compared_keys):
        if getattr(old, key) != getattr(new, key):
            yield key, "changed; whether it is looser is not known"


def _keys(before: Policy, after: Policy) -> Iterator[Change]:
    for name in before.keys:
        was, now = before.models_of_key(name) or frozenset(), after.models_of_key(name)
        if now is None:
            yield ("keys", name), "is removed: such keys may use every model"
        elif more := sorted(now - was):
            yield ("keys", name, "models"), f"added {', '.join(more)}"


def _privacy(old: PrivacyPolicy, new: PrivacyPolicy) -> Iterator[Change]:
    for key, value in old.classes:
        if getattr(new.classes, key) > value:
            yield ("privacy", "classes", key), f"raised from {value:g} to {getattr(new.classes, key):g}"
    was, now = scale_of(old), scale_of(new)
    for kind, weight in was.weights.items():
        if now.weights.get(kind, weight) < weight:
            yield ("privacy", "weights", kind), f"lowered from {weight:g} to {now.weights[kind]:g}"
    for kind, floor in was.floors.items():
        lower = now.floors.get(kind)
        if kind in now.weights and (lower is None or lower < floor):
            detail = "none" if lower is None else lower.name.lower()
            path = ("unreadable",) if kind == UNREADABLE else ("floors", kind)
            yield ("privacy", *path), f"lowered from {floor.name.lower()} to {detail}"
    yield from _detectors(old, new)
    if new.report_at > old.report_at:
        detail = f"raised from {old.report_at:g} to {new.report_at:g}"
        yield ("privacy", "report_at"), f"{detail}: rules see fewer findings"
    for key in sorted(set(PrivacyPolicy.model_fields) - _COMPARED_PRIVACY_KEYS):
        if getattr(old, key) != getattr(new, key):
            yield ("privacy", key), "changed; whether it is looser is not known"


def _detectors(old: PrivacyPolicy, new: PrivacyPolicy) -> Iterator[Change]:
    # No value is repeated, because it may be private.
    if more := len(set(new.allow) - set(old.allow)):
        yield ("privacy", "allow"), f"{more} more values are no findings"
    if new.examples == "ignore" != old.examples:
        yield ("privacy", "examples"), "published examples are no findings"
    if fewer := len({each.casefold() for each in old.deny} - {each.casefold() for each in new.deny}):
        yield ("privacy", "deny"), f"{fewer} fewer values are secrets"
    by_pattern = {(each.name, each.regex): each for each in new.patterns}
    for each in old.patterns:
        same = by_pattern.get((each.name, each.regex))
        if same is None:
            yield ("privacy", "patterns"), f"a pattern of {each.name} is removed or changed"
        elif same.confidence < each.confidence or set(same.context) != set(each.context):
            yield ("privacy", "patterns"), f"a pattern of {each.name} has less confidence or another context"


def _budgets(old: Sequence[Budget], new: Sequence[Budget]) -> Iterator[Change]:
    now = {budget.name: (index, budget) for index, budget in enumerate(new)}
    for was in old:
        if was.name not in now:
            yield ("budgets",), f"{was.name} is removed"
            continue
        index, budget = now[was.name]
        here = ("budgets", index)
        if budget.limit_usd > was.limit_usd:
            yield (*here, "limit_usd"), f"raised from {_usd(was.limit_usd)} to {_usd(budget.limit_usd)}"
        soft, soft_now = was.soft_limit_usd, budget.soft_limit_usd or budget.limit_usd
        if soft is not None and soft_now > soft:
            yield (*here, "soft_limit_usd"), f"raised from {_usd(soft)} to {_usd(soft_now)}"
        for key in ("per", "key", "label", "window", "time_zone"):
            if getattr(was, key) != getattr(budget, key):
                yield (*here, key), "changed: it begins anew with nothing spent"


def _usd(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _resilience(old: Resilience, new: Resilience) -> Iterator[Change]:
    if (old.content_filter, new.content_filter) == ("stop", "next"):
        detail = "a request that one provider's filter refuses goes to the next model"
        yield ("resilience", "content_filter"), f"changed from stop to next: {detail}"


def _records(old: RecordKeeping, new: RecordKeeping) -> Iterator[Change]:
    if privacy_class(new.features_up_to) > privacy_class(old.features_up_to):
        detail = f"raised from {old.features_up_to} to {new.features_up_to}"
        yield ("records", "features_up_to"), detail
    if more := sorted(set(new.labels) - set(old.labels)):
        yield ("records", "labels"), f"added {', '.join(more)}"
    if (old.on_error, new.on_error) == ("refuse", "continue"):
        yield ("records", "on_error"), "changed from refuse to continue: requests are answered unrecorded"


def _limits(old: Limits, new: Limits) -> Iterator[Change]:
    for key in sorted(set(Limits.model_fields) - {"tenants"}):
        was, now = getattr(old, key), getattr(new, key)
        if key == "tenant_concurrency" and was != now:
            was, now = old.tenant_share(has_tenants=True), new.tenant_share(has_tenants=True)
        if detail := _raised(was, now):
            yield ("limits", key), detail
    for tenant in sorted({each.tenant for each in (*old.tenants, *new.tenants)}):
        for key in Rates.model_fields:
            was, now = getattr(old.rates_of(tenant), key), getattr(new.rates_of(tenant), key)
            if detail := _raised(was, now):
                yield ("limits", "tenants"), f"{key} of {tenant} {detail}"


def _raised(was: int | None, now: int | None) -> str | None:
    if was is None or (now is not None and now <= was):
        return None
    return f"raised from {was} to {'none' if now is None else now}"


def _handoff(old: Handoff | None, new: Handoff | None) -> Iterator[Change]:
    if new is None:
        return
    if old is None:
        yield ("handoff",), "is new: requests are stored for people"
        return
    if privacy_class(new.store_up_to) > privacy_class(old.store_up_to):
        yield ("handoff", "store_up_to"), f"raised from {old.store_up_to} to {new.store_up_to}"
    if old.when_reason and (not new.when_reason or set(new.when_reason) - set(old.when_reason)):
        yield ("handoff", "when_reason"), "more requests are stored for people"
    if new.keep_days > old.keep_days:
        yield ("handoff", "keep_days"), f"raised from {old.keep_days} to {new.keep_days}"


def _cache(old: CachePolicy | None, new: CachePolicy | None) -> Iterator[Change]:
    if new is None:
        return
    if old is None:
        yield ("cache",), "is new: answers are kept"
        return
    if privacy_class(new.max_class) > privacy_class(old.max_class):
        yield ("cache", "max_class"), f"raised from {old.max_class} to {new.max_class}"
    if new.ttl_s > old.ttl_s:
        yield ("cache", "ttl_s"), f"raised from {old.ttl_s:g} to {new.ttl_s:g}"
    if new.store == "redis" and old.store != "redis":
        yield ("cache", "store"), "is redis now: answers leave the process"


def _http(old: HttpPolicy, new: HttpPolicy) -> Iterator[Change]:
    if more := sorted(set(new.cors_origins) - set(old.cors_origins)):
        yield ("http", "cors_origins"), f"added {', '.join(more)}"


def _mirror(old: MirrorPolicy | None, new: MirrorPolicy | None) -> Iterator[Change]:
    if new is None:
        return
    if old is None:
        yield ("mirror",), "is new: requests are also answered by the other side"
        return
    if new.share > old.share:
        yield ("mirror", "share"), f"raised from {old.share:g} to {new.share:g}"
    if new.max_usd_per_day > old.max_usd_per_day:
        detail = f"raised from {_usd(old.max_usd_per_day)} to {_usd(new.max_usd_per_day)}"
        yield ("mirror", "max_usd_per_day"), detail
    if more := sorted(set(new.classes) - set(old.classes)):
        yield ("mirror", "classes"), f"added {', '.join(more)}"
    if new.judge != old.judge:
        yield ("mirror", "judge"), "changed: another model sees requests with both answers"
