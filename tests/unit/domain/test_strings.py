"""Every string of a request is listed once, and can be replaced in its place."""

from dataclasses import fields, is_dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.strings import (
    strings_of,
    unreadable_places,
    unreadable_tokens,
    with_texts,
    without_bytes,
)

WORDS = st.text(min_size=1, max_size=8)
IMAGES = st.builds(Image, url=WORDS) | st.just(Image(data=b"png", media_type="image/png"))
PARTS = st.one_of(
    st.builds(Text, WORDS),
    IMAGES,
    st.builds(File, data=st.just(b"pdf"), media_type=st.just("application/pdf"), name=WORDS),
    st.builds(ToolCall, id=WORDS, name=WORDS, arguments_json=WORDS, input=WORDS),
    st.builds(
        ToolResult,
        tool_call_id=WORDS,
        parts=st.lists(st.builds(Text, WORDS) | IMAGES, max_size=3).map(tuple),
    ),
    st.builds(Reasoning, text=WORDS, model=st.just("cloud")),
)
MESSAGES = st.one_of(
    st.builds(Message, role=st.just(Role.USER), content=WORDS, name=st.just("") | WORDS),
    st.builds(
        Message,
        role=st.just(Role.ASSISTANT),
        parts=st.lists(PARTS, min_size=1, max_size=4).map(tuple),
        name=st.just("") | WORDS,
    ),
)
TOOLS = st.builds(
    Tool,
    name=WORDS,
    description=WORDS,
    parameters_json_schema=WORDS,
    kind=st.sampled_from(ToolKind),
    input_grammar=WORDS,
)
REQUESTS = st.builds(
    Request,
    request_id=st.just("r"),
    tenant=st.just("t"),
    messages=st.lists(MESSAGES, min_size=1, max_size=4).map(tuple),
    config=st.builds(
        GenerationConfig,
        stop=st.lists(WORDS, max_size=3).map(tuple),
        json_schema=st.none() | WORDS,
        tools=st.lists(TOOLS, max_size=3).map(tuple),
        grammar=st.none() | WORDS,
    ),
)
NOT_SENT_AS_TEXT = {"request_id", "tenant", "media_type", "model", "session_id"}
"""Our own names, and what validation takes from a fixed list."""


def _texts_in(value: object) -> list[str]:
    """Return each string in the fields of a value, found without the list that is tested."""
    if isinstance(value, str):
        return [str(value)] if type(value) is str and value else []
    if isinstance(value, tuple):
        return [text for each in value for text in _texts_in(each)]
    if is_dataclass(value):
        return [
            text
            for each in fields(value)
            if each.name not in NOT_SENT_AS_TEXT
            for text in _texts_in(getattr(value, each.name))
        ]
    return []


@given(REQUESTS)
def test_no_string_is_left_out(request: Request) -> None:
    """What the values hold is what is listed, wherever it stands."""
    assert sorted(string.text for string in strings_of(request)) == sorted(_texts_in(request))


@given(REQUESTS)
def test_each_string_has_a_place_of_its_own(request: Request) -> None:
    """No two strings have the same message and path."""
    places = [(string.message_index, string.path) for string in strings_of(request)]
    assert len(set(places)) == len(places)


@given(REQUESTS)
def test_the_same_texts_make_the_same_request(request: Request) -> None:
    """A request is what its strings are put back into; nothing is built anew for nothing."""
    texts = {(string.message_index, string.path): string.text for string in strings_of(request)}
    assert with_texts(request, texts) is request
    assert with_texts(request, {}) is request


@given(REQUESTS)
def test_each_text_goes_to_its_place(request: Request) -> None:
    """After a replacement each place holds its own new text."""
    strings = strings_of(request)
    places = [(string.message_index, string.path) for string in strings]
    wanted = {place: f"{place[0]} {place[1]}" for place in places}
    changed = strings_of(with_texts(request, wanted))
    assert [string.text for string in changed] == list(wanted.values())
    assert [(s.message_index, s.path) for s in changed] == [(s.message_index, s.path) for s in strings]


@given(REQUESTS)
def test_without_bytes_there_is_as_much_to_scan(request: Request) -> None:
    """Each string and each unreadable place is still there, and no byte of an image or file."""
    left = without_bytes(request)
    assert strings_of(left) == strings_of(request)
    assert unreadable_places(left) == unreadable_places(request)
    assert not any(part.data for message in left.messages for part in message.unreadable_parts)


@given(REQUESTS)
def test_a_message_alone_has_the_same_strings(request: Request) -> None:
    """What a message holds does not depend on the request around it."""
    for index, message in enumerate(request.messages):
        alone = strings_of(replace(request, messages=(message,)))
        in_request = [string for string in strings_of(request) if string.message_index == index]
        assert [(s.path, s.text) for s in alone if s.message_index == 0] == [
            (s.path, s.text) for s in in_request
        ]


@given(REQUESTS, st.data())
def test_only_the_named_place_changes(request: Request, data: st.DataObject) -> None:
    """What is not named stays, and so does each message without a named place."""
    strings = strings_of(request)
    if not strings:
        return
    named = data.draw(st.sampled_from(strings))
    changed = with_texts(request, {(named.message_index, named.path): "another text"})
    assert strings_of(changed) == [
        each._replace(text="another text") if each == named else each for each in strings
    ]
    assert all(
        new is old or at == named.message_index
        for at, (new, old) in enumerate(zip(changed.messages, request.messages, strict=True))
    )


def test_images_and_files_count() -> None:
    """An image counts what it is given, a document also its bytes."""
    parts = (
        Image(url="https://example.org/a.png"),
        File(data=b"x" * 400, media_type="application/pdf"),
    )
    inner = ToolResult(tool_call_id="1", parts=(Text("x"), Image(data=b"1", media_type="image/png")))
    messages = (Message(role=Role.USER, parts=parts), Message(role=Role.TOOL, parts=(inner,)))
    request = Request(request_id="r", tenant="t", messages=messages)
    assert unreadable_tokens(request, each=10) == 10 + 110 + 10
