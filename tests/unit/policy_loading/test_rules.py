"""Conditions of rules: type-checked when compiled, and true only when they are the bool true."""

from collections.abc import Mapping

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.domain.signals import ConversationSignals
from gateway.policy.loading.rules import VARIABLES, ConditionRefused, Conditions
from gateway.policy.model import Facts


def facts(
    *,
    complexity: float = 0.5,
    privacy_class: PrivacyClass = PrivacyClass.PUBLIC,
    findings: tuple[str, ...] = (),
    tenant: str = "acme",
    labels: Mapping[str, str] | None = None,
) -> Facts:
    """Return facts with some of them set."""
    return Facts(
        complexity=complexity,
        privacy=0.25,
        budget=0.75,
        budget_plan=-0.25,
        privacy_class=privacy_class,
        findings=findings,
        tenant=tenant,
        labels=labels or {},
        prompt_tokens=100,
        deadline_s=60.0,
        signals=ConversationSignals(tools_offered=2, has_images=True, turn=4, reasoning_effort="low"),
        session_class=PrivacyClass.CONFIDENTIAL,
        session_model="edge",
    )


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("complexity >= 0.5", True),
        ("complexity > 0.5", False),
        ("tools_offered == 2 && has_images", True),
        ("turn == 4 && reasoning_effort == 'low' && !tests_passed", True),
        ("session.class == CONFIDENTIAL && session.model == 'edge'", True),
        ("privacy == 0.25 && budget == 0.75", True),
        ("privacy_class == INTERNAL", True),
        ("privacy_class >= PUBLIC && privacy_class < CONFIDENTIAL && CONFIDENTIAL < RESTRICTED", True),
        ("'EMAIL' in findings", True),
        ("'IBAN' in findings", False),
        ("size(findings) == 2", True),
        ("findings.exists(f, f == 'PHONE')", True),
        ("tenant.startsWith('ac')", True),
        ("has(labels.team) && labels.team == 'red'", True),
        ("has(labels.plan) && labels.plan == 'free'", False),
        ("'team' in labels", True),
        ("prompt_tokens == 100 && deadline_s == 60.0", True),
        ("double(prompt_tokens) / deadline_s > 1.5", True),
    ],
)
def test_a_condition_reads_every_variable(when: str, expected: bool) -> None:
    """Each variable has the value of its fact."""
    given = facts(
        privacy_class=PrivacyClass.INTERNAL, findings=("EMAIL", "PHONE"), labels={"team": "red", "n": "7"}
    )
    assert Conditions().compile(when).holds(given) is expected


def test_facts_and_variables_have_the_same_names() -> None:
    """What a condition may read is what the facts hold, no more and no less."""
    signals = ConversationSignals.__dataclass_fields__
    held = {*Facts.__dataclass_fields__, *signals} - {"signals"}
    assert {name.replace(".", "_") for name in VARIABLES} == held


