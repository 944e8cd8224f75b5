"""What service developers copy works against a real gateway, engine process included: Python and Node."""

import ast
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway.backends.base import Backend
from gateway.clock import SystemClock
from gateway.domain.answer import Chunk, FinishReason
from gateway.errors import BackendFailed, StreamTruncated
from gateway.records.writer import Records
from gateway.testing.scripted import Act, ScriptedBackend
from tests.support.npm_packages import install_packages
from tests.support.repository import ROOT
from tests.support.served import ANY_PORT, served

EXAMPLES = ROOT / "examples"
NODE = EXAMPLES / "node"
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "client.py": (sys.executable, str(EXAMPLES / "client.py")),
    "streaming.py": (sys.executable, str(EXAMPLES / "streaming.py")),
    "client.js": ("node", str(NODE / "client.js")),
}
STREAMING = ("streaming.py", "client.js")


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The packages of the Node example, as its first line says; skips where a machine cannot have them."""
    install_packages(NODE)


@pytest.fixture(params=sorted(PROGRAMS))
def program(request: pytest.FixtureRequest) -> str:
    """Each example in turn."""
    name: str = request.param
    if name == "client.js":
        request.getfixturevalue("node_modules")
    return name


@pytest.fixture(params=STREAMING)
def streaming(request: pytest.FixtureRequest) -> str:
    """Each example that streams."""
    name: str = request.param
    if name == "client.js":
        request.getfixturevalue("node_modules")
    return name


async def _run(name: str, *arguments: str) -> tuple[int | None, str, str]:
    return await _run_command(*PROGRAMS[name], *arguments)


async def _run_command(
    *command: str, environ: Mapping[str, str] | None = None
) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=None if environ is None else {**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=60)
    return process.returncode, out.decode(), err.decode()


async def test_it_prints_the_answer_of_the_embedded_model(program: str) -> None:
    """The first thing that anyone tries: a question, and an answer made at the edge."""
    async with served({}) as gateway:
        status, out, err = await _run(program, gateway.server.target, "hello")
    answer, *_, source = out.splitlines()
    assert (status, err) == (0, "")
    assert answer
    assert re.fullmatch(r"\(ROUTE_LOCAL, edge, 0(\.0)? USD\)", source)


@pytest.mark.usefixtures("node_modules")
async def test_the_node_client_runs_beside_a_copy_of_the_protos(tmp_path: Path) -> None:
    """Copied without the repository it needs its packages, error_details.proto and a folder of protos."""
    for name in ("client.js", "error_details.proto", "package.json"):
        shutil.copy(NODE / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    async with served({}) as gateway:
        status, out, err = await _run_command(
            "node",
            str(tmp_path / "client.js"),
            gateway.server.target,
            "hello",
            environ={"GATEWAY_PROTOS": str(tmp_path / "protos")},
        )
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("(ROUTE_LOCAL, edge, 0")


def _all_fail() -> Mapping[str, Backend]:
    return {name: ScriptedBackend(name, [BackendFailed(name, "down")]) for name in ("edge", "cloud")}


async def test_it_tells_a_canned_reply_from_an_answer(program: str) -> None:
    """A canned reply is marked with the reason why no model answered."""
    async with served(_all_fail()) as gateway:
        status, out, _ = await _run(program, gateway.server.target, "hello")
    assert (status, out) == (0, "[REASON_UPSTREAM_ERROR] Sorry.\n")


async def test_it_shows_the_reason_of_an_error(program: str) -> None:
    """An error status ends it with code and reason."""
    async with served(_all_fail()) as gateway:
        status, _, err = await _run(program, gateway.server.target, "")
    assert status == 1
    assert err.startswith("INVALID_ARGUMENT (INVALID_REQUEST): messages[0].content")


async def test_it_tells_no_gateway_from_a_gateway_s_error(program: str) -> None:
    """An error without ErrorInfo did not come from a gateway, and has no reason."""
    status, _, err = await _run(program, "127.0.0.1:1", "hello")
    assert status == 1
    assert re.match(r"UNAVAILABLE( \(no gateway\))?: ", err)


def _cut_then(name: str, *after: Act) -> dict[str, Backend]:
    cut: Sequence[Act] = [Chunk(text="wrong "), StreamTruncated(name, "the connection broke")]
    return {name: ScriptedBackend(name, [cut]), "cloud": ScriptedBackend("cloud", [after or cut])}


async def test_it_voids_the_text_before_a_restart(streaming: str) -> None:
    """A reader sees which text is void, and then the whole answer of the next model."""
    good = (Chunk(text="right"), Chunk(finish_reason=FinishReason.STOP))
    async with served(_cut_then("edge", *good)) as gateway:
        status, out, err = await _run(streaming, gateway.server.target, "hello")
    assert (status, err) == (0, "")
    assert out.startswith("wrong \n[void: REASON_STREAM_TRUNCATED]\nright\n(ROUTE_CLOUD, cloud, ")


async def test_it_says_that_an_answer_is_cut(streaming: str) -> None:
    """Where the policy ends a cut stream with an error, the text so far is called no answer."""
    async with served(_cut_then("edge"), policy=FAILS) as gateway:
        status, out, err = await _run(streaming, gateway.server.target, "hello")
    assert (status, out) == (1, "wrong ")
    assert "ABORTED (STREAM_TRUNCATED)" in err


FAILS = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: default, route: [edge]}
resilience: {attempts: 1, recovery: fail}
replies:
  - {id: sorry, text: "Sorry."}
"""


