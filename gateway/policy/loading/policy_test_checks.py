"""What must hold of the tests that stand in a policy."""

from collections.abc import Iterator, Mapping

from gateway.policy.loading.messages import did_you_mean, quoted
from gateway.policy.policy_tests import PolicyTest
from gateway.policy.source import Path


def check_tests(
    tests: Mapping[int, PolicyTest], *, models: frozenset[str], rules: frozenset[str]
) -> Iterator[tuple[Path, str]]:
    """Yield where a test expects what cannot be, or nothing."""
    for index, test in tests.items():
        here: Path = ("tests", index, "expect")
        expect = test.expect
        if not expect.model_dump(exclude_defaults=True):
            yield here, "expects nothing; name class, rule, first or never"
        if expect.rule is not None and expect.rule not in rules:
            yield (*here, "rule"), f"unknown rule{quoted(expect.rule)}{did_you_mean(expect.rule, rules)}"
        if expect.first is not None and expect.first not in models:
            yield (*here, "first"), f"unknown model{quoted(expect.first)}{did_you_mean(expect.first, models)}"
        for place, name in enumerate(expect.never):
            if name not in models:
                yield (*here, "never", place), f"unknown model{quoted(name)}{did_you_mean(name, models)}"
