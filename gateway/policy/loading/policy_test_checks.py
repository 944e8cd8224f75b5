"""Checks of a policy's own tests: what they name exists, and what they give can be a request."""

from collections.abc import Iterator, Mapping, Set

from gateway.policy.aliases import ModelNames
from gateway.policy.loading.messages import did_you_mean, quoted
from gateway.policy.policy_tests import PolicyTest
from gateway.policy.source import Path

Finding = tuple[Path, str]
"""The path of an error, and its message."""


def check_policy_tests(
    tests: Mapping[int, PolicyTest], names: ModelNames, rules: Set[str]
) -> Iterator[Finding]:
    """Yield the errors of the section `tests`."""
    for index, test in tests.items():
        here: Path = ("tests", index)
        yield from _check_given(here, test, names)
        yield from _check_expected((*here, "expect"), test, names.models, rules)


def _check_given(here: Path, test: PolicyTest, names: ModelNames) -> Iterator[Finding]:
    if names.model(test.model) is None:
        yield (*here, "model"), f"no model or alias fits{quoted(test.model)}"
    if not test.prompt and not (test.turns and test.turns[-1].role == "tool" and not test.images):
        yield here, "has no prompt; only turns that end with a tool's result need none"
    for position, turn in enumerate(test.turns):
        if turn.role != "tool" and turn.model_fields_set & {"tool", "arguments", "is_error"}:
            yield (
                (*here, "turns", position),
                f"tool, arguments and is_error are of role tool, not {turn.role}",
            )
    model = test.state.session_model
    if model is not None and model not in names.models:
        detail = f"unknown model{quoted(model)}{did_you_mean(model, names.models)}"
        yield (*here, "state", "session_model"), detail


def _check_expected(here: Path, test: PolicyTest, models: Set[str], rules: Set[str]) -> Iterator[Finding]:
    expect = test.expect
    if not expect.model_dump(exclude_defaults=True):
        yield here, "expects nothing; name class, rule, first, route, signals or never"
    if expect.rule is not None and expect.rule not in rules:
        yield (*here, "rule"), f"unknown rule{quoted(expect.rule)}{did_you_mean(expect.rule, rules)}"
    listed = {"never": expect.never, "route": expect.route or ()}
    named: list[tuple[Path, str]] = [] if expect.first is None else [(("first",), expect.first)]
    named += [((key, at), name) for key, group in listed.items() for at, name in enumerate(group)]
    for where, name in named:
        if name not in models:
            yield (*here, *where), f"unknown model{quoted(name)}{did_you_mean(name, models)}"
