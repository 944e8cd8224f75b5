"""A question in one message and the bare answer in a later one, at any distance."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.model import ExtraPattern, PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, PrivacyScorer
from gateway.privacy.question_context import MAX_LINES, Questions
from gateway.privacy.question_words import QUESTION_PATTERNS
from tests.support.draws import examples
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
PASSWORD = "q8Zr3LmP0vTy" + "!x"


def request(*contents: str, config: GenerationConfig | None = None) -> Request:
    """Return a request whose messages take turns."""
    roles = (Role.ASSISTANT, Role.USER)
    messages = tuple(Message(role=roles[at % 2], content=text) for at, text in enumerate(contents))
    return Request(request_id="r", tenant="t", messages=messages, config=config or GenerationConfig())


def found(*contents: str) -> list[tuple[str, str]]:
    """Return what is reported of a conversation, each with its type."""
    findings = SCORER.score(request(*contents)).findings
    return [(f.type, contents[f.message_index][f.start : f.end]) for f in findings]


ASKED_AND_ANSWERED: list[tuple[str, str, str]] = [
    ("US_SSN", "What is your SSN?", "219099999"),
    ("US_SSN", "your social security number, please", "219 09 9999"),
    ("PHONE", "What is the best phone number?", "2125550187"),
    ("BANK_ACCOUNT", "Which account number shall we use?", "48213975"),
    ("BANK_ACCOUNT", "And the routing number?", "021000021"),
    ("BANK_ACCOUNT", "And the sort code?", "12-34-56"),
    ("DOB", "When were you born?", "3 May 1990"),
    ("DOB", "Your date of birth?", "1990-05-03"),
    ("DOB", "Kiedy się Pani urodziła?", "03.05.1990"),
    ("DOB", "DOB?", "13 may 90"),
    ("US_SSN", "Which SSNs?", "219099999"),
    ("CREDIT_CARD", "Which card number?", "6759649826438453"),
    ("NATIONAL_ID", "Please send your PESEL.", "44051401359"),
    ("NATIONAL_ID", "Passport number?", "AB1234567"),
    ("NATIONAL_ID", "Ihre Steuer-ID?", "36574261809"),
    ("NATIONAL_ID", "{'ask': 'drivers_license'}", "D1234567"),
    ("VEHICLE", "What is the VIN?", "WVWZZZ1JZXW000001"),
    ("SECRET", "What is the wifi password?", PASSWORD),
    ("SECRET", "какой пароль?", PASSWORD),
]
FORMS = (
    "{}",
    "{}.",
    " {} \n",
    "> {}",
    "it's {}",
    "Sure, here it is: {}",
    "first line\n{}\nlast line",
    '"{}"',
    "**{}**",
    "#{}",
    "no. {}",
    '{{"answer": "{}"}}',
    "\U0001f449 {} \U0001f448",
    "ok so its {}",
    "{} - that's mine",
    "to {}",
    "meine ist {}, danke",
    "es el {}",
    "voici : {}",
    "proszę: {}",
)
FORMS_OF_PASSWORDS = (
    "{}",
    " {} \n",
    "first line\n{}\nlast line",
    "it is {}",
    "hier: {}",
    '{{"answer": "{}"}}',
)
BETWEEN = ("One moment.", "The weather is fine today.", "", "What else? 42", "line\n\nline")


@pytest.mark.parametrize(("kind", "question", "answer"), ASKED_AND_ANSWERED)
def test_an_answer_is_found_by_the_question_before_it(kind: str, question: str, answer: str) -> None:
    """Whatever stands in between, and however the answer's line is written."""
    for form in FORMS if kind != "SECRET" else FORMS_OF_PASSWORDS:
        for between in ((), BETWEEN[:2], BETWEEN * 12):
            assert (kind, answer) in found(question, *between, form.format(answer)), (form, len(between))


