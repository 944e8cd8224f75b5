"""New virtual environments, and what was installed into them, for tests of packages."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import ROOT

INSTALL_TIMEOUT_S = 900.0
"""llama.cpp takes 6 minutes where pip's cache does not have it."""

_IMPORT_ALL = """
import importlib, json, pkgutil, gateway
missing = {}
for module in pkgutil.walk_packages(gateway.__path__, "gateway.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missing[module.name] = error.name
print(json.dumps(missing))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, used from a folder where no repository is."""

    folder: Path

    @property
    def work(self) -> Path:
        """The folder that its programs run in."""
        return self.folder / "work"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a program of this environment."""
        return [str(self.folder / "bin" / arguments[0]), *arguments[1:]]

    def environ(self) -> dict[str, str]:
        """Return the variables of its programs: nothing of the repository is among them."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GATEWAY"))
        }
        return {**kept, "XDG_STATE_HOME": str(self.work)}

    def run(self, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.work,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def output(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """Run a program that has to succeed, and return what it printed."""
        done = self.run(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def not_importable(self) -> dict[str, str]:
        """Import every module of the package; return those that fail, with the name of what they lack."""
        missing: dict[str, str] = json.loads(self.output("python", "-c", _IMPORT_ALL))
        return missing

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Run `gateway serve` until the block ends; yields its address."""
        command = self.command("gateway", "serve", "--state", "memory:", "--listen", "127.0.0.1:0")
        with subprocess.Popen(
            [*command, *arguments, "--log-format", "json"],
            cwd=self.work,
            env=self.environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield _address(process)
            finally:
                process.terminate()
                process.communicate(timeout=60)  # Reads on: a full pipe would keep it from ending.
        assert process.returncode == 0


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:  # Ends with the process.
        said.append(line)
        if '"gateway.serving"' in line:
            return str(json.loads(line)["listen"])
    raise AssertionError("".join(said))


def _compiled() -> list[str]:
    """Return the option with which pip finds llama.cpp as it compiled it for any version of Python."""
    listing = [sys.executable, "-m", "pip", "cache", "list", "llama_cpp_python", "--format", "abspath"]
    done = subprocess.run(listing, capture_output=True, text=True, timeout=60, check=False)
    return [f"--find-links={Path(wheel).parent}" for wheel in done.stdout.split()]


def install(folder: Path, requirement: str) -> Environment:
    """Make an environment with one requirement, at the versions of constraints.txt."""
    environment = Environment(folder)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    environment.work.mkdir()
    environment.output(
        *("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
        *("--constraint", str(ROOT / "constraints.txt"), *_compiled(), requirement),
        timeout_s=INSTALL_TIMEOUT_S,
    )
    return environment
