"""Masking: what may go with placeholders, what stays home, and that every value comes back."""

import dataclasses
import itertools
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Deadline
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer, Chunk, Delta, FinishReason, StreamEvent
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendFailed, StreamTruncated
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.money import prompt_tokens_bound
from gateway.privacy import PrivacyScorer
from gateway.privacy.masking.masker import Masker
from gateway.privacy.masking.placeholders import MaskSpan, mask, new_tag
from gateway.privacy.masking.restore import Restorer, restore
from gateway.server.grpc.render import render_decision
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import Bench
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.masking_requests import (
    LIST,
    MAIL,
    PHONE,
    POLICY,
    STAYS,
    TAG,
    check_a_closed_verdict_stays_closed,
    check_values_never_cross_requests,
    decided,
)
from tests.support.requests import request_of
from tests.support.virtual_time import LoopClock, virtual_time


def masked_values(text: str, config: GenerationConfig | None = None) -> Sequence[str]:
    """Return the placeholders with which a text goes to the first model."""
    return list(decided(request_of(text, config=config)).permits["cloud"].values)


class TestWhatGoes:
    """A request whose class exceeds the clearance only because of findings of the listed types."""

    def test_values_are_replaced_and_the_same_value_is_the_same_placeholder(self) -> None:
        """Each model is sent its own masked text, with a permit of the class of what is left."""
        decision = decided(request_of(f"Write to {MAIL}, then call {PHONE}.", f"Is {MAIL} right?"))
        assert decision.privacy_class is PrivacyClass.CONFIDENTIAL
        assert decision.chain == ("cloud", "edge")
        permit = decision.permits["cloud"]
        assert [message.content for message in permit.request.messages] == [
            f"Write to <EMAIL_1_{TAG}>, then call <PHONE_1_{TAG}>.",
            f"Is <EMAIL_1_{TAG}> right?",
        ]
        assert permit.values == {f"email_1_{TAG.lower()}": MAIL, f"phone_1_{TAG.lower()}": PHONE}
        assert permit.privacy_class is PrivacyClass.PUBLIC
        assert decision.masked == {"EMAIL": 2, "PHONE": 1}
        assert [(refusal.model, refusal.reason) for refusal in decision.refused] == [
            ("public", Reason.CLEARANCE),
            ("plain", Reason.CLEARANCE),
        ]

    def test_the_decision_says_so_to_the_caller(self) -> None:
        """Type and count, never the value."""
        rendered = render_decision(decided(request_of(f"Write to {MAIL}.")))
        assert [(item.type, item.count) for item in rendered.masked] == [("EMAIL", 1)]
        assert MAIL not in str(rendered)
        assert MAIL not in repr(decided(request_of(f"Write to {MAIL}.")))

    def test_what_a_model_may_see_anyway_is_not_masked(self) -> None:
        """A public request goes as it is."""
        decision = decided(request_of("What is a hash table?"))
        assert (decision.masked, decision.permits["cloud"].values) == ({}, {})

    def test_words_that_look_like_placeholders_stay_what_they_are(self) -> None:
        """Whoever writes them: each request has a tag of its own, which stands in none of its texts."""
        schema = '{"properties": {"email_1": {"enum": ["PHONE_1"]}}}'
        request = request_of(
            f"What is <EMAIL_1>, or email_1_{TAG}? Ask {MAIL}.",
            config=GenerationConfig(json_schema=schema, stop=("EMAIL_7",)),
        )
        permit = decided(request).permits["cloud"]
        assert permit.request.config == request.config
        (word,) = permit.values
        assert TAG.lower() not in word
        answer = f'{{"email_1": "PHONE_1", "to": "<{word.upper()}>"}} EMAIL_1_{TAG}'
        assert restore(answer, permit.values) == answer.replace(f"<{word.upper()}>", MAIL)

    @pytest.mark.parametrize("kind", ["stop", "json_schema"])
    def test_no_tag_stands_in_a_stop_string_or_a_schema(self, kind: str) -> None:
        """They are texts that the model is sent, too."""
        config = GenerationConfig(**{"stop": (f"x{TAG}",)} if kind == "stop" else {"json_schema": f'"{TAG}"'})
        assert all(TAG.lower() not in word for word in masked_values(f"Ask {MAIL}.", config))

    def test_each_request_has_a_tag_of_its_own(self) -> None:
        """So that nobody can write a placeholder of another request."""
        masker = Masker(POLICY, clock=FakeClock(), rng=Random(1))
        privacy = PrivacyScorer(POLICY.privacy, clock=FakeClock()).score(request_of(MAIL))
        words = [word for _ in range(50) for word in masker.masked(request_of(MAIL), privacy)["cloud"].values]
        assert len(set(words)) == 50

    def test_no_tag_no_mask(self) -> None:
        """Where every tag that was tried stands in the text."""
        rng = Random(0)
        tags = " ".join(tag for _ in range(40) if (tag := new_tag((), rng)))
        assert decided(request_of(f"Ask {MAIL}. {tags}")).chain == ("edge",)

    def test_a_name_goes_masked(self) -> None:
        """PERSON too, where all of it is masked."""
        decision = decided(request_of("please greet [PERSON:Jane Roe] warmly."), marked=True)
        assert (
            decision.permits["cloud"].request.messages[0].content == f"please greet <PERSON_1_{TAG}> warmly."
        )


