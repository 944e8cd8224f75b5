"""What `make setup` says while llama.cpp compiles, read from the output of a real build."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT, tool

SETUP = ROOT / "tools" / "setup.sh"
PROGRAM = ROOT / "tools" / "build_progress.py"

BUILD = """\
Collecting llama-cpp-python==0.3.36
  Downloading llama_cpp_python-0.3.36.tar.gz (76.6 MB)
  Preparing metadata (pyproject.toml): started
  *** Building project with Ninja...
  [1/193] /usr/bin/g++ -DGGML_BUILD -DGGML_SCHED_MAX_COPIES=4 -o vendor/llama.cpp/ggml/src/ggml.cpp.o
  [2/193] /usr/bin/gcc -DGGML_BUILD -DGGML_SCHED_MAX_COPIES=4 -o vendor/llama.cpp/ggml/src/ggml-alloc.c.o
  [34/193] /usr/bin/g++ -DGGML_BUILD -Wno-array-bounds[4] -o vendor/llama.cpp/ggml/src/gguf.cpp.o
"""
"""As pip writes it with --verbose; without most lines, and most of each compiler's line."""

PYTHON = """\
#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *build_progress*) exec {python} "$@" ;;
  *"import llama_cpp"*) exit 1 ;;
  *"install --verbose"*) cat {build}; exit {status} ;;
esac
"""
"""A program in the place of Python: its pip writes what a build wrote, in no time."""


TOOL = tool("build_progress")


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _shown(*, is_terminal: bool) -> str:
    """Return what is written if each line of the build takes four seconds."""
    out, clock = io.StringIO(), _Clock()
    progress = TOOL.Progress("compiling", out, is_terminal=is_terminal, now_s=clock)
    for line in BUILD.splitlines():
        clock.now_s += 4.0
        progress.take(line)
        progress.show()
    progress.end()
    return out.getvalue()


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    """It counts what ninja counts; before that, it says that the build is prepared."""
    assert _shown(is_terminal=False) == ("compiling: preparing, 12 s\ncompiling: [2/193], 24 s\n")


def test_a_terminal_gets_one_line_that_changes() -> None:
    """Each text takes the place of the one before, and the last is taken away."""
    texts = _shown(is_terminal=True).split("\r\x1b[K")
    assert "\n" not in "".join(texts)
    assert texts[1] == "compiling: preparing, 4 s"
    assert texts[-2] == "compiling: [34/193], 28 s, about 37 s left"  # 34 steps took 8 s.
    assert texts[-1] == ""


def test_a_terminal_is_recognised(tmp_path: Path) -> None:
    """On a real terminal the tool rewrites its line, and the log has all that the build wrote."""
    ours, theirs = pty.openpty()
    command = [sys.executable, str(PROGRAM), "--log", str(tmp_path / "log")]
    subprocess.run(command, input=BUILD.encode(), stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\r\x1b[Ksetup: compiling llama.cpp: [34/193]" in shown
    assert "\n" not in shown
    assert (tmp_path / "log").read_text() == BUILD


def test_a_silent_build_is_looked_at() -> None:
    """Where the build says nothing for a while, the reader gets an empty line, and later the whole one."""
    ours, theirs = os.pipe()
    log = io.BytesIO()
    with os.fdopen(ours, "rb") as source, os.fdopen(theirs, "wb", buffering=0) as build:
        read = TOOL.lines(source, log, silent_s=0.01)
        build.write(b"  [3/193] /usr/bin/g++ \xc3")
        assert next(read) == ""
        build.write(b"\xa4.cpp\n")
        assert next(line for line in read if line) == "  [3/193] /usr/bin/g++ ä.cpp"
    assert log.getvalue() == "  [3/193] /usr/bin/g++ ä.cpp\n".encode()


def test_a_silent_build_is_still_going_on() -> None:
    """A compiler that takes long says nothing; the time goes on all the same."""
    out, clock = io.StringIO(), _Clock()
    progress = TOOL.Progress("compiling", out, is_terminal=False, now_s=clock)
    progress.take("  [3/193] /usr/bin/g++")
    for _ in range(3):
        clock.now_s += 10.0
        progress.take("")
        progress.show()
    assert out.getvalue().splitlines()[-1].startswith("compiling: [3/193], 30 s")


def _setup(folder: Path, *, status: int) -> subprocess.CompletedProcess[str]:
    build, python = folder / "build.txt", folder / "python"
    build.write_text(BUILD)
    python.write_text(PYTHON.format(python=sys.executable, build=build, status=status))
    python.chmod(0o700)
    environ = {**os.environ, "PYTHON": str(python), "VENV": str(folder / "venv")}
    return subprocess.run(
        [str(SETUP)], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (1, 1)], ids=["compiled", "failed"])
def test_setup_knows_how_the_build_ended(status: int, ends: int, tmp_path: Path) -> None:
    """A build that fails ends the set-up with the end of its output; one that does not shows none of it."""
    done = _setup(tmp_path, status=status)
    assert done.returncode == ends, done.stdout + done.stderr
    assert ("setup: llama.cpp is ready" in done.stdout) == (status == 0)
    assert ("[34/193] /usr/bin/g++" in done.stderr) == (status == 1)
    assert ("setup: llama.cpp did not compile" in done.stderr) == (status == 1)
    assert (tmp_path / "venv" / "llama-cpp-build.log").read_text() == BUILD
