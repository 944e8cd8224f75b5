"""The messages of a conversation, as each dialect writes them."""

from typing import Final

from gateway.domain.conversation import ImageDetail
from gateway.server.http.chat.messages import HARMLESS
from gateway.server.http.chat.thoughts import WORDS
from gateway.server.http.openapi.schemas import (
    ANYTHING,
    TEXT,
    Schema,
    closed,
    either,
    many,
    only,
    record,
    words,
)

_NOT_BLANK: Final[Schema] = {"type": "string", "pattern": r"\S"}
_TYPED: Final = record("type", type=TEXT)
_IGNORED: Final = dict.fromkeys(sorted(HARMLESS), ANYTHING)
_TEXT_PART: Final = record("type", "text", type=only("text"), text=TEXT)
_IMAGE_PART: Final = record(
    "type",
    "image_url",
    type=only("image_url"),
    image_url=either(TEXT, closed("url", url=TEXT, detail=words(*(each.value for each in ImageDetail)))),
)
_FILE_PART: Final = record(
    "type", "file", type=only("file"), file=closed("file_data", file_data=TEXT, filename=TEXT)
)
_REFUSAL_PART: Final = record("type", "refusal", type=only("refusal"), refusal=TEXT)
_PARTS: Final = many(either(_TEXT_PART, _IMAGE_PART, _FILE_PART, _REFUSAL_PART))
_CALL: Final = record(
    "id",
    id=TEXT,
    type=words("function", "custom"),
    function=record("name", name=TEXT, arguments=TEXT),
    custom=record("name", name=TEXT, input=TEXT),
)

CHAT_MESSAGE: Final = either(
    closed("role", "content", role=only("user"), content=either(_NOT_BLANK, _PARTS), name=TEXT, **_IGNORED),
    closed("role", role=words("system", "developer"), content=either(TEXT, _PARTS), name=TEXT, **_IGNORED),
    closed(
        "role",
        role=only("assistant"),
        content=either(TEXT, _PARTS),
        refusal=TEXT,
        name=TEXT,
        tool_calls=many(_CALL),
        **dict.fromkeys(WORDS, TEXT),
        **_IGNORED,
    ),
    closed(
        "role",
        "tool_call_id",
        role=only("tool"),
        tool_call_id=TEXT,
        content=either(TEXT, _PARTS),
        name=TEXT,
        **_IGNORED,
    ),
)
INPUT_ITEM: Final = either(
    record(
        *("role", "content"),
        role=words("system", "developer", "user"),
        type=only("message"),
        content=either(_NOT_BLANK, many(record("type", "text", type=only("input_text"), text=TEXT))),
    ),
    record(),
)
"""A message of the user, or an item of another kind."""
TURN: Final = closed(
    "role",
    "content",
    role=words("system", "user", "assistant"),
    content=either(_NOT_BLANK, many(either(_TEXT_PART, _TYPED))),
)
SYSTEM: Final = either(TEXT, many(_TEXT_PART))
