"""Wheel and sdist: complete, of one version, and with a client that needs gRPC alone."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import gateway
from tests.support.repository import ROOT

SOURCES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt")
FOLDERS = ("gateway", "protos")
STEM = f"edge_cloud_gateway-{gateway.__version__}"

FENCED = """
import sys
brought = {"google", "grpc", "grpc_health", "grpc_status", "typing_extensions"}
allowed = {"gateway", *brought, *sys.stdlib_module_names}

class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Fence())
"""
"""Nothing but the standard library, this package and what the base install brings can be imported."""


@dataclass(frozen=True)
class Built:
    """The two archives, and the wheel's content as an installer would lay it."""

    wheel: Path
    sdist: Path
    site: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build both as `make dist` does, from a copy, so that nothing is written into the repository."""
    folder = tmp_path_factory.mktemp("built")
    copy, out, site = folder / "copy", folder / "out", folder / "site"
    copy.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, copy)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = Built(wheel=out / f"{STEM}-py3-none-any.whl", sdist=out / f"{STEM}.tar.gz", site=site)
    with zipfile.ZipFile(made.wheel) as archive:
        archive.extractall(site)
    return made


def _package_files() -> set[str]:
    """Return every file of the package in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "gateway"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_both_have_every_file_of_the_package(built: Built) -> None:
    """Policies, models, word lists, scripts and types are in the wheel and in the sdist, and no test is."""
    with zipfile.ZipFile(built.wheel) as wheel:
        in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    with tarfile.open(built.sdist) as sdist:
        in_sdist = {member.name.removeprefix(f"{STEM}/") for member in sdist if member.isfile()}
    expected = _package_files()
    assert "gateway/policy/default.yaml" in expected
    assert in_wheel == expected
    assert {name for name in in_sdist if name.startswith("gateway/")} == expected
    assert {*SOURCES, "protos/gateway/v1/gateway.proto"} <= in_sdist
    assert not any(name.startswith("tests/") for name in in_sdist)


def test_the_version_has_one_source(built: Built) -> None:
    """What the archives are called, what they say and what the command says is `gateway.__version__`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    metadata = email.message_from_string(
        (built.site / f"{STEM}.dist-info" / "METADATA").read_text(encoding="utf-8")
    )
    assert metadata["Version"] == gateway.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert {*metadata.get_all("Provides-Extra", [])} == {*project["optional-dependencies"]}


def test_the_base_requires_grpc_and_protobuf_only(built: Built) -> None:
    """Whoever wants the client compiles nothing."""
    metadata = email.message_from_string(
        (built.site / f"{STEM}.dist-info" / "METADATA").read_text(encoding="utf-8")
    )
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = {re.split(r"[^A-Za-z0-9-]", line)[0] for line in required}
    assert names == {
        "googleapis-common-protos",
        "grpcio",
        "grpcio-health-checking",
        "grpcio-status",
        "protobuf",
    }


def _fenced(built: Built, code: str) -> subprocess.CompletedProcess[str]:
    program = f"{FENCED}\nsys.path.insert(0, {str(built.site)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=built.site,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_client_imports_without_the_extras(built: Built) -> None:
    """Every module of the client, async, sync and for operators, from the wheel."""
    modules = [
        f"gateway.client.{path.stem}"
        for path in (built.site / "gateway" / "client").glob("*.py")
        if path.stem != "__init__"
    ]
    assert len(modules) > 3
    done = _fenced(built, f"import gateway.client, {', '.join(modules)}; print(gateway.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(built.site / "gateway" / "__init__.py")


def test_the_command_of_the_base_names_the_server(built: Built) -> None:
    """It is one line on standard error, and no success."""
    done = _fenced(built, "from gateway.__main__ import main; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gateway: this command needs typer, which is not installed; install edge-cloud-gateway[server]\n"
    )