@pytest.mark.parametrize(("kind", "question", "answer"), ASKED_AND_ANSWERED)
def test_a_later_question_reaches_no_earlier_message(kind: str, question: str, answer: str) -> None:
    """What is asked for afterwards says nothing about what stands before: that is judged as if alone."""
    alone = [(found_kind, text) for found_kind, text in found("hello", answer) if text == answer]
    assert [one for one in found("hello", answer, question) if one[1] == answer] == alone


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (("What is your SSN?", "order 219099999"), "a number that is called something else"),
        (("What is your SSN?", "219099999 bytes"), "a count"),
        (("What is your SSN?", "row 219099999"), "a number of a row"),
        (("What is your SSN?", '{"order_id": 219099999}'), "a field of another name"),
        (("What is your SSN?", "There were 219099999 of them."), "a number in a sentence"),
        (("Gib mir ein Beispiel", "48213975"), "a word that is an acronym elsewhere"),
        (("How many tokens, and which password rules?", "Llama-3.1-8B"), "the name of a model"),
        (("password", "gpt-4o-mini-2024-07-18"), "the name of a model and a date"),
        (("passwords", "src/main/App2.java"), "a file"),
        (("the api key", "9fceb02d0ae598e95dc970b74767f19372d61af8"), "a commit"),
        (("my password", "thanks!"), "a word"),
    ],
)
def test_what_is_no_answer_stays_as_it_was(contents: tuple[str, ...], why: str) -> None:
    """Only what stands alone, and looks like what was asked for, is taken for an answer."""
    assert [kind for kind, _ in found(*contents) if kind != "PERSON"] == [], why


def test_stop_strings_are_no_messages() -> None:
    """They neither ask nor answer."""
    config = GenerationConfig(stop=("219099999", "social security number"))
    assert SCORER.score(request("ssn?", "hello", config=config)).privacy_class is PrivacyClass.PUBLIC


def test_words_of_a_policys_own_pattern_reach_later_messages() -> None:
    """A pattern is as sure beside its word as where an earlier message has the word."""
    own = ExtraPattern(name="STAFF", regex=r"\bE-\d{6}\b", context=["employee"], confidence=0.8)
    scorer = PrivacyScorer(PrivacyPolicy(patterns=(own,)), clock=FakeClock())
    sure = [f.confidence for f in scorer.score(request("Which Employee?", "E-123456")).findings]
    unsure = [f.confidence for f in scorer.score(request("Which one?", "E-123456")).findings]
    assert (sure, unsure) == ([0.8], [])


def test_every_name_that_is_put_before_an_answer_is_known_to_its_detector() -> None:
    """Each entry of the table belongs to a type of the built-in detectors."""
    types = {kind for detector in DEFAULT_DETECTORS for kind in detector.types}
    assert set(QUESTION_PATTERNS) <= types
    assert all(name for words in QUESTION_PATTERNS.values() for _, name in words)
    assert Questions(DEFAULT_DETECTORS).named_in([]) == frozenset()


def test_a_column_of_numbers_is_looked_at_up_to_a_limit() -> None:
    """Many lines that may be answers cost a bounded time, and the first ones are found."""
    numbers = [str(219_010_001 + 10_007 * at) for at in range(4 * MAX_LINES)]
    privacy = SCORER.score(request("ssn? phone number? account number?", "\n".join(numbers)))
    assert privacy.privacy_class is PrivacyClass.RESTRICTED
    assert privacy.evidence is not None
    assert privacy.evidence["US_SSN"].confident > MAX_LINES // 2


MESSAGES = st.sampled_from(
    [text for _, question, answer in ASKED_AND_ANSWERED for text in (question, answer)]
    + [
        *BETWEEN,
        "order 219099999",
        "call 2125550187 now",
        "my password is " + PASSWORD,
        "4111 1111 1111 1111",
    ]
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, min_size=1, max_size=5), MESSAGES, st.integers(0, 5))
def test_a_question_or_an_answer_anywhere_never_lowers_score_or_class(
    contents: list[str], added: str, at: int
) -> None:
    """A message that asks, answers or does neither adds to a conversation and takes nothing from it."""
    before = SCORER.score(request(*contents))
    after = SCORER.score(request(*contents[:at], added, *contents[at:]))
    assert after.score >= before.score
    assert after.privacy_class >= before.privacy_class
    assert before.evidence is not None
    assert after.evidence is not None
    for kind, evidence in before.evidence.items():
        assert after.evidence[kind].highest >= evidence.highest
        assert after.evidence[kind].confident >= evidence.confident