OWN_PACKAGES = {"gateway.client", "gateway.v1"}
"""What an example may import besides Python's own: the package of a client has it."""
NEEDS = {"openai_client.py": {"openai"}}
"""What its first line says that it needs besides."""


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_it_stands_alone_and_says_how_it_is_used(path: Path, tmp_path: Path) -> None:
    """A copy in an empty folder starts; without arguments it shows its command, and no traceback."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        imported = [node.module] if isinstance(node, ast.ImportFrom) else []
        imported += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for name in imported:
            allowed = OWN_PACKAGES | NEEDS.get(path.name, set())
            assert name in allowed or str(name).split(".")[0] in sys.stdlib_module_names, name
    shutil.copy(path, tmp_path)
    done = subprocess.run(
        [sys.executable, path.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr


async def _type(name: str, *arguments: str, typed: str) -> tuple[int | None, list[str], str]:
    """Run an example with what a person types; return its status, lines and errors."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


async def test_a_conversation_keeps_what_was_said() -> None:
    """The second turn brings the first and its answer; a canned reply would be left out."""
    edge = ScriptedBackend("edge", [_says("Hello Ann."), _says("You are Ann."), _fails("edge")])
    async with served({"edge": edge, "cloud": ScriptedBackend("cloud", [_fails("cloud")])}) as gateway:
        typed = "I am Ann.\nWho am I?\nAnd now?\n"
        status, lines, err = await _type("conversation.py", gateway.server.target, typed=typed)
    assert (status, lines, err) == (0, ["Hello Ann.", "You are Ann.", "Sorry."], "")
    sent = [message.content for message in edge.calls[1].request.messages]
    assert sent == ["Answer in one sentence.", "I am Ann.", "Hello Ann.", "Who am I?"]


async def test_the_openai_sdk_is_told_where_the_gateway_is() -> None:
    """An answer of the embedded model, by its name; what no model answered is an error, never a text."""
    async with served({}, http=ANY_PORT) as gateway:
        status, lines, err = await _type("openai_client.py", f"{gateway.http_url}/v1", "hello", typed="")
    assert (status, err) == (0, "")
    assert lines[0]
    assert lines[-1] == "(edge)"
    async with served(_all_fail(), http=ANY_PORT) as gateway:
        status, lines, err = await _type("openai_client.py", f"{gateway.http_url}/v1", "hello", typed="")
    assert (status, lines) == (1, [])
    assert err.startswith("Error code: 503")
    assert "Sorry." not in err


async def test_an_answer_fits_its_schema() -> None:
    """The embedded model gives nothing but the object that was asked for."""
    async with served({}) as gateway:
        status, lines, err = await _type(
            "json_answer.py", gateway.server.target, "The soup was cold.", typed=""
        )
    assert (status, err) == (0, "")
    assert re.fullmatch(r"mood (good|bad), urgent (True|False) \(by edge\)", lines[0])


async def test_feedback_is_kept(tmp_path: Path) -> None:
    """The score is in the records, under the id of the answer that it is about."""
    records = Records(tmp_path / "decisions.jsonl", clock=SystemClock())
    edge = ScriptedBackend("edge", [_says("Paris.")])
    async with served(
        {"edge": edge, "cloud": ScriptedBackend("cloud", [_fails("cloud")])}, records=records
    ) as gateway:
        status, lines, err = await _type("feedback.py", gateway.server.target, "What?", typed="0.5\n")
    assert (status, err) == (0, "")
    assert lines[0] == "Paris."
    request_id = lines[-1].rpartition(" ")[2]
    kept = [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]
    assert [line["score"] for line in kept if line.get("request_id") == request_id and "score" in line] == [
        0.5
    ]


def _says(text: str) -> Sequence[Act]:
    return [Chunk(text=text), Chunk(finish_reason=FinishReason.STOP)]


def _fails(name: str) -> Sequence[Act]:
    return [BackendFailed(name, "down")]


@pytest.mark.parametrize(
    "name",
    [
        "client.py",
        "openai_client.py",
        "streaming.py",
        "conversation.py",
        "json_answer.py",
        "feedback.py",
        "node/client.js",
    ],
)
def test_it_fits_on_a_page(name: str) -> None:
    """What is to be copied stays short."""
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 75


def test_the_node_packages_are_pinned() -> None:
    """Every package has one version and one content, and no host that it has to come from."""
    package = json.loads((NODE / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((NODE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    for path, entry in locked.items():
        if path:
            assert entry["integrity"].startswith("sha512-"), path
            assert "resolved" not in entry, path
    for name, version in package["dependencies"].items():
        assert locked[f"node_modules/{name}"]["version"] == version
