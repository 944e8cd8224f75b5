"""`gateway models`: the files of local models, and how one is fetched."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.cli import models
from gateway.cli.app import run
from gateway.errors import WorkRefused
from gateway.offline import download
from gateway.offline.download import source_of
from gateway.offline.known_models import KNOWN
from gateway.policy.builtin import PACKAGED
from tests.support.repository import ROOT

CONTENT = b"GGUF" + bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()
POLICY = """
version: 1
models:
  edge: {{kind: llama_cpp, path: "{path}", clearance: restricted, sha256: {sha256}}}
rules: [{{name: default, route: [edge]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""


class Shelf(BaseHTTPRequestHandler):
    """Serves one file, ranges too."""

    ranges: ClassVar[list[str | None]] = []
    cuts: ClassVar[list[int]] = []
    """After how many bytes the coming answers break off."""
    knows_ranges: ClassVar[bool] = True
    path_of_model: ClassVar[str] = "/model.gguf"
    promised: ClassVar[str | None] = None
    """The hash that Hugging Face states in a header."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range") if self.knows_ranges else None
        self.ranges.append(self.headers.get("Range"))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path != self.path_of_model or start > len(CONTENT):
            self.send_error(404)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if self.promised is not None:
            self.send_header("X-Linked-ETag", f'"{self.promised}"')
        self.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the library's
        """Say nothing."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with one file."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Shelf.ranges, Shelf.cuts, Shelf.knows_ranges, Shelf.promised = [], [], True, None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/model.gguf"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pull(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is fetched whole, and its hash is printed for the policy."""
    path = tmp_path / "m.gguf"

    assert run(["models", "pull", url, "--output", str(path), "--sha256", DIGEST]) == 0

    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().out == f"{path}: sha256 {DIGEST}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["m.gguf"]


def test_pull_goes_on_where_it_ended(url: str, tmp_path: Path) -> None:
    """What an earlier try left is not fetched again."""
    path = tmp_path / "m.gguf"
    (tmp_path / "m.gguf.part").write_bytes(CONTENT[:1000])

    assert run(["models", "pull", url, "--output", str(path)]) == 0

    assert Shelf.ranges == ["bytes=1000-"]
    assert path.read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_at_the_next_try(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that hangs up is one line that says what to do, and doing it fetches only the rest."""
    path = tmp_path / "m.gguf"
    Shelf.cuts = [300_000, 100_000]

    statuses = [run(["models", "pull", url, "--output", str(path), "--sha256", DIGEST]) for _ in range(3)]

    said = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert statuses == [1, 1, 0]
    assert len(said) == 2
    assert "no connection or a broken one (ClientPayloadError); try again to resume" in said[0]
    assert Shelf.ranges == [None, "bytes=300000-", "bytes=400000-"]
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_for_the_whole(url: str, tmp_path: Path) -> None:
    """What is there is overwritten when the server begins anew."""
    path = tmp_path / "m.gguf"
    (tmp_path / "m.gguf.part").write_bytes(b"x" * 1000)
    Shelf.knows_ranges = False

    assert run(["models", "pull", url, "--output", str(path), "--sha256", DIGEST]) == 0
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("promised", "status"), [(DIGEST, 0), ("0" * 64, 1)], ids=["right", "wrong"])
def test_the_hash_that_hugging_face_states_is_held_to(
    url: str, tmp_path: Path, promised: str, status: int
) -> None:
    """Without --sha256 the file is compared with the hash that came with it."""
    path = tmp_path / "m.gguf"
    Shelf.promised = promised

    assert run(["models", "pull", url, "--output", str(path)]) == status
    assert path.exists() == (status == 0)
    assert not (tmp_path / "m.gguf.part").exists()


@pytest.mark.parametrize(
    ("address", "arguments", "said"),
    [
        ("{url}", ["--sha256", "0" * 64], f"its sha256 is {DIGEST}, not {'0' * 64}; nothing was kept"),
        ("{url}x", [], "the server answers 404 Not Found; check the name"),
        ("http://127.0.0.1:9/m.gguf", [], "127.0.0.1:9: no connection or a broken one"),
        ("model.gguf", [], "must be a URL or OWNER/REPO/FILE.gguf of Hugging Face"),
    ],
)
def test_pull_fails_in_one_line(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    address: str,
    arguments: list[str],
    said: str,
) -> None:
    """Whatever goes wrong is one line, and no file appears."""
    path = tmp_path / "m.gguf"

    status = run(["models", "pull", address.format(url=url), "--output", str(path), *arguments])

    err = capsys.readouterr().err
    assert status == 1
    assert said in err
    assert err.strip().count("\n") == 0
    assert not path.exists()


def test_pull_overwrites_nothing(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is."""
    path = tmp_path / "m.gguf"
    path.write_bytes(b"mine")

    assert run(["models", "pull", url, "--output", str(path)]) == 1
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["hf:owner/repo/sub/m.gguf", "owner/repo/sub/m.gguf"])
def test_sources(text: str) -> None:
    """A repository and a file of Hugging Face make an address and a name."""
    source = source_of(text)

    assert source.url == "https://huggingface.co/owner/repo/resolve/main/sub/m.gguf"
    assert source.file_name == "m.gguf"


def test_a_short_name_is_one_file_of_one_revision() -> None:
    """The revision and the hash are part of this package, so a file that was changed is refused."""
    for name, model in KNOWN.items():
        source = source_of(name)

        assert re.fullmatch(
            rf"https://huggingface\.co/{model.repository}/resolve/[0-9a-f]{{40}}/{model.file}", source.url
        )
        assert re.fullmatch("[0-9a-f]{64}", source.sha256 or "")
    assert len({source_of(name).sha256 for name in KNOWN}) == len(KNOWN) == 5


@pytest.mark.parametrize(("digest", "status"), [(DIGEST, 0), ("0" * 64, 1)], ids=["right", "wrong"])
def test_a_short_name_is_held_to_its_hash(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    digest: str,
    status: int,
) -> None:
    """Fetched from the repository that it stands for; the licence is named, for whoever will use it."""
    known = replace(KNOWN["qwen3-0.6b"], repository="o/r", revision="abc", file="model.gguf", sha256=digest)
    monkeypatch.setattr(download, "KNOWN", {"small": known})
    monkeypatch.setattr(models, "KNOWN", {"small": known})
    monkeypatch.setattr(download, "HUGGING_FACE", url.removesuffix("/model.gguf"))
    monkeypatch.setattr(Shelf, "path_of_model", "/o/r/resolve/abc/model.gguf")

    assert run(["models", "pull", "small", "--output", str(tmp_path / "m.gguf")]) == status

    assert (tmp_path / "m.gguf").exists() == (status == 0)
    assert ("licence: Apache-2.0, see https://huggingface.co/o/r" in capsys.readouterr().out) == (status == 0)


def test_an_air_gap_fetches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what to fetch on another host."""
    path = tmp_path / "m.gguf"

    assert run(["models", "pull", "qwen3-0.6b", "--output", str(path), "--air-gap"]) == 1
    assert "--air-gap allows no download; fetch https://huggingface.co/Qwen/" in capsys.readouterr().err


def test_a_source_without_a_file_is_refused() -> None:
    """A repository alone is not a model; the names that are known are told."""
    with pytest.raises(WorkRefused, match=r"OWNER/REPO/FILE\.gguf of Hugging Face, or one of qwen3-0\.6b, "):
        source_of("owner/repo")


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with its hash is 0, a file that was changed is 1 and a line with both hashes."""
    model, policy = tmp_path / "m.gguf", tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(path=model, sha256=DIGEST))
    model.write_bytes(CONTENT)
    assert run(["models", "verify", "--policy", str(policy)]) == 0
    assert f"edge: {model}: ok, sha256 {DIGEST}" in capsys.readouterr().out

    model.write_bytes(CONTENT + b"!")
    assert run(["models", "verify", "--policy", str(policy)]) == 1
    assert f"but the policy says {DIGEST}" in capsys.readouterr().err


def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each local model stands in a line, a file that is missing too."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(path=tmp_path / "none.gguf", sha256=DIGEST))

    assert run(["models", "list", "--policy", str(policy)]) == 0

    out = capsys.readouterr().out
    assert "missing" in out
    assert "pinned" in out
    for name in (*PACKAGED, *KNOWN):
        assert name in out


def test_the_page_has_what_the_command_shows() -> None:
    """Size, licence, template, context and speed of each short name stand in the guide as in the list."""
    page = (ROOT / "docs" / "guides" / "local-models.md").read_text(encoding="utf-8")
    figures = {name: model.figures for name, model in PACKAGED.items()}
    figures |= {name: model.figures for name, model in KNOWN.items()}
    for name, known in figures.items():
        (row,) = re.findall(rf"^\| `{re.escape(name)}`.*$", page, re.M)
        cells = [cell.strip() for cell in row.strip("|").split("|")]

        assert cells[2:6] == [
            f"{known.size_bytes / 1e6:,.0f}", known.license, known.template, f"{known.context_tokens:,}"
        ]  # fmt: skip
        assert cells[7] == f"{known.tokens_per_s:.0f}"