@pytest.mark.parametrize(
    ("when", "line", "column", "message"),
    [
        ("complexity >= 1", 1, 12, "'>=' does not take double and int (write 1.0)"),
        ("complexity > 0", 1, 12, "'>' does not take double and int (write 0.0)"),
        ("1 <= complexity", 1, 3, "'<=' does not take int and double (write 1.0)"),
        ("budget == -2", 1, 8, "'==' does not take double and int (write -2.0)"),
        ("prompt_tokens > 1000.0", 1, 15, "'>' does not take int and double (write 1000)"),
        ("prompt_tokens > 0.5", 1, 15, "'>' does not take int and double (write double(prompt_tokens))"),
        ("budget > prompt_tokens", 1, 8, "'>' does not take double and int (write double(prompt_tokens))"),
        ("complexity > size(findings)", 1, 12, "'>' does not take double and int (write double(...))"),
        ("budget > 0.5 &&\n  complexity < 1", 2, 14, "'<' does not take double and int (write 1.0)"),
        ("'é' == tennant", 1, 8, "unknown variable 'tennant' (did you mean 'tenant'?)"),
        ("privacy_class >= RESTRICED", 1, 18, "unknown variable 'RESTRICED' (did you mean 'RESTRICTED'?)"),
        ("privacy_class > internal", 1, 17, "unknown variable 'internal' (did you mean 'INTERNAL'?)"),
        ("zzz", 1, 1, "unknown variable 'zzz'"),
        ("tenant.startWith('a')", 1, 17, "unknown function 'startWith' (did you mean 'startsWith'?)"),
        ("'EMIAL' in findings", 1, 1, "unknown finding 'EMIAL' (did you mean 'EMAIL'?)"),
        ("privacy_class >= 'RESTRICTED'", 1, 15, "'>=' does not take int and string"),
        ("1 in findings", 1, 3, "'in' does not take int and list(string)"),
        ("complexity", 1, 1, "must be of type bool, but is double"),
        ("labels.team", 1, 1, "must be of type bool, but is string"),
        ("dyn(true)", 1, 1, "must be of type bool, but is dyn"),
        ("complexity >= ", 1, 15, "Syntax error: mismatched input '<EOF>'"),
        ("tenant = 'a'", 1, 8, "Syntax error: token recognition error at: '= '"),
        ("(" * 64 + "true" + ")" * 64, 1, 1, "Expression recursion limit exceeded. limit: 32"),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_refused_with_its_place(when: str, line: int, column: int, message: str) -> None:
    """A mistake has line and column of the text, what is wrong, and the nearest right word."""
    with pytest.raises(ConditionRefused) as refused:
        Conditions().compile(when)
    first = refused.value.mistakes[0]
    assert (first.line, first.column, first.message) == (line, column, message)


def test_all_mistakes_of_a_condition_are_reported() -> None:
    """Two wrong comparisons are two mistakes."""
    with pytest.raises(ConditionRefused) as refused:
        Conditions().compile("complexity == 1 || privacy == 0")
    assert [mistake.column for mistake in refused.value.mistakes] == [12, 28]


@pytest.mark.parametrize(
    ("when", "kind"),
    [
        # The library gives a value of type ERROR for these, which is truthy in Python.
        ("labels.marker == 'x'", "a key is missing in a map (test has(labels.key) first)"),
        ("labels[tenant] == 'x'", "a key is missing in a map (test has(labels.key) first)"),
        ("int(tenant) == 1", "an argument that its function or operator does not take"),
        ("tenant.matches(labels.pattern)", "an argument that its function or operator does not take"),
        ("1 / (prompt_tokens - 100) == 1", "an argument that its function or operator does not take"),
        ("prompt_tokens + 9223372036854775807 > 0", "a number out of range"),
    ],
)
def test_a_condition_without_a_value_raises_and_says_no_value(when: str, kind: str) -> None:
    """An error in a condition is a ValueError that names its kind, and nothing that the caller sent."""
    condition = Conditions().compile(when)
    with pytest.raises(ValueError, match=r".") as raised:
        condition.holds(facts(tenant="marker-tenant", labels={"pattern": "[marker"}))
    assert str(raised.value) == kind
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_text_that_cel_cannot_take_raises_a_value_error() -> None:
    """A label that is no valid text is an error of the condition, not a crash."""
    with pytest.raises(ValueError, match="a value that CEL cannot take"):
        Conditions().compile("labels.a == 'b'").holds(facts(labels={"a": "\ud800"}))


def test_an_error_that_does_not_matter_is_no_error() -> None:
    """CEL's && and || absorb an error that cannot change the result."""
    compile_ = Conditions().compile
    assert compile_("labels.team == 'red' || complexity > 0.1").holds(facts()) is True
    assert compile_("labels.team == 'red' && complexity > 0.9").holds(facts()) is False


def test_conditions_share_facts_and_never_mix_them_up() -> None:
    """Conditions of one policy, asked in any order, answer for the request at hand."""
    conditions = Conditions()
    red, complex_ = conditions.compile("tenant == 'red'"), conditions.compile("complexity > 0.9")
    one, other = facts(tenant="red"), facts(tenant="blue", complexity=1.0)
    asked = [(each, red.holds(each), complex_.holds(each)) for each in (one, other, one, one, other)]
    assert [(a, b) for _, a, b in asked] == [
        (True, False), (False, True), (True, False), (True, False), (False, True),
    ]  # fmt: skip


@pytest.mark.parametrize("when", ["budget . plan < 0.0", "session\n.model == 'edge'", "turn == 4"])
def test_a_variable_is_read_however_its_name_is_written(when: str) -> None:
    """Only variables that conditions may read are converted, also one that is compiled after others ran."""
    conditions, given = Conditions(), facts()
    assert conditions.compile("complexity == 0.5").holds(given)
    assert conditions.compile(when).holds(given)
