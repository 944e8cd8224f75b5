"""`gateway score`: the batch format line by line, and files that are whole or not there."""

import io
import json
import os
import string
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.app import run
from gateway.offline.batch import BadLine, BatchScorer, Item, parse_line, to_line
from gateway.policy.loading.load import default_policy_path
from gateway.policy.model import PrivacyPolicy

POLICY = ("--policy", str(default_policy_path()))
SCORER = BatchScorer(PrivacyPolicy())


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """Where a batch comes from and goes to."""
    return tmp_path / "in.jsonl", tmp_path / "out.jsonl"


def score(source: Path | str, target: Path | str) -> int:
    """Run the command; return its exit status."""
    return run(["score", "--input", str(source), "--output", str(target), *POLICY])


def lines_of(text: str) -> list[Any]:
    """Return what each line of JSON says."""
    return [json.loads(line) for line in text.splitlines()]


def write_texts(path: Path, *texts: str) -> None:
    """Write a batch whose ids count from 0."""
    path.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))


def test_each_line_gets_its_scores_in_order(paths: tuple[Path, Path]) -> None:
    """Out come the same ids in the same order, with every field of the format and nothing else."""
    source, target = paths
    write_texts(source, "What is 2 + 2?", "Mail jane@example.com", "")
    assert score(source, target) == 0
    scored = lines_of(target.read_text())
    assert [line["id"] for line in scored] == ["0", "1", "2"]
    for line in scored:
        assert line.keys() == {"id", "complexity", "privacy", "privacy_class", "findings"}
        assert 0.0 <= line["complexity"] <= 1.0
        assert 0.0 <= line["privacy"] <= 1.0
    assert [line["privacy_class"] for line in scored] == ["public", "confidential", "public"]
    (finding,) = scored[1]["findings"]
    assert finding.keys() == {"type", "start", "end", "confidence"}
    assert (finding["type"], finding["start"], finding["end"]) == ("EMAIL", 5, 21)


def test_offsets_count_characters(paths: tuple[Path, Path]) -> None:
    """Offsets count code points of the text, not bytes and not UTF-16 units."""
    source, target = paths
    text = "\U0001f600 gr\u00fc\u00dfe an jane@example.com"
    write_texts(source, text)
    assert score(source, target) == 0
    (finding,) = lines_of(target.read_text())[0]["findings"]
    assert text[finding["start"] : finding["end"]] == "jane@example.com"


def test_the_output_holds_no_text(paths: tuple[Path, Path]) -> None:
    """The output says where something private stands, never what it is."""
    source, target = paths
    write_texts(source, "Mail jane@example.com")
    assert score(source, target) == 0
    assert "jane" not in target.read_text()


@given(
    id_=st.one_of(st.text(), st.integers()),
    text=st.text(alphabet=st.characters() | st.sampled_from(string.digits + "@.-+"), max_size=80),
)
def test_whatever_json_can_carry_is_scored(id_: str | int, text: str) -> None:
    """Any text and id that JSON carries, half surrogate pairs included, comes out as one line of ASCII."""
    item = parse_line(json.dumps({"id": id_, "text": text, "extra": None}).encode())
    assert item == Item(id=id_, text=text)
    line = to_line(SCORER.score(item))
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert json.loads(line)["id"] == id_


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "is not JSON"),
        (b"nonsense", "is not JSON"),
        (b'{"id": "a", "text": "\xff"}', "is not UTF-8"),
        (b'["a", "b"]', "must be an object"),
        (b'"a"', "must be an object"),
        (b"null", "must be an object"),
        (b'{"text": "x"}', '"id" must be present'),
        (b'{"id": true, "text": "x"}', '"id" must be present'),
        (b'{"id": 1.5, "text": "x"}', '"id" must be present'),
        (b'{"id": "a"}', '"text" must be present'),
        (b'{"id": "a", "text": 5}', '"text" must be present'),
        (b'{"id": %s, "text": "x"}' % (b"9" * 5000), "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
    ],
    ids=range(13),
)
def test_a_bad_line_says_why(line: bytes, said: str) -> None:
    """A line that is no item of a batch is refused with the reason."""
    with pytest.raises(BadLine, match=said):
        parse_line(line)


