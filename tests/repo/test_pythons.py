"""`make test-pythons`: every Python that is installed is tried, and the others are named."""

import subprocess
from pathlib import Path

from tests.support.repository import ROOT

SCRIPT = ROOT / "tools" / "test_pythons.sh"
MAKE = """\
#!/bin/sh
echo "$@"
case "$*" in *python3.{failing}*) exit 1 ;; esac
"""


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)


def _tried(folder: Path, *, on_path: list[int], pyenv: list[int], failing: int = 0) -> tuple[int, list[str]]:
    """Run the script where these minor versions are installed; return its status and what it wrote."""
    programs, versions = folder / "bin", folder / "pyenv" / "versions"
    _program(programs / "make", MAKE.format(failing=failing))
    for minor in on_path:
        _program(programs / f"python3.{minor}", "#!/bin/sh\nexit 0\n")
    for minor in pyenv:
        _program(programs / f"python3.{minor}", "#!/bin/sh\nexit 127\n")  # What pyenv has for each version.
        _program(versions / f"3.{minor}.1" / "bin" / "python3", "#!/bin/sh\nexit 0\n")
    done = subprocess.run(
        ["/bin/bash", str(SCRIPT)],
        env={"PATH": str(programs), "PYENV_ROOT": str(folder / "pyenv")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_what_is_installed_is_tried(tmp_path: Path) -> None:
    """Those on the PATH and those of pyenv run tests and demo; one that is not there is skipped aloud."""
    status, lines = _tried(tmp_path, on_path=[11, 12], pyenv=[13])
    ran = [line for line in lines if "test-fast demo" in line]
    pyenv = tmp_path / "pyenv" / "versions" / "3.13.1" / "bin" / "python3"
    assert [line.partition("PYTHON=")[2] for line in ran] == [
        "python3.11 VENV=build/python3.11",
        "python3.12 VENV=build/python3.12",
        f"{pyenv} VENV=build/python3.13",
    ]
    assert "== python3.14: skipped, it is not installed" in lines
    assert lines[-1] == "pythons: 3 passed, 0 failed, 1 skipped"
    assert status == 0


def test_one_that_fails_fails_the_run(tmp_path: Path) -> None:
    """The others are tried all the same."""
    status, lines = _tried(tmp_path, on_path=[11, 12], pyenv=[], failing=11)
    assert lines[-1] == "pythons: 1 passed, 1 failed, 2 skipped"
    assert status != 0


def test_none_is_no_success(tmp_path: Path) -> None:
    """A machine with no Python that fits has tested nothing."""
    status, lines = _tried(tmp_path, on_path=[], pyenv=[])
    assert lines[-1] == "pythons: 0 passed, 0 failed, 4 skipped"
    assert status != 0
