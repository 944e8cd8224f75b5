"""The dialect of chat completions: parse, answer, stream, errors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.domain.answer import Answer
from gateway.domain.request import Request
from gateway.policy.aliases import AUTO
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.answer_body import completion_of
from gateway.server.http.chat.chunks import ChatChunks
from gateway.server.http.chat.config_fields import config_of
from gateway.server.http.chat.error_body import error_of
from gateway.server.http.chat.messages import messages_of
from gateway.server.http.chat.places import place_of
from gateway.server.http.dialect import Body, EventWriter, Served
from gateway.server.http.http_error import HttpError
from gateway.server.http.members import Members

HARMLESS = frozenset({
    "metadata", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "safety_identifier", "service_tier", "user", "verbosity",
})  # fmt: skip
"""Members that change nothing of what an answer may be, and are ignored."""
REFUSED: Mapping[str, str] = {
    "audio": "is not supported: no model here answers with sound",
    "functions": "is the older form of tools; send tools",
    "function_call": "is the older form of tool_choice; send tool_choice",
    "input": "belongs to a request for /v1/responses; send messages",
    "moderation": "is not supported",
    "web_search_options": "is not supported: the gateway runs no tools",
}


class ChatCompletions:
    """`POST /v1/chat/completions`, an HttpDialect."""

    method = "ChatCompletions"

    def parse(self, body: Body, base: Request, section: HttpPolicy) -> Request:
        """Return the request; raises InvalidRequest with the path of a member."""
        members = Members(body)
        for name, description in REFUSED.items():
            members.refuse(name, description)
        if members.flag("store"):
            members.refuse("store", "must be false: no answer is kept")
        members.only("n", 1)
        members.only("modalities", ["text"])
        is_streamed = members.flag("stream")
        options = members.members("stream_options")
        if options is not None:
            if not is_streamed:
                members.refuse("stream_options", "must be set with stream only")
            options.flag("include_usage")
            options.refuse_rest(ignored=("include_obfuscation",))
        model = members.text("model") or ""
        request = replace(
            base,
            model=model,
            messages=messages_of(members, asked_model="" if model == AUTO else model),
            config=config_of(members, section),
        )
        members.refuse_rest(ignored=HARMLESS)
        return request

    def whole(self, answer: Answer, body: Body, served: Served) -> Mapping[str, Any]:
        """Return a chat completion."""
        return completion_of(answer, served)

    def events(self, body: Body, served: Served) -> EventWriter:
        """Return the writer of chunks."""
        options = body.get("stream_options") or {}
        return ChatChunks(served, includes_usage=options.get("include_usage") is True)

    def error(self, error: HttpError) -> Mapping[str, Any]:
        """Return the body of an error."""
        return error_of(error)

    def place(self, field: str, body: Body) -> str:
        """Return the member that holds a field of the contract."""
        return place_of(field, body)
