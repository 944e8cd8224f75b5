"""The chunks of a completion, one by one."""

import json
from typing import Any

from gateway.domain.answer import Delta, ReasoningDelta, ToolCallDelta
from gateway.server.http.chat.chunks import ChatChunks
from gateway.server.http.dialect import Served
from gateway.server.http.opaque import unwrap

SERVED = Served(request_id="r", created_unix_s=1, shows_decision=False)


def chunks_of(*deltas: Delta) -> list[Any]:
    """Return the chunks of pieces, the first of which begins the answer of the model edge."""
    writer = ChatChunks(SERVED, includes_usage=False)
    sent = writer.begin("edge", prompt_tokens=3) + b"".join(map(writer.delta, deltas))
    return [json.loads(event.removeprefix(b"data: ")) for event in sent.split(b"\n\n") if event]


def thought(model: str, text: str = "", opaque: bytes = b"") -> Delta:
    """Return a piece of what a model thinks."""
    return Delta(attempt=0, model=model, reasoning=ReasoningDelta(text=text, opaque=opaque))


def test_what_a_model_wants_back_names_the_model_that_made_it() -> None:
    """Also where another one goes on in its place; every chunk still has the name of the first."""
    call = ToolCallDelta(index=0, id="c", name="f", arguments_json="{}", opaque=b"mark")
    chunks = chunks_of(
        thought("edge", "ab"),
        thought("cloud", "c"),
        thought("cloud", "de", b"signed"),
        thought("cloud", "f"),
        Delta(attempt=0, model="cloud", tool_call=call),
    )
    assert {chunk["model"] for chunk in chunks} == {"edge"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    details = [detail for delta in deltas for detail in delta.get("reasoning_details", ())]
    assert [(each["index"], each["chars"], *unwrap(each["data"])) for each in details] == [
        (0, 2, "edge", b""),
        (1, 3, "cloud", b"signed"),
        (2, 1, "cloud", b""),
    ]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    (mark,) = [call["extra_content"]["google"] for call in calls if "extra_content" in call]
    assert unwrap(mark["thought_signature"]) == ("cloud", b"mark")
