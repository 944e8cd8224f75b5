"""What a model thinks, in whichever fields a provider writes it, and what an answer of thought alone is."""

import json

import pytest

from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.answers import read_reply
from gateway.backends.openai.thoughts import thought_fields
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.conversation import Reasoning
from gateway.policy.reasoning_forms import ReasoningForm
from tests.support.provider_bytes import BOUNDS, chunk, counts
from tests.support.provider_calls import calling, entry, read_events

END = chunk({}, "stop")


def whole(message: dict[str, object], finish_reason: str = "stop", form: AnswerForm = AnswerForm()) -> Reply:  # noqa: B008
    """Read an answer in one piece."""
    choice = {"message": message, "finish_reason": finish_reason, "logprobs": message.pop("logprobs", None)}
    return read_reply(
        json.dumps({"choices": [choice], "usage": counts(11, 9)}).encode(), BOUNDS, lambda _: None, form
    )


def thoughts(reply: Reply) -> list[tuple[str, str]]:
    """Return text and signature of each thought."""
    return [(each.text, each.opaque.decode()) for each in reply.reasoning]


SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "Sig", "format": "anthropic-claude-v1"}
FIELDS: dict[str, tuple[dict[str, object], list[tuple[str, str]]]] = {
    "reasoning_content": ({"reasoning_content": "hm"}, [("hm", "")]),
    "reasoning": ({"reasoning": "hm"}, [("hm", "")]),
    "both": ({"reasoning": "hm", "reasoning_content": "hm"}, [("hm", "")]),
    "details beside it": ({"reasoning": "hm", "reasoning_details": [SIGNED]}, [("hm", "Sig")]),
    "details alone": ({"reasoning_details": [SIGNED, SIGNED]}, [("hm", "Sig"), ("hm", "Sig")]),
    "a summary": ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, [("hm", "")]),
    "encrypted": ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "Enc"}]}, [("", "Enc")]),
    "Mistral": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        },
        [("hm", "")],
    ),
    "Anthropic": ({"content": [{"type": "thinking", "thinking": "hm", "signature": "Sig"}]}, [("hm", "Sig")]),
    "Gemini": (
        {"content": "<thought>hm</thought>a", "extra_content": {"google": {"thought": True}}},
        [("hm", "")],
    ),
    "Gemini's signature": (
        {"content": "a", "extra_content": {"google": {"thought_signature": "Sig"}}}, [("", "Sig")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), FIELDS.values(), ids=FIELDS.keys())
def test_thoughts_are_read_from_every_field(
    message: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    """Once, whole and streamed, and none of them is text."""
    reply = whole(dict(message))
    assert thoughts(reply) == expected
    assert "hm" not in reply.text
    streamed = read_events([chunk(message), END])
    assert (thoughts(streamed), streamed.text) == (expected, reply.text)


def test_thoughts_in_pieces_are_joined_until_their_signature() -> None:
    """Also where the signature comes alone."""
    detail: dict[str, object] = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    events = [
        chunk({"reasoning": "Check", "reasoning_details": [{**detail, "text": "Check"}]}),
        chunk({"reasoning": " it.", "reasoning_details": [{**detail, "text": " it."}]}),
        chunk({"reasoning": None, "reasoning_details": [{**detail, "signature": "Sig"}]}),
        chunk({"content": "Yes."}),
        END,
    ]
    reply = read_events(events)
    assert (thoughts(reply), reply.text) == ([("Check it.", "Sig")], "Yes.")


def test_what_cannot_be_written_again_is_kept_as_it_came() -> None:
    """A provider gets its own object back; of a bare signature the object is made again."""
    detail = {
        "type": "reasoning.encrypted",
        "data": "Enc",
        "id": "rs_1",
        "format": "google-gemini-v1",
        "index": 0,
    }
    for given in ([detail], [{**SIGNED, "index": 0}], [{"type": "reasoning.text", "text": "hm", "index": 0}]):
        reply = whole({"content": "a", "reasoning_details": given})
        parts = [Reasoning(text=each.text, model="m", opaque=each.opaque) for each in reply.reasoning]
        assert thought_fields(ReasoningForm.DETAILS, parts, "a", has_calls=True) == {
            "reasoning_details": given
        }


def test_deepseek_gets_a_thought_with_every_message_of_a_conversation_with_calls() -> None:
    """Its own, or a blank for another model's, since it refuses a message without; elsewhere none."""
    own = (Reasoning(text="hm", model="cloud"),)
    for thoughts_, given in ((own, "hm"), ((), " ")):
        fields = thought_fields(ReasoningForm.ALWAYS, thoughts_, "a", has_calls=True)
        assert fields == {"reasoning_content": given}
        assert thought_fields(ReasoningForm.ALWAYS, thoughts_, "a", has_calls=False) == {}


def test_a_signature_of_a_call_stays_with_it() -> None:
    """Gemini wants it back there."""
    signed: dict[str, object] = {"extra_content": {"google": {"thought_signature": "Sig"}}}
    event = calling(entry("dig", "{}", index=0) | signed)
    assert read_events([event, END]).tool_calls[0].opaque == b"Sig"
    late = read_events([calling(entry("dig", '{"a":')), calling(entry(None, "1}")), calling(signed), END])
    assert (late.tool_calls[0].opaque, late.tool_calls[0].arguments_json) == (b"Sig", '{"a":1}')


@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {"reasoning_content": "hm"}])
def test_an_answer_that_was_all_thought_is_an_answer(message: dict[str, object]) -> None:
    """It ends with LENGTH and has no text; its tokens are counted."""
    for reply in (
        whole(message, "length"),
        read_events([chunk(message), chunk({}, "length", usage=counts(11, 9))]),
    ):
        assert (reply.text, reply.finish_reason) == ("", FinishReason.LENGTH)
        assert reply.usage is not None
        assert reply.usage.completion_tokens == 9


def test_log_probabilities_are_read_where_they_were_asked_for() -> None:
    """What cannot be a probability is left out."""
    listed = [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [{"token": "b", "logprob": -1, "bytes": None}],
        },
        {"token": "b", "logprob": "x"},
        {"token": "c", "logprob": 0.5},
    ]
    asked = AnswerForm(has_logprobs=True)
    [first] = whole({"content": "a", "logprobs": {"content": listed}}, form=asked).logprobs
    assert (first.token, first.logprob, first.token_bytes) == ("a", -0.5, b"a")
    assert [(top.token, top.logprob, top.token_bytes) for top in first.top] == [("b", -1.0, b"b")]
    assert whole({"content": "a", "logprobs": {"content": listed}}).logprobs == ()
