"""Streams in the form in which other projects recorded or reported them, of each API: read as they mean.

The words are ours; the form is that of recorded answers of OpenAI, Anthropic, OpenRouter, Azure, Gemini,
Ollama and DeepSeek, and of servers that imitate them.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.backends.anthropic.reader import MessageReader
from gateway.backends.anthropic.tools import ReplyForm
from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.events import EventReader
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.openai.answers import StreamReader
from gateway.backends.openai.responses_answers import ResponsesReader
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.assembly import assembled
from tests.support.provider_bytes import BOUNDS, chunk, counts, said

Event = dict[str, Any]
Readers = type[StreamReader] | type[ResponsesReader] | type[MessageReader]


def read(raw: bytes, reader: StreamReader | ResponsesReader | MessageReader, size: int) -> Reply:
    """Read a stream that comes in pieces of `size` bytes."""
    events = EventReader(BOUNDS)
    chunks = []
    for at in range(0, len(raw), size):
        chunks += [reader.feed(event) for event in events.feed(raw[at : at + size])]
    chunks += [reader.feed(event) for event in events.rest(is_needed=not reader.may_be_over)]
    return assembled([*chunks, reader.last_chunk()]).reply()


def lines(events: Sequence[Event | str], *, is_named: bool = False) -> bytes:
    """Return events as they go over the wire; a text is a line as it is."""
    wire = ""
    for event in events:
        name = f"event: {event['type']}\n" if is_named and isinstance(event, dict) else ""
        wire += f"{name}data: {json.dumps(event)}\n\n" if isinstance(event, dict) else f"{event}\n\n"
    return wire.encode()


def call(index: int | None, name: str | None, arguments: str | None, call_id: str | None = None) -> Event:
    """Return a piece of a call of a tool; None is left out."""
    function = {"name": name, "arguments": arguments}
    piece: Event = {"function": {key: value for key, value in function.items() if value is not None}}
    more = {"index": index, "id": call_id, "type": "function" if call_id else None}
    return piece | {key: value for key, value in more.items() if value is not None}


def calls(*pieces: Event, **more: object) -> Event:
    """Return a delta with pieces of calls."""
    return {"tool_calls": list(pieces), **more}


SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
USAGE: Event = {"choices": [], "usage": counts(9, 12)}
DONE = "data: [DONE]"
PATH = '{"path": "a b"}'
CHAT: dict[str, list[Event | str]] = {
    "OpenAI: name and arguments of one call are two entries of a chunk": [
        chunk({"role": "assistant", "tool_calls": []}),
        chunk(calls(call(0, "list", None, "call_1"), call(0, None, '{"path"'))),
        chunk(calls(call(0, None, ": "), call(0, None, '"a b"}'))),
        chunk({}, "tool_calls"),
        USAGE,
        DONE,
    ],
    "Gemini: no index, arguments in pieces, the signature in a chunk of its own, and an end that says stop": [
        chunk(calls(call(None, "list", '{"path": ', "function-call-1"), role="assistant")),
        chunk(calls(call(None, None, '"a b"}'))),
        chunk({"role": "assistant", **SIGNED}),
        chunk({"role": "assistant", "content": ""}, "stop", usage=counts(9, 12)),
        DONE,
    ],
    "Gemini: a choice without a finish_reason, the index behind the delta": [
        {
            "choices": [
                {
                    "delta": calls(call(None, "list", PATH, "call_297140") | SIGNED, role="assistant"),
                    "index": 0,
                }
            ]
        },
        {"choices": [{"delta": {"role": "assistant"}, "finish_reason": "stop", "index": 0}]},
        USAGE,
        DONE,
    ],
    "Ollama: role and an empty text in every chunk": [
        chunk(calls(call(0, "list", PATH, "call_hk81qg8b"), role="assistant", content="")),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
        USAGE,
        DONE,
    ],
    "OpenRouter: comments between events, and the finish twice": [
        ": OPENROUTER PROCESSING",
        chunk({"role": "assistant", "content": "", "reasoning": None}, provider="OpenAI"),
        ": OPENROUTER PROCESSING",
        chunk(calls(call(0, "list", "", "call_1"), content=None)),
        chunk(calls(call(0, None, PATH)), native_finish_reason=None),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
        chunk({"role": "assistant", "content": ""}, "tool_calls", usage=counts(9, 12)),
        DONE,
    ],
    "DeepSeek: an empty thought in the first chunk, counts in the last": [
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk(calls(call(0, "list", "", "call_00_a"), content=None, reasoning_content=None)),
        chunk(calls(call(0, None, PATH))),
        chunk({"content": "", "reasoning_content": None}, "tool_calls", usage=counts(9, 12)),
        DONE,
    ],
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", list(CHAT))
def test_a_call_in_chat_completions(name: str, size: int) -> None:
    """One call, whole, with the counts, in whichever form and pieces it came."""
    reply = read(lines(CHAT[name]), StreamReader(BOUNDS, lambda _: None), size)
    assert [(each.name, json.loads(each.arguments_json)) for each in reply.tool_calls] == [
        ("list", {"path": "a b"})
    ]
    assert (reply.finish_reason, reply.text) == (FinishReason.TOOL_CALLS, "")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (9, 12)


SAFE = {"hate": {"filtered": False, "severity": "safe"}}


def test_azure_tells_what_its_filter_found_in_chunks_of_their_own() -> None:
    """One before the answer without a choice, and one with a choice that has no delta."""
    filtered = {"content_filter_results": SAFE, "content_filter_offsets": {"check_offset": 44}}
    events: list[Event | str] = [
        {"choices": [], "id": "", "model": "", "object": "", "created": 0, "prompt_filter_results": [SAFE]},
        chunk({"role": "assistant", "content": "", "refusal": None}),
        said("Hello"),
        {"choices": [{"index": 0, "finish_reason": None, **filtered}]},
        chunk({}, "stop"),
        {"choices": [{"index": 0, "finish_reason": None, **filtered}]},
        USAGE,
        DONE,
    ]
    reply = read(lines(events), StreamReader(BOUNDS, lambda _: None), 100)
    assert (reply.text, reply.finish_reason) == ("Hello", FinishReason.STOP)
    assert reply.usage is not None


@pytest.mark.parametrize(
    "failure",
    [
        {"error": {"code": 502, "message": "x"}, "choices": []},
        chunk({"content": ""}, "error", error={"code": "server_error", "message": "x"}),
        {"error": {"message": "x", "type": "server_error", "param": None, "code": None}},
        chunk({}, None, x_groq={"id": "req_1", "error": "over capacity"}),
        chunk({}, "stop", x_groq={"id": "req_1", "error": "over capacity"}),
    ],
    ids=["OpenRouter, no choice", "OpenRouter, finish error", "OpenAI", "Groq", "Groq, with a finish"],
)
def test_an_error_in_a_stream_of_status_200_is_no_answer(failure: Event) -> None:
    """Neither before the first text nor behind some of it, whatever end follows."""
    for before in ([], [said("Hello")]):
        raw = lines([": OPENROUTER PROCESSING", *before, failure, chunk({}, "stop"), DONE])
        with pytest.raises(ErrorEvent):
            read(raw, StreamReader(BOUNDS, lambda _: None), 50)


def response(status: str, output: object, **more: object) -> Event:
    """Return a response as the events of its beginning and end have it."""
    usage = {"input_tokens": 9, "output_tokens": 12, "input_tokens_details": {"cached_tokens": 0}}
    ends = {"usage": usage} if status == "completed" else {"usage": None}
    return (
        {"id": "resp", "object": "response", "status": status, "error": None, "output": output} | ends | more
    )


MESSAGE: Event = {"id": "msg", "type": "message", "role": "assistant"}
TOLD: Event = MESSAGE | {"content": [{"type": "output_text", "text": "four", "annotations": []}]}
WHY: Event = {"type": "reasoning_text", "text": "Two and two."}


def of_item(kind: str, index: int, item_id: str, **more: object) -> Event:
    """Return an event about an item."""
    return {"type": f"response.{kind}", "output_index": index, "item_id": item_id, **more}


def item(step: str, index: int, body: Event) -> Event:
    """Return the event of an item that begins or ends."""
    return {"type": f"response.output_item.{step}", "output_index": index, "item": body}


RESPONSES: dict[str, tuple[list[Event | str], str, bytes]] = {
    "OpenAI: a thought is encrypted otherwise when it begins, ends, and in the response": (
        [
            {"type": "response.created", "response": response("in_progress", [])},
            item("added", 0, {"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "begun"}),
            item("done", 0, {"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "sealed"}),
            item("added", 1, MESSAGE | {"content": []}),
            of_item("output_text.delta", 1, "msg", content_index=0, delta="fo", obfuscation="x"),
            of_item("output_text.delta", 1, "msg", content_index=0, delta="ur", logprobs=[]),
            item("done", 1, TOLD),
            {
                "type": "response.completed",
                "response": response(
                    "completed",
                    [{"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "third"}, TOLD],
                ),
            },
        ],
        "",
        b"sealed",
    ),
    "OpenRouter: comments, no event lines, a thought in plain words that ends behind the text, other ids": (
        [
            ": OPENROUTER PROCESSING",
            {"type": "response.created", "response": response("in_progress", [])},
            item("added", 0, {"type": "reasoning", "id": "rs_1", "summary": []}),
            of_item("content_part.added", 0, "rs_1", content_index=0, part=WHY | {"text": ""}),
            of_item("reasoning_text.delta", 0, "rs_1", content_index=0, delta="Two and "),
            of_item("reasoning_text.delta", 0, "rs_1", content_index=0, delta="two."),
            item("added", 1, MESSAGE | {"content": []}),
            of_item("output_text.delta", 1, "msg", content_index=0, delta="four"),
            of_item("output_text.done", 1, "msg", content_index=0, text="four"),
            item("done", 1, TOLD),
            of_item("reasoning_text.done", 0, "rs_1", content_index=0, text="Two and two."),
            item("done", 0, {"type": "reasoning", "id": "rs_1", "summary": [], "content": [WHY]}),
            {
                "type": "response.completed",
                "response": response(
                    "completed", [{"type": "reasoning", "id": "rs_2", "summary": [], "content": [WHY]}, TOLD]
                ),
            },
            DONE,
        ],
        "Two and two.",
        b"",
    ),
    "Others: items that only end, and a response whose output is null": (
        [
            {"type": "response.created", "response": response("in_progress", None)},
            item("added", 0, MESSAGE | {"content": [{"type": "output_text", "text": ""}]}),
            item("done", 0, TOLD),
            {"type": "response.completed", "response": response("completed", None)},
        ],
        "",
        b"",
    ),
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", list(RESPONSES))
def test_a_text_in_responses(name: str, size: int) -> None:
    """The text once, the thought once, and of encrypted forms the one at the end of its item."""
    events, thought, opaque = RESPONSES[name]
    reply = read(
        lines(events, is_named=name.startswith("OpenAI")), ResponsesReader(BOUNDS, lambda _: None), size
    )
    assert (reply.text, reply.finish_reason) == ("four", FinishReason.STOP)
    assert "".join(each.text for each in reply.reasoning) == thought
    assert b"".join(each.opaque for each in reply.reasoning) == opaque
    assert reply.usage is not None


def test_a_call_of_responses_whose_beginning_has_its_arguments() -> None:
    """They are not doubled by the event that ends them, which may have no name."""
    begun = {"id": "fc", "type": "function_call", "call_id": "call_1", "name": "list", "arguments": "{}"}
    events: list[Event | str] = [
        item("added", 0, begun | {"status": "in_progress"}),
        of_item("function_call_arguments.done", 0, "fc", arguments="{}", name=None),
        item("done", 0, begun),
        {"type": "response.completed", "response": response("completed", [begun])},
    ]
    reply = read(lines(events), ResponsesReader(BOUNDS, lambda _: None), 10_000)
    assert [(each.name, each.arguments_json) for each in reply.tool_calls] == [("list", "{}")]


START: Event = {"type": "message_start", "message": {"type": "message", "content": None, "stop_reason": ""}}
STOP: Event = {"type": "message_stop"}


def block(index: int, begun: Event, *deltas: Event) -> list[Event]:
    """Return the events of a block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def ended(reason: str, **usage: object) -> list[Event]:
    """Return the events that end a message."""
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, STOP]


