"""`gateway embed` against a real gRPC server: what is sent, what is printed, and the status."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway.cli.app import run
from gateway.client import GatewayClient, SyncGatewayClient
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import ScriptedGateway, failing


async def gateway(*arguments: str) -> int:
    """Run a command as `gateway` would, beside the server of the test; return its exit status."""
    return await asyncio.to_thread(run, arguments)


def sent(service: ScriptedGateway) -> pb.EmbedRequest:
    """Return the only request."""
    (request,) = service.requests
    assert isinstance(request, pb.EmbedRequest)
    return request


async def test_a_line_for_each_text(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With dimensions and length; model and tokens go to standard error."""
    assert await gateway("embed", "--server", target, "a cat", "a dog") == 0
    out, err = capsys.readouterr()
    assert out == "1  2 dimensions  norm 1.0000\n2  2 dimensions  norm 1.0000\n"
    assert err == "(near, space small-v1, 7 tokens, 0.000000 USD)\n"
    assert list(sent(service).input) == ["a cat", "a dog"]


async def test_json_has_the_vectors_and_options_are_sent(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unset stays unset."""
    options = ("--model", "small-v1", "--dimensions", "2", "--privacy-class", "internal", "--label", "a=b")
    assert await gateway("embed", "--server", target, "--json", *options, "x") == 0
    vectors = [each["values"] for each in json.loads(capsys.readouterr().out)["embeddings"]]
    assert vectors == [pytest.approx([0.6, 0.8])]
    request = sent(service)
    assert (request.model, request.dimensions, dict(request.labels)) == ("small-v1", 2, {"a": "b"})
    assert request.hints.privacy_class == pb.PRIVACY_CLASS_INTERNAL
    assert not request.hints.HasField("max_cost_usd")


@pytest.mark.parametrize("is_file", [False, True])
async def test_each_line_of_a_file_or_of_standard_input_is_a_text(
    service: ScriptedGateway,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_file: bool,
) -> None:
    """Blank lines are none, and a line ends at a line feed only."""
    data = "a cat\r\n\na dog\u2028here".encode()
    path = tmp_path / "texts.txt"
    path.write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert await gateway("embed", "--server", target, *(("--file", str(path)) if is_file else ())) == 0
    assert list(sent(service).input) == ["a cat", "a dog\u2028here"]


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (("--file", "texts.txt", "x"), b"x", "TEXT does not go with --file"),
        (("--file", "missing.txt"), b"x", "missing.txt: cannot be read (No such file or directory)"),
        (("--file", "texts.txt"), b"\n \n", "texts.txt has no text"),
        (("--file", "texts.txt"), b"\xff", "texts.txt is not UTF-8 (byte 0)"),
    ],
)
def test_what_cannot_be_read_is_said(
    arguments: tuple[str, ...],
    data: bytes,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before a gateway is asked."""
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_bytes(data)
    assert run(("embed", *arguments)) in (1, 2)
    assert message in capsys.readouterr().err


async def test_a_refusal_is_one_line(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 1."""
    info = error_details_pb2.ErrorInfo(reason="CLEARANCE", domain="gateway.v1")
    service.behaviour = failing(code_pb2.FAILED_PRECONDITION, info)
    assert await gateway("embed", "--server", target, "x") == 1
    assert capsys.readouterr().err.startswith("gateway: ")


async def test_both_clients_embed(service: ScriptedGateway, target: str) -> None:
    """The same call, with more bytes than gRPC takes by default."""
    request = pb.EmbedRequest(input=["x"] * 400_000)

    def call() -> int:
        with SyncGatewayClient(target) as client:
            return len(client.embed(request).embeddings)

    async with GatewayClient(target) as client:
        found = len((await client.embed(pb.EmbedRequest(input=["x", "y"]))).embeddings)
    assert found == 2
    assert await asyncio.to_thread(call) == 400_000