@pytest.mark.parametrize("request_", STAYS.values(), ids=STAYS)
def test_what_is_unsure_stays_home(request_: Request) -> None:
    """Only the edge is left, and nothing is masked."""
    decision = decided(request_, marked=True)
    assert (decision.chain, decision.masked, dict(decision.permits)) == (("edge",), {}, {})


def test_a_list_of_people_is_one_class_more_though_masked() -> None:
    """Twenty values: internal, so a model cleared for internal may have it, one for public may not."""
    decision = decided(request_of(f"Sort {LIST}"))
    assert decision.chain == ("cloud", "edge")
    assert decision.permits["cloud"].privacy_class is PrivacyClass.INTERNAL
    assert decided(request_of(f"Sort {MAIL}")).chain == ("cloud", "public", "edge")


TEXTS = st.lists(
    st.text(st.sampled_from("<>_ 1EMAILemail\u00e9\U0001f600x"), max_size=40) | st.text(max_size=20),
    min_size=1,
    max_size=3,
)


@st.composite
def texts_and_spans(draw: st.DrawFn) -> tuple[list[str], list[MaskSpan]]:
    """Draw texts and any places in them, overlapping ones too."""
    texts = draw(TEXTS)
    spans = []
    for _ in range(draw(st.integers(0, 6))):
        index = draw(st.integers(0, len(texts) - 1))
        if texts[index]:
            start = draw(st.integers(0, len(texts[index]) - 1))
            end = draw(st.integers(start + 1, len(texts[index])))
            spans.append(
                MaskSpan(
                    index=index, start=start, end=end, type=draw(st.sampled_from(["EMAIL", "IP", "ZIP"]))
                )
            )
    return texts, spans


class TestProperties:
    """For any text, any findings and any way that an answer comes in pieces."""

    @settings(max_examples=examples(400), deadline=None)
    @given(texts_and_spans())
    def test_masking_then_restoring_is_the_identity(self, drawn: tuple[list[str], list[MaskSpan]]) -> None:
        """Whatever the text holds, and whatever was found in it."""
        texts, spans = drawn
        tag = new_tag(texts, Random(0))
        assert tag is not None
        masked, values, _ = mask(texts, spans, tag=tag)
        assert [restore(text, values, in_urls=True) for text in masked] == texts

    @settings(max_examples=examples(400), deadline=None)
    @given(texts_and_spans(), st.lists(st.integers(0, 60), max_size=8))
    def test_no_split_into_deltas_changes_the_answer(
        self, drawn: tuple[list[str], list[MaskSpan]], cuts: list[int]
    ) -> None:
        """A placeholder that is cut anywhere is restored as if it had come whole."""
        tag = new_tag(drawn[0], Random(0))
        assert tag is not None
        masked, values, _ = mask(*drawn, tag=tag)
        whole = " ".join(masked).swapcase() + " ".join(values)
        at = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
        restorer = Restorer(values)
        pieces = [restorer.feed(whole[a:b]) for a, b in itertools.pairwise(at)]
        assert "".join(pieces) + restorer.flush() == restore(whole, values)


