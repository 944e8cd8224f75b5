"""The command line as a whole: help, exit statuses, one-line errors, and what a terminal is spared."""

import os
import socket
import struct
import subprocess
import sys
import threading

import pytest
import typer

from gateway import __version__
from gateway.cli import app as cli
from gateway.cli.app import COMMANDS, load_command, run
from gateway.cli.exits import CommandFailed
from gateway.errors import PolicyError, StartupError

HEAVY = ("grpc", "openai", "llama_cpp", "aiohttp", "pydantic", "numpy")
MARK = "a-marked-prompt"


def _python(code: str, *, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout_s, check=False
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Make every command raise the error that the test puts into the list."""
    errors: list[BaseException] = []

    def fail(*_args: object, **_kwargs: object) -> None:
        raise errors[0]

    monkeypatch.setattr(cli, "app", fail)
    return errors


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway --help` names each command with what it does."""
    assert run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, (_, summary) in COMMANDS.items():
        assert name in shown
        assert summary.split()[0] in shown


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_summary_is_the_first_sentence_of_the_help(name: str) -> None:
    """What `gateway --help` says of a command is what the command says of itself."""
    assert (load_command(name).help or "").split("\n\n")[0].replace("\n", " ").strip() == COMMANDS[name][1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_teaches_with_an_example(name: str) -> None:
    """Each command shows a line that can be typed."""
    command = load_command(name)
    parts = getattr(command, "commands", {name: command})
    for part in parts.values():
        assert "Example: " in part.help, f"{part.name} has no example"


def test_help_and_policy_check_load_no_heavy_library() -> None:
    """`--help` and `policy check` start without gRPC, the cloud SDK and llama.cpp."""
    code = f"""
import sys
from gateway.cli.app import run
assert run(["--help"]) == 0
print([name for name in {HEAVY!r} if name in sys.modules])
assert run(["policy", "check", "policies/default.yaml"]) == 0
print([name for name in {HEAVY[:4]!r} if name in sys.modules])
"""
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("[]") == 2, done.stdout


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway --version` prints name and version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"gateway {__version__}\n"


def test_the_module_is_the_command() -> None:
    """`python -m gateway` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"gateway {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["polcy"], "Did you mean 'policy'?"),
        (["feedback"], "Missing argument"),
        (["generate", "--temperature", "3", "x"], "--temperature"),
        (
            ["generate", "--privacy-class", "secret", "x"],
            "'--privacy-class': 'secret' is not one of 'public',",
        ),
        (["generate", "--max-tokens", "many", "x"], "'--max-tokens': must be a whole number"),
        (["generate", "--max-tokens", "0", "x"], "'--max-tokens': must be at least 1"),
        (["generate", "--temperature", "hot", "x"], "'--temperature': must be a number"),
        (["serve", "--log-format", "xml"], "'xml' is not one of 'json', 'text'"),
        (["generate", "--label", "team", "x"], "KEY=VALUE"),
        (["generate", "--label", "a=1", "--label", "a=2", "x"], "twice"),
        (["score", "--input", "x.jsonl"], "--output"),
        (["generate", "--no-such-option", "x"], "--no-such-option"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that cannot be understood ends with 2, and says which part."""
    assert run(arguments) == 2
    captured = capsys.readouterr()
    shown = " ".join(captured.err.replace("│", " ").split())
    assert said in shown
    assert "Value error" not in shown
    assert "Input should" not in shown
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PolicyError(["p.yaml:1: a: x", "p.yaml:2: b: y"]), 2, "p.yaml:1: a: x\np.yaml:2: b: y\n"),
        (StartupError("--listen: in use"), 2, "gateway: --listen: in use\n"),
        (CommandFailed("no answer"), 1, "gateway: no answer\n"),
        (CommandFailed("bad file", status=2), 2, "gateway: bad file\n"),
    ],
)
def test_a_known_error_is_its_own_line(
    failing: list[BaseException],
    error: BaseException,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error that somebody foresaw is shown in its own words."""
    failing.append(error)
    assert run(["generate", MARK]) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("debug", "says_where"), [("", False), ("1", True)])
def test_an_unknown_error_is_a_defect_and_tells_no_prompt(
    failing: list[BaseException],
    debug: str,
    says_where: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody foresaw is named by type; its message, which may hold a prompt, is never shown."""
    monkeypatch.setenv("GATEWAY_DEBUG", debug)
    error = KeyError(MARK)
    error.__cause__ = ValueError(MARK)
    failing.append(error)
    assert run(["generate", MARK]) == 1
    said = capsys.readouterr().err
    assert "gateway: KeyError: this is a defect" in said
    assert MARK not in said
    assert ("app.py" in said) is says_where
    assert ("ValueError" in said) is says_where
    assert len(said.splitlines()) == 1 or says_where


def test_ctrl_c_is_130_and_says_nothing() -> None:
    """A command that is interrupted ends as the shell expects, without a traceback."""
    code = """
import sys
import typer
from gateway.cli import app as cli
plain = typer.Typer()
@plain.command()
def interrupted() -> None:
    raise KeyboardInterrupt
cli.app = plain
sys.exit(cli.run([]))
"""
    done = _python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def _says_goaway(listener: socket.socket) -> None:
    """Be an HTTP/2 server that greets, and then goes away with an internal error."""
    settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    goaway = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + struct.pack(">II", 0, 2)
    connection, _ = listener.accept()
    with connection:
        connection.sendall(settings + goaway)
        connection.recv(65_536)


def test_grpc_does_not_talk_between_the_lines() -> None:
    """A peer that goes away with an error is our own one line, and none of gRPC's core."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_says_goaway, args=(listener,), daemon=True).start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "gateway", "generate", "x", "--server", server, "--timeout-s", "1"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "goaway" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    """`gateway policy show | head -1` prints one line and no complaint."""
    read, write = os.pipe()
    command = [sys.executable, "-m", "gateway", "policy", "show", "policies/default.yaml"]
    with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True) as process:
        os.close(read)
        os.close(write)
        _, complaint = process.communicate(timeout=60)
    assert complaint == ""
    assert process.returncode != 0


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "FORCE_COLOR": ""}, {}])
def test_there_is_no_colour_without_a_terminal(variables: dict[str, str]) -> None:
    """Escape sequences are for terminals: a pipe gets none."""
    environ = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ | variables,
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_completion_knows_commands_and_options() -> None:
    """Shell completion proposes the commands, and the options of a command that is loaded late."""
    for words, proposed in (("gateway pol", "policy"), ("gateway score --inp", "--input")):
        done = subprocess.run(
            [sys.executable, "-m", "gateway"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ
            | {
                "_GATEWAY_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
        )
        assert proposed in done.stdout.split(), done.stderr


def test_load_command_gives_groups_and_commands() -> None:
    """A command with commands of its own is loaded as a group."""
    assert isinstance(load_command("policy"), typer.core.TyperGroup)
    assert not isinstance(load_command("score"), typer.core.TyperGroup)