WORDS = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello"})
USED = {"input_tokens": 9, "output_tokens": 12}
MESSAGES: dict[str, list[Event]] = {
    "no counts at the beginning, all at the end": [START, *WORDS, *ended("end_turn", **USED)],
    "counts at the beginning, raised at the end": [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        *WORDS,
        *ended("end_turn", **USED, output_tokens_details={"thinking_tokens": 3}, server_tool_use={}),
    ],
    "blocks of other kinds before it": [
        START,
        *block(0, {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}),
        *block(1, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "x"}),
        *block(2, {"type": "text"}, {"type": "text_delta", "text": "Hello"}, {"type": "text_delta"}),
        *ended("end_turn", **USED),
    ],
    "news beside the usual fields": [
        START | {"message": {"input_transformations": [{"type": "thinking_dropped"}]}},
        {"type": "ping"},
        *WORDS,
        *ended("end_turn", **USED),
    ],
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", list(MESSAGES))
def test_a_text_in_messages(name: str, size: int) -> None:
    """The text, and the counts wherever they came."""
    raw = lines(MESSAGES[name], is_named=True)
    reply = read(raw, MessageReader(BOUNDS, lambda _: None, ReplyForm()), size)
    assert (reply.text, reply.finish_reason) == ("Hello", FinishReason.STOP)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (9, 12)


