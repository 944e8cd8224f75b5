"""The dialect of the Responses API: parse, answer, stream, errors; it has no state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.domain.answer import Answer
from gateway.domain.request import Request
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.error_body import error_of
from gateway.server.http.dialect import Body, EventWriter, Served
from gateway.server.http.http_error import HttpError
from gateway.server.http.members import Members
from gateway.server.http.responses.input_items import turns_of
from gateway.server.http.responses.places import place_of
from gateway.server.http.responses.request_config import config_of
from gateway.server.http.responses.response_body import response_of
from gateway.server.http.responses.response_events import ResponseEvents

HARMLESS = frozenset({
    "access_programs", "client_metadata", "image", "include", "max_tool_calls", "metadata",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier",
    "service_tier", "stream", "stream_options", "user",
})  # fmt: skip
"""Members that change nothing of what an answer may be, and are ignored."""
STATELESS = "nothing is stored here; send the whole conversation as input"
REFUSED: Mapping[str, str] = {
    "background_options": "is not supported: no answer is made later",
    "context_management": "is not supported: no conversation is compacted",
    "conversation": STATELESS,
    "moderation": "is not supported",
    "previous_response_id": STATELESS,
    "prompt": "is not supported: no prompts are stored here",
}


class Responses:
    """`POST /v1/responses`, an HttpDialect."""

    method = "Responses"

    def parse(self, body: Body, base: Request, section: HttpPolicy) -> Request:
        """Return the request; raises InvalidRequest with the path of a member."""
        members = Members(body)
        for name, description in REFUSED.items():
            members.refuse(name, description)
        if members.flag("store"):
            members.refuse("store", f"must be false: {STATELESS}")
        members.only("background", False)
        members.only("truncation", "disabled")
        members.flag("stream")
        turns = turns_of(members)
        request = replace(
            base,
            model=members.text("model") or "",
            messages=turns.messages,
            config=config_of(members, section),
        )
        members.refuse_rest(ignored=HARMLESS)
        return request

    def whole(self, answer: Answer, body: Body, served: Served) -> Mapping[str, Any]:
        """Return a response."""
        return response_of(answer, body, served)

    def events(self, body: Body, served: Served) -> EventWriter:
        """Return the writer of events."""
        return ResponseEvents(body, served)

    def error(self, error: HttpError) -> Mapping[str, Any]:
        """Return the body of an error."""
        return error_of(error)

    def place(self, field: str, body: Body) -> str:
        """Return the member that holds a field of the contract."""
        return place_of(field, body)
