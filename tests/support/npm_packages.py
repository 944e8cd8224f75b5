"""The packages of a folder with programs for Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNREACHABLE_NPM = ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")
"""What npm says where no package registry answers."""


class Unavailable(Exception):
    """A machine cannot have packages of others; says why."""


def needs_node() -> None:
    """Raise Unavailable where Node or npm is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Unavailable("node and npm are not installed")


def install_packages(folder: Path) -> None:
    """Install what the lock file of a folder names; skips the test where a machine cannot have it."""
    try:
        needs_node()
    except Unavailable as why:
        pytest.skip(str(why))
    locked = folder / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= locked.stat().st_mtime:
        return
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if any(word in done.stderr for word in UNREACHABLE_NPM):
        pytest.skip("npm reaches no registry")
    assert done.returncode == 0, done.stderr
