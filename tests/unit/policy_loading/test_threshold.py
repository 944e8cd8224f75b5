"""The number that parts easy from hard: found by CEL's own tree, and set without another change."""

import pytest

from gateway.domain.decision import Facts
from gateway.domain.privacy import PrivacyClass
from gateway.policy.loading.document import read_document
from gateway.policy.loading.load import parse_policy
from gateway.policy.loading.syntax import comparisons
from gateway.policy.loading.threshold import NoThreshold, pinned, rewritten, threshold_of
from tests.support.default_policy import with_cloud

HEAD = """\
version: 1
models: {edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
replies: [{id: sorry, text: x}]
"""


def policy_with(*conditions: str) -> str:
    """Return a policy of rules r0, r1 ... with these conditions, each a literal block."""
    rules = "".join(
        f"  - name: r{at}\n    when: |-\n      {when}\n    route: [edge]\n"
        for at, when in enumerate(conditions)
    )
    return f"{HEAD}rules:\n{rules}  - {{name: default, route: [edge]}}\n"


@pytest.mark.parametrize(
    ("when", "operator", "number"),
    [
        ("complexity >= 0.6", ">=", "0.6"),
        ("complexity>0.6", ">", "0.6"),
        ("complexity <= 0.6", "<=", "0.6"),
        ("complexity < .6", "<", ".6"),
        ("0.6 <= complexity", ">=", "0.6"),
        ("0.6 < complexity", ">", "0.6"),
        ("6e-1 > complexity", "<", "6e-1"),
        ("- 0.5 < complexity", ">", "- 0.5"),
        ("budget >= 0.6 && complexity < 0.8", "<", "0.8"),
        ("((0.25)) < complexity || prompt_tokens > 6000", ">", "0.25"),
        ("!(complexity >= 0.6) ? false : budget < 0.6", ">=", "0.6"),
        ("has(labels.a) && 'é😀 complexity >= 0.1' in labels && complexity >= 0.6", ">=", "0.6"),
        ("findings.exists(f, f == 'EMAIL' && complexity >= 0.5)", ">=", "0.5"),
        ("complexity >= 0.75 // and not complexity >= 0.6", ">=", "0.75"),
        ("[complexity > 0.25][0]", ">", "0.25"),
        ("{'a': complexity > 0.25}.a", ">", "0.25"),
    ],
)
def test_a_comparison_is_found(when: str, operator: str, number: str) -> None:
    """In either order, in any place, and neither in a string nor in a comment."""
    (found,), elsewhere = comparisons(when, "complexity")

    assert (found.operator, when[found.start : found.end], elsewhere) == (operator, number, 0)
    assert found.value == float(number.replace(" ", ""))


@pytest.mark.parametrize(
    "when",
    [
        "complexity >= 0.4 + 20.0 * budget.plan",
        "complexity - 0.5 > 0.1",
        "-(0.5) < complexity",
        "budget < complexity",
        "complexity == 0.5",
        "double(string(complexity)) > 0.5",
    ],
)
def test_what_is_no_comparison_with_a_number(when: str) -> None:
    """It reads the score, and there is no number to set."""
    assert comparisons(when, "complexity") == ((), 1)


def test_the_only_rule_is_found_and_another_one_by_name() -> None:
    """With several one has to be named; the message lists them."""
    one = parse_policy(policy_with("budget > 0.5", "complexity >= 0.6"), name="p.yaml")
    two = parse_policy(policy_with("complexity < 0.5", "complexity >= 0.6"), name="p.yaml")

    assert threshold_of(one).rule == "r1"
    assert threshold_of(two, "r0").comparison.value == 0.5
    with pytest.raises(NoThreshold, match=r"^p\.yaml: 2 rules compare .*; set --rule to one of r0, r1$"):
        threshold_of(two)


@pytest.mark.parametrize(
    ("conditions", "rule", "said"),
    [
        (
            ["budget > 0.5"],
            None,
            r"p\.yaml: no rule compares complexity with a number; write complexity >= 0\.6",
        ),
        (["complexity >= budget"], None, r"p\.yaml: no rule .*; r0 reads it, but not beside a plain number"),
        (
            ["complexity >= budget"],
            "r0",
            r"p\.yaml:6: rules\[0\]\.when: compares .* nowhere; it must do so once",
        ),
        (["complexity > 0.2 && complexity < 0.4"], None, r"p\.yaml:6: rules\[0\]\.when: .* 2 times; it must"),
        (
            ["budget > 0.5"],
            "defalt",
            r"--rule defalt: the policy has no such rule \(did you mean 'default'\?\)",
        ),
        (
            ["budget > 0.5"],
            "default",
            r"p\.yaml:9: rules\[1\].*: compares complexity with a plain number nowhere",
        ),
    ],
)
def test_no_threshold_is_said_where_and_why(conditions: list[str], rule: str | None, said: str) -> None:
    """One line, with the rule or its place in the file."""
    policy = parse_policy(policy_with(*conditions), name="p.yaml")
    with pytest.raises(NoThreshold, match=said):
        threshold_of(policy, rule)


