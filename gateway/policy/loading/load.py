"""Loads a policy file: from YAML to one frozen Policy, or to a PolicyError with all errors."""

import hashlib
import io
import json
from collections.abc import Iterable
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import cast

from pydantic import ValidationError
from ruamel.yaml import YAML

from gateway.complexity.scorer_file import ScorerRefused, read_scorer
from gateway.errors import PolicyError
from gateway.policy.complexity import SHIPPED, Complexity, Scorer
from gateway.policy.loading.air_gap import check_air_gap
from gateway.policy.loading.catalogue import find_price
from gateway.policy.loading.checks import check
from gateway.policy.loading.document import MAX_BYTES, TOO_LONG, Document, read_document
from gateway.policy.loading.messages import problems_of
from gateway.policy.loading.rules import Conditions
from gateway.policy.model import CompiledRule, Policy, PolicyFile
from gateway.policy.source import Problem, Source, path_in


def default_policy_path() -> Path:
    """Return the path of the packaged default policy, a copy of `policies/default.yaml`."""
    return Path(str(files("gateway.policy").joinpath("default.yaml")))


def load_policy(path: Path, *, name: str | None = None, air_gap: bool = False) -> Policy:
    """Read and check a policy file and the scorer that it names; raises PolicyError with all problems.

    With `air_gap` an address that is not on this host is a problem. `name` replaces the path in messages.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused([Problem(1, "file", f"cannot be read: {error.strerror}")], name) from None
    if len(content) > MAX_BYTES:
        raise _refused([TOO_LONG], name)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused([Problem(line, "file", "is not UTF-8")], name) from None
    return parse_policy(text, name=name, air_gap=air_gap, folder=path.parent)


def parse_policy(
    text: str, *, name: str, air_gap: bool = False, folder: Path = Path(), scorer: Scorer | None = None
) -> Policy:
    """Check the text of a policy; raises PolicyError with all problems, which call the file `name`.

    Paths in the policy are relative to `folder`. A `scorer` replaces the scorer file that the policy names.
    """
    document = read_document(text)
    if document.value is None and document.problems:
        raise _refused(document.problems, name)
    if not isinstance(document.value, dict):
        raise _refused([document.problem((), "must be a mapping of keys to values")], name)
    file, problems = _validate(document)
    problems = [*document.problems, *problems, *check(document)]
    if air_gap:
        problems += check_air_gap(document)
    if file is not None and scorer is None:
        try:
            scorer = _named_scorer(file.complexity, folder)
        except ScorerRefused as refused:
            detail = f"{file.complexity.scorer}: {refused}"
            problems.append(document.problem(("complexity", "scorer"), detail))
    if file is None or problems:
        raise _refused(problems, name)
    file, problems = _with_prices(file, document)
    if problems:
        raise _refused(problems, name)
    source = Source(name=name, lines=document.lines, text=text)
    return _policy_of(_with_derived_defaults(file), source, scorer, folder)


def _refused(problems: Iterable[Problem], name: str) -> PolicyError:
    return PolicyError([problem.render(name) for problem in sorted(set(problems))])


def _validate(document: Document) -> tuple[PolicyFile | None, list[Problem]]:
    try:
        return PolicyFile.model_validate(document.value), []
    except ValidationError as error:
        return None, list(problems_of(error, document))


def _named_scorer(section: Complexity, folder: Path) -> Scorer | None:
    """Read the scorer that a policy in `folder` names; None for the shipped one; raises ScorerRefused."""
    if section.scorer == SHIPPED:
        return None
    return read_scorer(Path(path_in(folder, section.scorer)).expanduser())


def _policy_of(file: PolicyFile, source: Source, scorer: Scorer | None, folder: Path) -> Policy:
    conditions = Conditions(own_findings=[each.name for each in file.privacy.patterns])
    effective = _plain(file.model_dump(mode="python", exclude_none=True, exclude={"tests"}))
    return Policy(
        models=MappingProxyType({name: spec.in_folder(folder) for name, spec in file.models.items()}),
        privacy=file.privacy,
        budgets=file.budgets,
        rules=tuple(
            CompiledRule(
                name=rule.name,
                when=None if rule.when is None else conditions.compile(rule.when),
                route=rule.route,
                text=rule.when,
                limits=None if rule.set is None else rule.set.limits,
                context=None if rule.context is None else rule.context.limit,
            )
            for rule in file.rules
        ),
        resilience=file.resilience,
        replies=file.replies,
        records=file.records,
        limits=file.limits,
        handoff=file.handoff,
        mirror=file.mirror,
        http=file.http,
        sessions=file.sessions,
        cache=file.cache,
        aliases=MappingProxyType(dict(file.aliases)),
        keys=MappingProxyType(dict(file.keys)),
        tests=file.tests,
        source=source,
        effective_yaml=_yaml_of(effective),
        hash=_hash_of(
            effective
            if scorer is None
            else {**cast(dict[str, object], effective), "scorer_sha256": scorer.sha256}
        ),
        scorer=scorer,
    )


def _with_derived_defaults(file: PolicyFile) -> PolicyFile:
    """Fill in the defaults that a model takes from another section."""
    general = {"first_token_s": file.resilience.first_token_s}
    models = {
        name: spec if spec.first_token_s is not None else spec.model_copy(update=general)
        for name, spec in file.models.items()
    }
    return file.model_copy(update={"models": models})


def _with_prices(file: PolicyFile, document: Document) -> tuple[PolicyFile, list[Problem]]:
    """Fill in the prices that models take from the catalogue."""
    models, problems = {}, []
    for name, spec in file.models.items():
        try:
            models[name] = spec.with_found_price(find_price)
        except LookupError as error:
            detail = f"{error.args[0]}; write price_per_million_usd"
            problems.append(document.problem(("models", name, "price"), detail))
    return file.model_copy(update={"models": models}), problems


def _plain(value: object) -> object:
    """Return a value of lists, dicts, text and numbers only; amounts of money without trailing zeros."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, str) else value


def _hash_of(effective: object) -> str:
    """Return the SHA-256 of canonical JSON, with sorted keys, because their order has no meaning."""
    canonical = json.dumps(effective, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _yaml_of(effective: object) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.representer.sort_base_mapping_type_on_output = False
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(effective, stream)
    return stream.getvalue()
