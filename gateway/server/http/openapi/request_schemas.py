"""The bodies of requests. What a conversation must be beyond its form is checked, and not described here."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.conversation import ToolChoiceMode
from gateway.policy.embeds import MAX_DIMENSIONS
from gateway.server.http.chat.completions import HARMLESS as CHAT_HARMLESS
from gateway.server.http.chat.config_fields import EFFORTS, FORMATS
from gateway.server.http.embeddings import ENCODINGS
from gateway.server.http.embeddings import HARMLESS as EMBEDDINGS_HARMLESS
from gateway.server.http.messages.parameters import HARMLESS
from gateway.server.http.openapi.schemas import (
    ANYTHING,
    FLAG,
    IDENTIFIED,
    TEXT,
    Schema,
    closed,
    either,
    many,
    named,
    number,
    only,
    record,
    whole,
    words,
)
from gateway.server.http.openapi.turn_schemas import CHAT_MESSAGE, INPUT_ITEM, SYSTEM, TURN
from gateway.server.http.responses.responses_api import HARMLESS as RESPONSES_HARMLESS
from gateway.server.validation.config import MAX_STOPS, MAX_TOKENS, MAX_TOOLS, MAX_TOP_K, MAX_TOP_LOGPROBS
from gateway.server.validation.conversation import MAX_MESSAGES
from gateway.server.validation.embedding import MAX_INPUTS
from gateway.server.validation.request import MAX_LABELS

_INT64: Final = 2**63
_MODES: Final = tuple(mode.value for mode in ToolChoiceMode if mode is not ToolChoiceMode.NAMED)
_TOKENS: Final = whole(1, MAX_TOKENS)
_TOP_P: Final[Schema] = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_TEMPERATURE: Final = number(0, 2)
_PENALTY: Final = number(-2, 2)
_TYPED: Final = record("type", type=TEXT)
_STOPS: Final = many(TEXT, maxItems=MAX_STOPS)


def _ignored(names: frozenset[str]) -> Mapping[str, Schema]:
    return dict.fromkeys(sorted(names), ANYTHING)


CHAT_REQUEST: Final = closed(
    "messages",
    model=TEXT,
    messages=many(CHAT_MESSAGE, minItems=1, maxItems=MAX_MESSAGES),
    stream=FLAG,
    stream_options=record(include_usage=either(FLAG, {"type": "null"})),
    max_tokens=_TOKENS,
    max_completion_tokens=_TOKENS,
    temperature=_TEMPERATURE,
    top_p=_TOP_P,
    top_k=whole(1, MAX_TOP_K),
    min_p=number(0, 1),
    frequency_penalty=_PENALTY,
    presence_penalty=_PENALTY,
    seed=whole(-_INT64, _INT64 - 1),
    stop=either(TEXT, _STOPS),
    n=only(1),
    store=only(False),
    modalities=only(["text"]),
    response_format=record("type", type=words(*FORMATS)),
    tools=many(_TYPED, maxItems=MAX_TOOLS),
    tool_choice=either(words(*_MODES), _TYPED),
    parallel_tool_calls=FLAG,
    reasoning_effort=words(*EFFORTS),
    reasoning=closed(effort=words(*EFFORTS), max_tokens=whole(0, MAX_TOKENS), exclude=FLAG),
    logprobs=FLAG,
    top_logprobs=whole(0, MAX_TOP_LOGPROBS),
    logit_bias=record(),
    **_ignored(CHAT_HARMLESS),
)
RESPONSES_REQUEST: Final = closed(
    "input",
    model=TEXT,
    input=either(TEXT, many(INPUT_ITEM, minItems=1)),
    instructions=TEXT,
    max_output_tokens=_TOKENS,
    temperature=_TEMPERATURE,
    top_p=_TOP_P,
    text=record(),
    tools=many(_TYPED),
    tool_choice=either(words(*_MODES), _TYPED),
    parallel_tool_calls=FLAG,
    reasoning=record(),
    top_logprobs=whole(0, MAX_TOP_LOGPROBS),
    store=only(False),
    background=only(False),
    truncation=only("disabled"),
    **{
        **_ignored(RESPONSES_HARMLESS),
        "include": many(TEXT),
        "stream": FLAG,
    },
)
_MESSAGES_MEMBERS: Final[Mapping[str, Schema]] = {
    "model": TEXT,
    "messages": many(TURN, minItems=1, maxItems=MAX_MESSAGES),
    "max_tokens": {"type": "integer", "minimum": 1},
    "system": SYSTEM,
    "stream": FLAG,
    "temperature": _TEMPERATURE,
    "top_p": _TOP_P,
    "top_k": whole(1, MAX_TOP_K),
    "stop_sequences": _STOPS,
    "tools": many(record("name", name=TEXT), maxItems=MAX_TOOLS),
    "tool_choice": _TYPED,
    "thinking": record("type", type=words("adaptive", "between_tools", "disabled", "enabled")),
    "output_config": record(),
    "output_format": _TYPED,
    "metadata": record(),
    **_ignored(HARMLESS),
}
MESSAGES_REQUEST: Final = closed("model", "messages", "max_tokens", **_MESSAGES_MEMBERS)
COUNT_REQUEST: Final = closed("model", "messages", **_MESSAGES_MEMBERS)
FEEDBACK_REQUEST: Final = closed(
    "request_id",
    "score",
    request_id=IDENTIFIED,
    score=number(0, 1),
    labels={
        "type": "object",
        "additionalProperties": IDENTIFIED,
        "propertyNames": IDENTIFIED,
        "maxProperties": MAX_LABELS,
    },
)
EMBEDDINGS_REQUEST: Final = closed(
    "input",
    input=either(TEXT, many(TEXT, minItems=1, maxItems=MAX_INPUTS)),
    model=TEXT,
    dimensions=whole(1, MAX_DIMENSIONS),
    encoding_format=words(*ENCODINGS),
    stream=only(False),
    **_ignored(EMBEDDINGS_HARMLESS),
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "EmbeddingsRequest": EMBEDDINGS_REQUEST,
    "ChatRequest": CHAT_REQUEST,
    "ResponsesRequest": RESPONSES_REQUEST,
    "MessagesRequest": MESSAGES_REQUEST,
    "CountRequest": COUNT_REQUEST,
    "FeedbackRequest": FEEDBACK_REQUEST,
    "ExplainRequest": either(
        *map(named, ("ChatRequest", "ResponsesRequest", "MessagesRequest", "EmbeddingsRequest"))
    ),
}
"""By the names that the document gives them."""