@pytest.mark.parametrize(
    ("answer", "restored"),
    [
        ("Dear <EMAIL_1_BCDFG>,", "Dear a@b.example,"),
        ("Dear <email_1_bcdfg>,", "Dear a@b.example,"),
        ("Dear Email_1_Bcdfg,", "Dear a@b.example,"),
        ("**EMAIL_1_BCDFG**'s", "**a@b.example**'s"),
        ("<EMAIL_1_BCDFG", "<a@b.example"),
        ("EMAIL_1_BCDFG>", "a@b.example>"),
        ("<<EMAIL_1_BCDFG>>", "<a@b.example>"),
        (r"\<EMAIL\_1\_BCDFG\>", r"\<a@b.example\>"),
        *(
            (other, other)
            for other in ("EMAIL_12_BCDFG", "EMAIL_1_BCDFGa", "xEMAIL_1_BCDFG", "EMAIL_", "<EMAIL_2_BCDFG>")
        ),
    ],
)
def test_what_counts_as_a_placeholder_in_an_answer(answer: str, restored: str) -> None:
    """Any case, with or without brackets, but a whole word and a number that was given."""
    values = {"email_1_bcdfg": "a@b.example"}
    assert restore(answer, values) == restored
    restorer = Restorer(values)
    assert "".join(map(restorer.feed, answer)) + restorer.flush() == restored


class TestDispatch:
    """The model gets placeholders, the caller gets values, the edge gets the original."""

    REQUEST = request_of(f"Write to {MAIL}.", config=GenerationConfig(max_tokens=10))

    async def _ask(
        self, steps: dict[str, Sequence[Step]], *, is_streamed: bool
    ) -> tuple[list[StreamEvent], Bench]:
        bench = Bench(steps, clock=LoopClock())
        decision = decided(self.REQUEST)
        dispatcher = Dispatcher(
            backends=bench.backends, ledger=MemoryLedger(clock=bench.clock), clock=bench.clock
        )
        decision = dataclasses.replace(decision, chain=("cloud", "edge"))
        deadline = Deadline.after(60.0, bench.clock)
        if not is_streamed:
            return [
                await dispatcher.generate(self.REQUEST, decision, policy=POLICY, deadline=deadline)
            ], bench
        stream = dispatcher.stream(self.REQUEST, decision, policy=POLICY, deadline=deadline)
        return [event async for event in stream], bench

    @virtual_time
    async def test_a_whole_answer_is_restored(self) -> None:
        """And the model saw the placeholder only."""
        events, bench = await self._ask(
            {"cloud": [reply(f"Dear <email_1_{TAG.lower()}>!")], "edge": [reply("x")]}, is_streamed=False
        )
        assert isinstance(events[-1], Answer)
        assert events[-1].text == f"Dear {MAIL}!"
        (call,) = bench.backends["cloud"].calls
        assert call.request.messages[0].content == f"Write to <EMAIL_1_{TAG}>."
        assert prompt_tokens_bound(call.request) == len(f"Write to <EMAIL_1_{TAG}>.") + 16 + 64

    @virtual_time
    async def test_a_streamed_answer_is_restored_across_deltas(self) -> None:
        """Cut in the middle of the placeholder, and with one at the very end."""
        pieces = ["Dear <EM", f"AIL_1_{TAG[:2]}", f"{TAG[2:]}>, or ", f"EMAIL_1_{TAG}"]
        chunks = [*(Chunk(text=piece) for piece in pieces), Chunk(finish_reason=FinishReason.STOP)]
        events, _ = await self._ask({"cloud": [chunks], "edge": [reply("x")]}, is_streamed=True)
        said = "".join(event.text for event in events if isinstance(event, Delta))
        assert isinstance(events[-1], Answer)
        assert said == events[-1].text == f"Dear {MAIL}, or {MAIL}"

    @pytest.mark.parametrize(
        "failure",
        [
            BackendFailed("cloud", "500"),
            Delay(1e6),
            (Chunk(text="Dear <EMA"), StreamTruncated("cloud", "cut")),
        ],
        ids=["fails", "silent", "cut in a placeholder"],
    )
    @virtual_time
    async def test_the_edge_gets_the_original(self, failure: Step) -> None:
        """Fallback from a masked attempt goes on with the caller's own text, and restores nothing."""
        events, bench = await self._ask(
            {"cloud": [failure], "edge": [reply(f"See EMAIL_1_{TAG}")]}, is_streamed=True
        )
        assert isinstance(events[-1], Answer)
        assert events[-1].text == f"See EMAIL_1_{TAG}"
        assert bench.backends["edge"].calls[0].request is self.REQUEST


def test_values_never_cross_requests() -> None:
    """Another request's answer that names the same placeholder is left as it is, masked or not."""
    check_values_never_cross_requests()


@pytest.mark.parametrize("number", range(2))
def test_a_verdict_that_is_closed_stays_closed(number: int) -> None:
    """A detector that fails in the first or the second look closes the verdict: nothing goes masked."""
    check_a_closed_verdict_stays_closed(number)