@pytest.mark.parametrize("line", [b"", b"\n", b"  \r\n"])
def test_an_empty_line_is_no_item(line: bytes) -> None:
    """An empty line, as at the end of many files, asks for nothing."""
    assert parse_line(line) is None


def test_a_byte_order_mark_is_no_text() -> None:
    """Files that begin with a byte order mark are read like others."""
    assert parse_line(b'\xef\xbb\xbf{"id": "a", "text": "x"}\n') == Item(id="a", text="x")


def test_a_bad_line_is_named_and_leaves_no_file(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad line ends the batch with file and line, without its text, and nothing half-written stays."""
    source, target = paths
    source.write_text('{"id": "a", "text": "x"}\n{"id": "b", "secret": "marked"}\n')
    assert score(source, target) == 2
    said = capsys.readouterr().err
    assert said == f'gateway: {source}:2: "text" must be present, and a string\n'
    assert list(source.parent.iterdir()) == [source]


def test_a_failure_leaves_the_old_file(paths: tuple[Path, Path]) -> None:
    """An output that was there before is replaced by a whole one only."""
    source, target = paths
    source.write_text('{"id": "a", "text": "x"}\nbad\n')
    target.write_text("old")
    assert score(source, target) == 2
    assert target.read_text() == "old"
    write_texts(source, "x")
    assert score(source, target) == 0
    assert lines_of(target.read_text())[0]["id"] == "0"


def test_a_file_may_replace_itself(paths: tuple[Path, Path]) -> None:
    """Input and output may be the same file, since the output takes its name at the end."""
    source, _ = paths
    write_texts(source, "x", "y")
    assert score(source, source) == 0
    assert [line["id"] for line in lines_of(source.read_text())] == ["0", "1"]


def test_a_link_stays_a_link(paths: tuple[Path, Path]) -> None:
    """An output that is a symbolic link is written through it."""
    source, target = paths
    write_texts(source, "x")
    link = target.with_name("link")
    link.symlink_to(target)
    assert score(source, link) == 0
    assert link.is_symlink()
    assert len(lines_of(target.read_text())) == 1


def test_a_pipe_is_written_to_and_not_replaced(paths: tuple[Path, Path]) -> None:
    """An output that is no regular file, a named pipe for example, is written to as it is."""
    source, target = paths
    write_texts(source, "x")
    os.mkfifo(target)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(target.read_text()))
    reader.start()
    assert score(source, target) == 0
    reader.join(timeout=10)
    assert len(lines_of(read[0])) == 1
    assert target.is_fifo()


def test_a_dash_is_a_standard_stream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` reads standard input and writes standard output, so that a batch can stand in a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "a", "text": "x"}\n')))
    assert score("-", "-") == 0
    assert [line["id"] for line in lines_of(capsys.readouterr().out)] == ["a"]


def test_a_bad_line_of_standard_input_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard input has no name of its own, but its lines have numbers."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n{")))
    assert score("-", "-") == 2
    assert capsys.readouterr().err.startswith("gateway: standard input:2: is not JSON")


def test_files_that_cannot_be_opened_are_named(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing input and an output in no folder are each one line."""
    source, target = paths
    assert score(source, target) == 2
    assert capsys.readouterr().err == f"gateway: {source}: cannot be read: No such file or directory\n"
    write_texts(source, "x")
    assert score(source, target / "none" / "out.jsonl") == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_there_is_no_progress_bar_without_a_terminal(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A log gets no progress bar."""
    write_texts(paths[0], "x")
    assert score(*paths) == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_terminal_gets_a_progress_bar(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person sees how far it is, on standard error."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    write_texts(paths[0], *(["x"] * 50))
    assert score(*paths) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert " kB" in err
    assert len(lines_of(paths[1].read_text())) == 50


def test_a_batch_is_not_held_in_memory() -> None:
    """Each line is read, scored and written before the next: what comes out does not wait for the end."""
    line = json.dumps({"id": "a", "text": "word " * 1000}).encode() + b"\n"
    command = [sys.executable, "-m", "gateway", "score", "--input", "-", "--output", "-", *POLICY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(200):  # More than the buffers of both sides hold together.
            process.stdin.write(line)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == "a"
        process.stdin.close()
        assert len(process.stdout.readlines()) == 199
    assert process.returncode == 0
