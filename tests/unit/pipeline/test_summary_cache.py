"""What was found before is used again: with the same result, for one tenant and policy, in bounded memory."""

import pickle
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.conversation import Message, Role, Text, ToolCall, ToolResult
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.pipeline.assessor import Assessment, Assessor
from gateway.policy.loading.load import parse_policy
from gateway.privacy.detector import Match
from gateway.privacy.summary_cache import SummaryCache
from tests.support.detector_texts import TEXTS
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.masking_requests import POLICY as MASKING
from tests.support.policies import POLICY

PLAIN = parse_policy(POLICY, name="p")
ASSESSOR = Assessor(PLAIN, clock=FakeClock())
FRESH = Assessor(PLAIN, clock=FakeClock())
SSN = "219099999"


def conversation(*texts: str, tenant: str = "acme") -> Request:
    """Return a conversation of a user and a model, the user first."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(role=roles[at % 2], content=text) for at, text in enumerate(texts))
    return Request(request_id="r", tenant=tenant, messages=messages)


def ask(
    cache: SummaryCache, request: Request, assessor: Assessor = ASSESSOR, *, of: str = "one"
) -> Assessment:
    """Assess a request as the pipeline does."""
    seen = cache.look_up(request, of)
    measured = assessor.measure(request, known=seen.known)
    cache.keep(seen, measured.summaries)
    return measured


class Counting:
    """A detector that notes what it reads."""

    types = ("EMAIL",)

    def __init__(self) -> None:
        self.read: list[str] = []

    def find(self, text: str) -> Iterable[Match]:
        """Find nothing."""
        self.read.append(text)
        return ()


def counting() -> tuple[Counting, Assessor]:
    """Return such a detector, and an assessor that has it."""
    detector = Counting()
    return detector, Assessor(PLAIN, clock=FakeClock(), detectors=[detector])


MESSAGES = TEXTS | st.sampled_from([
    "What is your SSN?", SSN, f"it's {SSN}", "And the phone number?", "2125550187", "password?",
    "q8Zr3LmP0vTy!x", "10.1.2.3", "10.1.2.4", "jo@example.org",
])  # fmt: skip
EDITS = st.lists(
    st.tuples(st.sampled_from(["add", "insert", "remove"]), MESSAGES, st.integers(0, 9)), max_size=8
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS)
def test_a_cached_result_is_the_result(edits: Sequence[tuple[str, str, int]]) -> None:
    """Whatever is said, and wherever messages are put in or taken out between two turns."""
    cache, texts = SummaryCache(), ["hello"]
    for how, text, at in edits:
        if how == "remove":
            del texts[1:][at : at + 1]
        else:
            texts.insert(len(texts) if how == "add" else at, text)
        request = conversation(*texts)
        assert ask(cache, request).privacy == FRESH.measure(request).privacy


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, max_size=5), MESSAGES, st.integers(0, 5))
def test_an_inserted_message_never_lowers_the_class(texts: list[str], added: str, at: int) -> None:
    """With the cache as without it."""
    cache = SummaryCache()
    before = ask(cache, conversation("hi", *texts)).privacy
    after = ask(cache, conversation("hi", *texts[:at], added, *texts[at:])).privacy
    assert (after.score, after.privacy_class) >= (before.score, before.privacy_class)


def test_a_word_of_any_earlier_message_supports_a_bare_value() -> None:
    """At any distance, also where it comes before what was scanned already."""
    cache = SummaryCache()
    turns = ["hello", *["go on"] * 40, SSN]
    assert ask(cache, conversation(*turns)).privacy.privacy_class is PrivacyClass.PUBLIC
    asked = ask(cache, conversation("What is your SSN?", *turns)).privacy
    assert asked.privacy_class is PrivacyClass.RESTRICTED
    assert ask(cache, conversation(*turns)).privacy.privacy_class is PrivacyClass.PUBLIC


def test_the_name_of_a_tool_asks_for_what_it_returns() -> None:
    """A call is a message like others."""
    call = ToolCall(id="c", name="get_ssn", arguments_json="{}")
    result = ToolResult(tool_call_id="c", parts=(Text(SSN),))
    messages = (
        *conversation("hello").messages,
        Message(role=Role.ASSISTANT, parts=(call,)),
        Message(role=Role.TOOL, parts=(result,)),
    )
    request = replace(conversation("hello"), messages=messages)
    for _ in range(2):
        privacy = ask(SummaryCache(), request).privacy
        assert [(found.type, found.path) for found in privacy.findings] == [
            ("US_SSN", "parts[0].tool_result.parts[0].text")
        ]


def test_distinct_values_are_counted_across_messages() -> None:
    """Twenty addresses of hosts are a list, however many messages hold them; one in all of them is not."""
    cache = SummaryCache()
    reasons = [
        ask(cache, conversation(*(f"host 10.1.2.{at}" for at in range(count)))).privacy.reason
        for count in range(2, 25)
    ]
    assert reasons[17:19] == ["score", "many IP"]
    assert ask(cache, conversation(*["host 10.1.2.1"] * 40)).privacy.reason == "score"


def test_a_turn_scans_its_new_text() -> None:
    """And nothing of what was said before."""
    detector, assessor = counting()
    cache, texts = SummaryCache(), ["hello", "hi"]
    for at in range(5):
        texts += [f"turn {at}", f"answer {at}"]
        detector.read.clear()
        ask(cache, conversation(*texts), assessor)
        if at:
            assert detector.read == [f"turn {at}", f"answer {at}"]


def test_what_was_found_is_of_one_tenant_policy_and_role() -> None:
    """Each of them is scanned by itself."""
    detector, assessor = counting()
    cache, request = SummaryCache(), conversation("a", "b")
    ask(cache, request, assessor)
    swapped = replace(request, messages=tuple(reversed(conversation("b", "a").messages)))
    for other, policy in ((replace(request, tenant="eve"), "one"), (request, "two"), (swapped, "one")):
        detector.read.clear()
        ask(cache, other, assessor, of=policy)
        assert sorted(detector.read) == ["a", "b"]
    detector.read.clear()
    ask(cache, request, assessor)
    assert detector.read == []


def test_a_scan_that_failed_is_not_kept() -> None:
    """The next turn scans it again."""

    class Once(Counting):
        def find(self, text: str) -> Iterable[Match]:
            super().find(text)
            if len(self.read) == 1:
                raise ValueError(text)
            return ()

    assessor = Assessor(PLAIN, clock=FakeClock(), detectors=[Once()])
    cache, request = SummaryCache(), conversation("a", "b")
    classes = [ask(cache, request, assessor).privacy.privacy_class for _ in range(2)]
    assert classes == [PrivacyClass.RESTRICTED, PrivacyClass.PUBLIC]


def test_an_entry_holds_no_text() -> None:
    """Neither a value nor a word of the conversation."""
    cache = SummaryCache()
    measured = ask(cache, conversation("my SSN and mail?", f"{SSN}\njane.roe@example.org"))
    assert len(measured.privacy.findings) == 2
    written = pickle.dumps((measured.summaries, cache))
    assert not [word for word in (SSN, "jane.roe", "example", "mail?") if word.encode() in written]


class TestMemory:
    """It is bounded for all, and for each tenant."""

    def test_a_tenant_has_a_part(self) -> None:
        """And takes nothing from the others beyond it; its own oldest entries go first."""
        cache = SummaryCache(max_bytes=160_000)
        small = conversation("a", "b", tenant="small")
        ask(cache, small)
        for at in range(200):
            ask(cache, conversation("hello", f"turn {at}", tenant="large"))
            assert cache.size_bytes <= 160_000
        assert None not in cache.look_up(small, "one").known
        known = cache.look_up(
            conversation("turn 0", "turn 0", "turn 199", "turn 199", tenant="large"), "one"
        ).known
        assert known[1] is None
        assert known[3] is not None

    def test_tenants_share_it(self) -> None:
        """The least recently used entry of all goes first."""
        cache = SummaryCache(max_bytes=160_000)
        for at in range(300):
            ask(cache, conversation("a", "b", tenant=f"t{at}"))
        assert cache.size_bytes <= 160_000
        assert cache.look_up(conversation("a", "b", tenant="t0"), "one").known == [None, None]
        assert None not in cache.look_up(conversation("a", "b", tenant="t299"), "one").known

    def test_the_estimate_is_no_less_than_what_it_holds(self) -> None:
        """Of plain texts, of texts full of findings, and of many words that ask."""
        words = "ssn, passport, phone number, password, pesel, iban, date of birth, card number, vin"
        for text in ("hello {}", "10.0.0.{} " * 40, f"{words} {{}}\n536228726"):
            cache = SummaryCache(has_tenants=False)
            tracemalloc.start()
            for at in range(150):
                ask(cache, conversation("a", text.format(*[at] * 40)))
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert used < cache.size_bytes + 100_000

    def test_one_entry_does_not_fill_it(self) -> None:
        """A string full of findings is scanned again each time."""
        cache = SummaryCache(max_bytes=200_000)
        ask(cache, conversation("a", " ".join(f"10.0.0.{at}" for at in range(200))))
        assert len(cache) == 1


def test_masks_are_those_of_a_scan_of_everything() -> None:
    """What is left over is judged with what is known of the strings that no mask changes."""
    mails = (
        "write to jane.roe@example.org",
        "ok",
        "and to jo@example.org",
        "host 10.1.2.3",
        "What is your SSN?",
    )
    cached, fresh = Assessor(MASKING, clock=FakeClock()), Assessor(MASKING, clock=FakeClock())
    cache = SummaryCache()
    for end in range(2, len(mails) + 1):
        request = conversation(*mails[:end])
        masks = ask(cache, request, cached).masks, fresh.measure(request).masks
        assert [(name, mask.privacy_class, mask.counts) for name, mask in masks[0].items()] == [
            (name, mask.privacy_class, mask.counts) for name, mask in masks[1].items()
        ]
        assert masks[0]
    masked = ask(cache, conversation(*mails, SSN), cached).masks
    assert {mask.privacy_class for mask in masked.values()} == {PrivacyClass.RESTRICTED}