RULES = [
    "  - {name: a, when: 'complexity >= 0.6', route: [edge]}  # 0.6 was 0.6",
    "  - {name: a, when: \"complexity >= 0.6 && tenant != 'é😀'\", route: [edge]}",
    "  - {name: a, when: 'labels[''0.6''] == ''0.6'' || 0.6 <= complexity', route: [edge]}",
    "  - name: a\n    when: complexity >= 0.6 # plain, 0.6\n    route: [edge]",
    "  - name: a\n    when: |\n      budget < 0.6\n      && complexity >= 0.6\n    route: [edge]",
    "  - name: a\n    when: >-\n      budget < 0.6 &&\n\n      complexity >= 0.6\n    route: [edge]",
    '  - name: a\n    when: "budget < 0.6 && \\\n      complexity >= 0.6"\n    route: [edge]',
    "  - name: a\n    when:\n      'budget < 0.6\n      && complexity >= 0.6'\n    route: [edge]",
]


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "dos"])
@pytest.mark.parametrize("begins", ["", "\ufeff", "# ü😀 0.6\n"], ids=["plain", "bom", "comment"])
@pytest.mark.parametrize("rule", RULES)
def test_one_number_changes_and_nothing_else(rule: str, begins: str, ends: str) -> None:
    """Whatever way the condition is written in, with numbers like it around it."""
    text = f"{begins}{HEAD}rules:\n{rule}\n  - {{name: default, route: [edge]}}\n# 0.6\n".replace("\n", ends)
    before = parse_policy(text, name="p")
    threshold = threshold_of(before)
    new = rewritten(text, threshold, "0.3125")

    at = next(i for i, (was, now) in enumerate(zip(text, new, strict=False)) if was != now)
    start = text.rindex("0.6", 0, at + 3)
    assert new == f"{text[:start]}0.3125{text[start + 3 :]}"
    after = parse_policy(new, name="p")
    assert threshold_of(after).comparison.value == 0.3125
    assert after.rules[0].text == (before.rules[0].text or "").replace(
        "complexity >= 0.6", "complexity >= 0.3125"
    ).replace("0.6 <= complexity", "0.3125 <= complexity")


def test_the_default_policy_is_set_in_one_place() -> None:
    """The packaged policy with a cloud has several candidates and comments, and one place of it is set."""
    text = with_cloud()
    threshold = threshold_of(parse_policy(text, name="p"), "hard")

    new = rewritten(text, threshold, "0.42")

    assert new == text.replace("when: 'complexity >= 0.6'", "when: 'complexity >= 0.42'")
    assert new != text


def test_a_number_that_is_written_with_escapes_is_refused() -> None:
    """The line says so; it is for a person to set."""
    text = f'{HEAD}rules:\n  - {{name: a, when: "complexity >= 0\\x2e6", route: [edge]}}\n'
    text += "  - {name: default, route: [edge]}\n"
    threshold = threshold_of(parse_policy(text, name="p"))
    with pytest.raises(NoThreshold, match=r"the policy:5: rules\[0\]\.when: .* set 0\.3 yourself"):
        rewritten(text, threshold, "0.3")


@pytest.mark.parametrize(
    "when", ["complexity >= 0.6", "complexity > 0.6", "complexity <= 0.6", "0.6 > complexity"]
)
@pytest.mark.parametrize("score", [0.0, 0.6, 1.0])
def test_pinned_is_out_of_reach(when: str, score: float) -> None:
    """With the number below all scores the request is above it, and with the other one below."""
    policy = parse_policy(policy_with(when), name="p")
    threshold = threshold_of(policy)
    facts = Facts(
        complexity=score, privacy=0.0, budget=0.0, budget_plan=0.0, privacy_class=PrivacyClass.PUBLIC,
        findings=(), tenant="t", labels={}, prompt_tokens=1, deadline_s=1.0,
    )  # fmt: skip

    def holds(number: str | None) -> bool:
        rule = (policy if number is None else pinned(policy, threshold, number)).rules[0]
        assert rule.when is not None
        return rule.when.holds(facts)

    above = threshold.comparison.operator in (">", ">=")
    assert (holds("-1.0"), holds("2.0")) == (above, not above)
    assert holds(None) is (above if threshold.is_above(score) else not above)


def test_spans_are_where_the_scalars_are_written() -> None:
    """Quotes included, in characters of the text."""
    text = "\ufeffa: 'é'\nb: [x, \"y z\"]\n"
    spans = read_document(text).spans

    assert [text[start:end] for start, end in spans.values()] == ["'é'", "x", '"y z"']