def test_a_call_of_messages_that_lacks_empty_fields() -> None:
    """An imitation leaves out what is empty: the input of the block, and the text of a delta."""
    begun = {"type": "tool_use", "id": "toolu_1", "name": "list"}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"path"', ': "a b"}')]
    events = [
        START,
        *block(0, {"type": "text"}, {"type": "text_delta", "text": "I look."}),
        *block(1, begun, {"type": "input_json_delta"}, *pieces),
        *ended("tool_use", input_tokens=0, output_tokens=12),
    ]
    reply = read(lines(events, is_named=True), MessageReader(BOUNDS, lambda _: None, ReplyForm()), 50)
    assert [(each.name, each.arguments_json) for each in reply.tool_calls] == [("list", PATH)]
    assert (reply.text, reply.finish_reason) == ("I look.", FinishReason.TOOL_CALLS)


def test_a_refusal_of_messages_may_have_no_text() -> None:
    """It is a refusal all the same, and its counts are kept."""
    details = {"stop_details": {"type": "refusal", "category": "cyber", "explanation": "x"}}
    end, stop = ended("refusal", **USED)
    events = [START, *block(0, {"type": "text", "text": ""}), end | {"delta": end["delta"] | details}, stop]
    reply = read(lines(events, is_named=True), MessageReader(BOUNDS, lambda _: None, ReplyForm()), 50)
    assert (reply.text, reply.finish_reason) == ("", FinishReason.CONTENT_FILTER)
    assert reply.usage is not None


@pytest.mark.parametrize(
    "events",
    [
        [START, {"type": "content_block_start", "index": 1, "content_block": {"type": "text"}}, STOP],
        [START, *WORDS, STOP],
        [START, *WORDS],
    ],
    ids=["a block that does not end", "no message_delta", "no end at all"],
)
def test_messages_without_a_stop_reason_have_not_ended(events: list[Event]) -> None:
    """Though `message_stop` says so."""
    with pytest.raises(UnreadableAnswer):
        read(lines(events, is_named=True), MessageReader(BOUNDS, lambda _: None, ReplyForm()), 50)
