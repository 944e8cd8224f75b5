"""A person who answers a request sees the whole conversation, in words."""

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.domain.request import Request
from gateway.extras.handoff.payload import HandoffQuestion, described, size_bytes

PARTS: tuple[tuple[Part, str], ...] = (
    (Text("see this"), "see this"),
    (Image(data=b"x" * 11_001, media_type="image/png"), "[image image/png, 12 kB]"),
    (Image(url="https://example.org/a.png"), "[image https://example.org/a.png]"),
    (
        File(data=b"x", media_type="application/pdf", name="bill.pdf"),
        "[file bill.pdf application/pdf, 1 kB]",
    ),
    (ToolCall(id="c", name="look", arguments_json='{"at": 1}'), '[call look {"at": 1}]'),
    (ToolCall(id="c", name="run", input="ls", is_custom=True), "[call run ls]"),
    (
        ToolResult(tool_call_id="c", parts=(Text("waves"), Image(data=b"x", media_type="image/gif"))),
        "[result of the tool]\nwaves\n[image image/gif, 1 kB]",
    ),
    (ToolResult(tool_call_id="c", is_error=True), "[error of the tool]"),
)


def test_each_part_is_described() -> None:
    """Calls and results in full, files by type and size; what a model thought is left out."""
    for part, words in PARTS:
        assert described(Message(role=Role.USER, parts=(part,))) == words
    both = Message(role=Role.ASSISTANT, parts=(Reasoning(text="hm", model="m"), Text("so")))
    assert described(both) == "so"


def test_a_question_is_read_back_as_it_was_written() -> None:
    """The stored form has texts only, and its size is theirs."""
    messages = (
        Message(role=Role.USER, content="héllo"),
        Message(role=Role.USER, parts=tuple(part for part, _ in PARTS)),
    )
    request = Request(request_id="r", tenant="t", messages=messages, labels={"a": "b"}, languages=("pl",))
    question = HandoffQuestion.of(request)
    assert HandoffQuestion.from_json(question.to_json()) == question
    assert question.messages[1].content == "\n".join(words for _, words in PARTS)
    assert size_bytes(request) == sum(len(message.content.encode()) for message in question.messages)
