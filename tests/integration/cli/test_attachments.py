"""`gateway generate` with tools, images and a model by name, against a real gRPC server."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import ANSWER, ScriptedGateway

LOOK = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
CALLS = pb.GenerateResponse(
    finish_reason=pb.FINISH_REASON_TOOL_CALLS,
    message=pb.Message(
        role=pb.ROLE_ASSISTANT,
        parts=[
            pb.Part(tool_call=pb.ToolCall(id="c1", name="look", arguments_json='{"at": 1}')),
            pb.Part(tool_call=pb.ToolCall(id="c2", name="look", arguments_json='{"at": 2}')),
        ],
    ),
)


async def generate(*arguments: str) -> int:
    """Run `gateway generate`; return its exit status."""
    return await asyncio.to_thread(run, ["generate", *arguments])


def asked(service: ScriptedGateway, number: int = 0) -> pb.GenerateRequest:
    """Return a request that the gateway got."""
    request = service.requests[number]
    assert isinstance(request, pb.GenerateRequest)
    return request


@pytest.mark.parametrize("form", ["alone", "list", "openai"])
async def test_a_tool_is_read_from_a_file(
    form: str, service: ScriptedGateway, target: str, tmp_path: Path
) -> None:
    """A file holds a tool, a list of tools, or tools as OpenAI's API has them."""
    forms = {"alone": LOOK, "list": [LOOK], "openai": {"type": "function", "function": LOOK}}
    file = tmp_path / "tool.json"
    file.write_text(json.dumps(forms[form]))
    assert await generate("--server", target, "--tool", str(file), "--model", "edge", "hi") == 0
    (tool,) = asked(service).config.tools
    assert (tool.name, tool.description) == ("look", "Looks.")
    assert json.loads(tool.parameters_json_schema) == {"type": "object"}
    assert asked(service).model == "edge"


async def test_an_image_is_a_part_beside_the_text(
    service: ScriptedGateway, target: str, tmp_path: Path
) -> None:
    """A file is sent as bytes with its type, a URL as it is."""
    file = tmp_path / "a.PNG"
    file.write_bytes(b"png")
    url = "https://example.org/b.jpg"
    assert await generate("--server", target, "--image", str(file), "--image", url, "what is it") == 0
    text, image, other = asked(service).messages[0].parts
    assert text.text == "what is it"
    assert (image.image.data, image.image.media_type) == (b"png", "image/png")
    assert other.image.url == url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tool", "none.json"], "--tool none.json: No such file or directory"),
        (["--tool", "bad.json"], "--tool bad.json: is not JSON"),
        (["--tool", "odd.json"], '--tool odd.json: must hold {"name"'),
        (["--image", "none.png"], "--image none.png: No such file or directory"),
        (["--image", "odd.json"], "--image odd.json: is no image by its name"),
    ],
)
async def test_what_cannot_be_read_is_one_line(
    arguments: list[str],
    said: str,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong file is named, and nothing is sent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "odd.json").write_text('["look"]')
    assert await generate("--server", target, *arguments, "hi") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


async def test_calls_are_printed_line_by_line(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a model asks of tools is what it answers."""
    service.answer = CALLS
    assert await generate("--server", target, "hi") == 0
    assert capsys.readouterr().out == 'call look {"at": 1}\ncall look {"at": 2}\n'


async def test_in_a_conversation_the_next_lines_are_the_results(
    service: ScriptedGateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call gets one line as its result, in order; then the model is asked again."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hi\nwaves\nsand\n")))
    answers = [CALLS, ANSWER]

    async def next_answer(_: object) -> None:
        service.answer = answers.pop(0)

    service.behaviour = next_answer
    assert await generate("--server", target, "--chat") == 0
    user, said, first, second = asked(service, 1).messages
    assert user.content == "hi"
    assert said == CALLS.message
    results = [message.parts[0].tool_result for message in (first, second)]
    assert [(each.tool_call_id, each.parts[0].text) for each in results] == [("c1", "waves"), ("c2", "sand")]
