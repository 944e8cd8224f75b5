"""`POST /v1/embeddings`, as OpenAI has it: texts in, vectors out as numbers or in base64."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.domain.answer import Answer
from gateway.domain.conversation import Message, Role
from gateway.domain.request import EmbeddingConfig, Request
from gateway.domain.vectors import numbers_of
from gateway.errors import InvalidRequest, Unsupported
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.compact_json import compact_json
from gateway.server.http.dialect import Body, Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.http_call import HttpCall
from gateway.server.http.members import Members
from gateway.server.http.reply import RenderedBody, answer_headers
from gateway.server.validation.embedding import check_input_count

HARMLESS = frozenset({"user"})
"""Members that change nothing of a vector, and are ignored."""
REFUSED: Mapping[str, str] = {
    "messages": "belongs to a request for /v1/chat/completions; send input",
}
ENCODINGS = ("float", "base64")
_TURN_NUMBERS = 16 * 1024
"""So many numbers are written in 10 ms; then others have a turn."""


class Embeddings(ChatCompletions):
    """Reads requests for vectors; errors are those of chat completions."""

    method = "Embeddings"

    def parse(self, body: Body, base: Request, section: HttpPolicy) -> Request:
        """Return the request; raises InvalidRequest with the path of a member."""
        members = Members(body)
        for name, description in REFUSED.items():
            members.refuse(name, description)
        members.only("stream", False)
        members.known("encoding_format", dict.fromkeys(ENCODINGS))
        request = replace(
            base,
            model=members.text("model") or "",
            messages=tuple(Message(role=Role.USER, content=text) for text in _texts(members)),
            embedding=EmbeddingConfig(dimensions=members.integer("dimensions")),
        )
        members.refuse_rest(ignored=HARMLESS)
        return request

    def place(self, field: str, body: Body) -> str:
        """Return the member that holds a field of the contract."""
        return "input" if field == "input[0]" and isinstance(body.get("input"), str) else field


async def embed(http_call: HttpCall) -> RenderedBody:
    """Return the vectors of a request."""
    answer = await http_call.pipeline.run(http_call.incoming(Embeddings()), http_call.context)
    is_base64 = http_call.body.get("encoding_format") == "base64"
    content = await _written(answer, http_call.served, is_base64=is_base64)
    return RenderedBody(content, answer_headers(http_call.served.request_id, answer))


def _texts(members: Members) -> Sequence[str]:
    value = members.value("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise InvalidRequest("input", "must be a string or a list of strings")
    check_input_count(len(texts))
    for i, text in enumerate(texts):
        if isinstance(text, int | list):
            raise Unsupported("input", "must be text: tokens are not taken, for their privacy cannot be read")
        if not isinstance(text, str):
            raise InvalidRequest(f"input[{i}]", "must be a string")
    return texts


async def _written(answer: Answer, served: Served, *, is_base64: bool) -> bytes:
    """Return the body of an answer; others have turns while many numbers are written."""
    data: list[str] = []
    turn_bytes = 0
    for index, vector in enumerate(answer.vectors):
        shown = base64.b64encode(vector).decode() if is_base64 else numbers_of(vector)
        data.append(compact_json({"object": "embedding", "index": index, "embedding": shown}))
        turn_bytes += len(vector)
        if turn_bytes > _TURN_NUMBERS * 4:
            turn_bytes = 0
            await asyncio.sleep(0)
    rest: dict[str, Any] = {"object": "list", "model": answer.model}
    if answer.usage is not None:
        tokens = answer.usage.prompt_tokens
        rest["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    head = compact_json(rest | gateway_member(answer, served))
    return f'{head[:-1]},"data":[{",".join(data)}]}}'.encode()
