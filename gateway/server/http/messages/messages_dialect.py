"""The dialect of `POST /v1/messages` and `POST /v1/messages/count_tokens`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.domain.answer import Answer
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import InvalidRequest
from gateway.policy.http import HttpPolicy
from gateway.server.http.dialect import Body, Served
from gateway.server.http.http_call import HttpCall
from gateway.server.http.http_error import HttpError
from gateway.server.http.members import Members
from gateway.server.http.messages.answer_blocks import message_of
from gateway.server.http.messages.conversation_reader import PlacedMessage, conversation_of
from gateway.server.http.messages.error_types import error_object
from gateway.server.http.messages.message_events import MessageEvents
from gateway.server.http.messages.parameters import (
    check_output,
    output_of,
    reasoning_of,
    refuse_others,
    schema_of,
    session_of,
    stops_of,
)
from gateway.server.http.messages.tool_definitions import choice_of, tools_of
from gateway.server.validation.config import MAX_TOKENS

_FIELDS: Final = {
    "config.parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "config.json_schema": "output_config.format.schema",
    "config.reasoning": "thinking",
    "config.reasoning.budget_tokens": "thinking.budget_tokens",
    "config.stop": "stop_sequences",
    "session_id": "metadata.user_id",
}
_CONFIG: Final = "config."
_TAILS: Final = {
    "tool_call.id": "id",
    "tool_call.name": "name",
    "tool_result.tool_call_id": "tool_use_id",
    "image.media_type": "media_type",
    "image.url": "url",
    "file.media_type": "media_type",
    "file.data": "data",
}
"""The members of blocks that have a name of their own; other members are placed by their block."""
_MESSAGE: Final = re.compile(r"messages\[(\d+)\](?:\.parts\[(\d+)\]\.?)?(.*)")
_TOOL: Final = re.compile(r"config\.tools\[(\d+)\]\.?(.*)")
_STOP: Final = re.compile(r"config\.stop(\[\d+\])")


class MessagesDialect:
    """Reads and writes Anthropic's Messages API."""

    method = "Messages"
    needs_max_tokens = True

    def parse(self, body: Body, base: Request, section: HttpPolicy) -> Request:
        """Return the request; raises InvalidRequest."""
        members, drops = Members(body), section.drop_hosted_tools
        model = members.needed_text("model")
        placed = conversation_of(members, drops_hosted=drops)
        config = self._config(members, drops_hosted=drops)
        session_id = session_of(members)
        members.flag("stream")
        refuse_others(members)
        return replace(
            base,
            model=model,
            messages=tuple(each.message for each in placed),
            config=config,
            session_id=base.session_id or session_id,
        )

    def whole(self, answer: Answer, body: Body, served: Served) -> Mapping[str, Any]:
        """Return the body of an answer."""
        return message_of(answer, body, served)

    def events(self, body: Body, served: Served) -> MessageEvents:
        """Return the writer of a stream."""
        return MessageEvents(body, served)

    def error(self, error: HttpError) -> Mapping[str, Any]:
        """Return the body of an error."""
        return error_object(error)

    def place(self, field: str, body: Body) -> str:
        """Return where a field of the contract is written in a request that was parsed."""
        if found := _MESSAGE.fullmatch(field):
            messages = conversation_of(Members(body), drops_hosted=True)
            return _message_place(messages, int(found[1]), found[2], found[3])
        if found := _TOOL.fullmatch(field):
            place = tools_of(Members(body), drops_hosted=True)[int(found[1])][1]
            member = "input_schema" if found[2] == "parameters_json_schema" else found[2]
            return f"{place}.{member}" if member else place
        if found := _STOP.fullmatch(field):
            return f"stop_sequences{found[1]}"
        return _FIELDS.get(field) or field.removeprefix(_CONFIG)

    def _config(self, members: Members, *, drops_hosted: bool) -> GenerationConfig:
        output = output_of(members)
        choice, parallel = choice_of(members)
        max_tokens = members.integer("max_tokens")
        if max_tokens is None and self.needs_max_tokens:
            raise InvalidRequest("max_tokens", "must be there, a whole number")
        config = GenerationConfig(
            # Claude Code asks every model for more than most of them say: no reason to refuse it.
            max_tokens=None if max_tokens is None else min(max_tokens, MAX_TOKENS),
            temperature=members.number("temperature"),
            top_p=members.number("top_p"),
            top_k=members.integer("top_k"),
            stop=stops_of(members),
            tools=tuple(tool for tool, _ in tools_of(members, drops_hosted=drops_hosted)),
            tool_choice=choice,
            parallel_tool_calls=parallel,
            reasoning=reasoning_of(members, output),
            json_schema=schema_of(members, output),
        )
        check_output(output)
        return config


class TokenCountDialect(MessagesDialect):
    """Reads requests of which only the prompt counts."""

    method = "CountTokens"
    needs_max_tokens = False


async def count_tokens(http_call: HttpCall) -> Mapping[str, int]:
    """Return how long a prompt is for the model that would answer."""
    counted = await http_call.pipeline.count_tokens(
        http_call.incoming(TokenCountDialect()), http_call.context
    )
    return {"input_tokens": counted.prompt_tokens}


def _message_place(messages: Sequence[PlacedMessage], index: int, part: str | None, tail: str) -> str:
    placed = messages[index]
    if part is None:
        return placed.place
    block = placed.parts[int(part)]
    if tail in _TAILS:
        holder = block if block.endswith(".source") else block.rpartition(".")[0]
        return f"{holder}.{_TAILS[tail]}"
    return block
