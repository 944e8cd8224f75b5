"""What well-known programs send is answered, or refused for the one member that nothing here can do."""

import json

import pytest

from gateway.domain.answer import Chunk
from gateway.testing.scripted import ScriptedBackend
from tests.support.known_chat import KNOWN_CHAT
from tests.support.known_requests import function
from tests.support.known_responses import KNOWN_RESPONSES
from tests.support.openai_client import SMART, ended
from tests.support.raw_http import exchanged, said
from tests.support.served import ANY_PORT, served

KNOWN = KNOWN_CHAT | KNOWN_RESPONSES


@pytest.mark.parametrize("name", KNOWN)
async def test_what_a_known_program_sends(name: str) -> None:
    """None is refused for a member that changes nothing."""
    known = KNOWN[name]
    model = ScriptedBackend("smart", [[Chunk(text="{}"), ended()]])
    body = json.dumps(known.body).encode()
    async with served({"smart": model}, http=ANY_PORT, policy=SMART) as gateway:
        reply = await exchanged(gateway.http_address, known.path, body, headers=known.headers)
    if known.refused_for is not None:
        assert (reply.status, reply.json["error"]["param"]) == (400, known.refused_for), reply.body
        assert reply.json["error"]["code"] == "unsupported_parameter"
        assert model.calls == []
        return
    assert reply.status == 200, reply.body
    (call,) = model.calls
    tools = known.body.get("tools", ())
    assert [tool.name for tool in call.request.config.tools] == [
        tool.get("name") or tool[tool["type"]]["name"] for tool in tools
    ]
    if known.body.get("stream"):
        assert reply.is_whole


async def test_an_error_names_a_tool_in_the_form_it_was_sent_in() -> None:
    """Its members are in an object, or beside its type."""
    model = ScriptedBackend("smart", [[Chunk(text="{}"), ended()]])
    flat = {"type": "function", "name": "a b"}
    async with served({"smart": model}, http=ANY_PORT, policy=SMART) as gateway:
        for tool, param in ((flat, "tools[0].name"), (function("a b"), "tools[0].function.name")):
            reply = await exchanged(gateway.http_address, body=said(tools=[tool]))
            assert (reply.status, reply.json["error"]["param"]) == (400, param)
