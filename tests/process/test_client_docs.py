"""`docs/guides/write-a-client.md` in use: the statuses, the Python that it shows, and every grpcurl line."""

import asyncio
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

import gateway.client
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb
from tests.support.repository import ROOT
from tests.support.served import served

PAGE = (ROOT / "docs" / "guides" / "write-a-client.md").read_text(encoding="utf-8")
SERVICES = {
    service.full_name: service
    for file in (pb.DESCRIPTOR, health_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
}
FLAGS = {"-plaintext": 0, "-max-time": 1, "-d": 1, "-cacert": 1, "-H": 1}
"""Flags of grpcurl that the page uses -> how many values each takes."""


def _grpcurl_lines() -> Iterator[list[str]]:
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.S | re.M):
        yield from (shlex.split(line) for line in block.splitlines() if line.startswith("grpcurl "))


def _parsed(line: list[str]) -> tuple[Mapping[str, str], list[str]]:
    """Return the flags with their values, and the other words."""
    flags, words, rest = {}, [], iter(line[1:])
    for word in rest:
        if word.startswith("-"):
            flags[word] = next(rest) if FLAGS[word] else ""
        else:
            words.append(word)
    return flags, words


def _request(method: str, data: str) -> Message:
    """Read the JSON of a call as grpcurl does; raises ParseError for a field that is not there."""
    service, _, name = method.partition("/")
    message: Message = GetMessageClass(SERVICES[service].methods_by_name[name].input_type)()
    return ParseDict(json.loads(data), message)


@pytest.mark.parametrize("line", list(_grpcurl_lines()), ids=lambda line: line[-1])
def test_grpcurl_lines_fit_the_contract(line: list[str]) -> None:
    """Each line names a method that there is, with a request that it takes."""
    flags, words = _parsed(line)
    assert ("-plaintext" in flags) != ("-cacert" in flags)
    address, *what = words
    assert re.fullmatch(r"[\w.]+:\d+", address)
    match what:
        case ["list", service]:
            assert service in SERVICES
        case ["describe", message]:
            assert pb.DESCRIPTOR.pool.FindMessageTypeByName(message)
        case [method]:
            assert _request(method, flags["-d"]).ByteSize() > 0
        case _:
            pytest.fail(f"unknown form: {what}")


def test_grpcurl_lines_are_found() -> None:
    """The checks see the lines for all methods: a check that finds none would pass for ever."""
    methods = {words[-1].rpartition("/")[2] for _, words in map(_parsed, _grpcurl_lines())}
    assert {"Generate", "StreamGenerate", "Explain", "Check"} <= methods


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not installed")
async def test_grpcurl_lines_run() -> None:
    """Where there is a grpcurl, each line without TLS succeeds at a real gateway."""
    async with served({}) as running:
        for line in _grpcurl_lines():
            if "-plaintext" in line:
                here = [running.server.target if word == "127.0.0.1:50051" else word for word in line]
                process = await asyncio.create_subprocess_exec(*here, stdout=asyncio.subprocess.PIPE)
                out, _ = await asyncio.wait_for(process.communicate(), timeout=60)
                assert process.returncode == 0, line
                assert out


def test_every_status_has_its_row() -> None:
    """The table of statuses has those that a gateway and gRPC itself send, and no other."""
    table = PAGE.partition("| status | what a client does |")[2].partition("\n## ")[0]
    named = {name for row in re.findall(r"^\| ([A-Z_, ]+) \|", table, re.M) for name in row.split(", ")}
    assert named <= {status.name for status in grpc.StatusCode}
    never_sent = {"NOT_FOUND", "ALREADY_EXISTS", "OUT_OF_RANGE", "DATA_LOSS", "PERMISSION_DENIED"}
    assert named | never_sent == {status.name for status in grpc.StatusCode}


def test_every_error_of_the_client_has_its_row() -> None:
    """The table of errors names what `gateway.client` exports, and nothing else."""
    exported = {
        name
        for name in gateway.client.__all__
        if isinstance(kind := getattr(gateway.client, name), type) and issubclass(kind, CallFailed)
    }
    table = PAGE.partition("| error | status |")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == exported - {"CallFailed"}


def test_the_python_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The code shown is code: against nobody, it ends in the error that it prints."""
    (shown,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)
    assert "gateway.example:50051" in shown
    exec(compile(shown.replace("gateway.example:50051", "127.0.0.1:1"), "clients.md", "exec"), {})
    assert capsys.readouterr().out.startswith("UNAVAILABLE  None check the address")
