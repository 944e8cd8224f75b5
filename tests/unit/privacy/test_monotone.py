"""More text never makes a request less private."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.types import Message, Request, Role
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())

# Pieces of private data and the words around them, cut and joined at random: most of what can go wrong
# is a match or a context word that reaches from one paragraph into the next.
PIECES = st.sampled_from(
    [
        "jo@example.org", "@example.org", "jo", "4111 1111 1111 1111", "4111 1111", "1111 1111", "card",
        "ssn", "219-09-9999", "219099999", "phone", "phone:", "call me", "555 0100", "(212) 555-0187",
        "+44 20 7946 0958", "020 7946 0958", "GB82 WEST 1234", "5698 7654 32", "password =", "password is",
        "hunter2!x9", "api_key:", "q8Zr3LmP0vTy", "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0", "born on", "date of birth:", "3 May 1990",
        "1990-05-03", "passport number", "AB1234567", "tax id", "44051401359", "pesel", "routing number",
        "021000021", "account number", "12345678", "10.1.2.3", "fe80::1", "version",
        "https://u:pw9x@h.example/", "https://h.example/", "1HGCM82633A004352", "vin", "plate number",
        "John", "Smith", "maria", "Mr.", "my name is", "Kowalska", "12 Main Street", "Springfield, IL 62704",
        "address:", "lives at", "Apt. 5", "7 Anything Street", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "9.4.3",
        "AB51 ABC", "plate", "DE136695976", "vat", "nip", "526 000 12 46",
        "<token>", "</token>", "Bearer", "curl -u", "x:y7z8w9", "the", "and", "of", ".", ",", ":", "-", "1",
        "42",
    ]
)  # fmt: skip
GLUE = st.sampled_from([" ", " ", " ", "", "\n", ", ", "\t", "\u200b", "\u00a0", "\r\n"])


@st.composite
def paragraphs(draw: st.DrawFn) -> str:
    """Draw a text of pieces, with or without line ends."""
    pieces = draw(st.lists(st.tuples(PIECES, GLUE), max_size=14))
    return "".join(piece + glue for piece, glue in pieces)


TEXTS = st.one_of(paragraphs(), st.text(max_size=40))
BLANK_LINE = st.sampled_from(["\n\n", "\n \n", "\n\t\n", "\r\n\r\n", "\n\n\n"])


def request(contents: list[str]) -> Request:
    """Return a request with these messages of the user."""
    messages = tuple(Message(role=Role.USER, content=content) for content in contents)
    return Request(request_id="r", tenant="t", messages=messages)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, BLANK_LINE, TEXTS)
def test_a_further_paragraph_never_lowers_score_or_class(first: str, blank: str, second: str) -> None:
    """A paragraph after a blank line adds what it holds and takes nothing from what stands before it."""
    before, after = SCORER.score_text(first), SCORER.score_text(first + blank + second)
    assert after.score >= before.score
    assert after.privacy_class >= before.privacy_class


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS, st.integers(0, 3))
def test_a_further_message_never_lowers_score_or_class(contents: list[str], added: str, at: int) -> None:
    """A message anywhere in the conversation adds what it holds and takes nothing from the others."""
    before = SCORER.score(request(contents))
    after = SCORER.score(request([*contents[:at], added, *contents[at:]]))
    assert after.score >= before.score
    assert after.privacy_class >= before.privacy_class


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_findings_lie_in_the_text_in_order(text: str) -> None:
    """Every finding is a place in the original string; those of one type do not overlap."""
    findings = SCORER.score_text(text).findings
    assert list(findings) == sorted(findings, key=lambda found: (found.message_index, found.start))
    last_end: dict[str, int] = {}
    for found in findings:
        assert last_end.get(found.type, 0) <= found.start < found.end <= len(text)
        last_end[found.type] = found.end
