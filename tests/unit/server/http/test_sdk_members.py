"""Every member that OpenAI's client can send is known here: read, ignored, or refused in words of its own."""

from typing import Any, get_type_hints

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from gateway.errors import InvalidRequest
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.dialect import HttpDialect
from gateway.server.http.responses.responses_api import Responses
from tests.support.requests import request_of

CHAT, RESPONSES = ChatCompletions(), Responses()
LEAST: dict[str, dict[str, Any]] = {
    CHAT.method: {"messages": [{"role": "user", "content": "hello"}], "stream": True},
    RESPONSES.method: {"input": "hello"},
}
CASES = [
    *((CHAT, name) for name in get_type_hints(CompletionCreateParamsStreaming)),
    *((RESPONSES, name) for name in get_type_hints(ResponseCreateParamsStreaming)),
]


@pytest.mark.parametrize(("dialect", "name"), CASES, ids=lambda value: getattr(value, "method", value))
def test_every_member_is_known(dialect: HttpDialect, name: str) -> None:
    """A value that no member can have: what complains of the value knows the member."""
    body = LEAST[dialect.method] | {name: {"no": ["such", "value"]}}
    try:
        dialect.parse(body, request_of("hello"), HttpPolicy())
    except InvalidRequest as error:
        told = error.field, error.description  # Where a member is ignored, nothing is raised.
        assert told != (name, "is not known here; leave it out")
