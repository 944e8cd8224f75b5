"""`gateway score`: scores complexity and privacy of many texts."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from gateway.cli.exits import MISUSED, CommandFailed, reading
from gateway.cli.explain import warn_of_entities
from gateway.cli.options import PolicyFile
from gateway.cli.terminal import console
from gateway.complexity.scorer_file import ScorerRefused, read_scorer
from gateway.offline.batch import BadLine, BatchScorer, parse_line, to_line
from gateway.policy.complexity import Scorer
from gateway.policy.loading.load import default_policy_path, load_policy


def score(
    *,
    input_path: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="JSON lines to read; `-` is standard input.")
    ],
    output_path: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="JSON lines to write; `-` is standard output.")
    ],
    policy: PolicyFile = None,
    scorer: Annotated[
        Path | None,
        typer.Option(
            "--scorer", metavar="FILE", help="A complexity scorer of `gateway learn`; default: the policy's."
        ),
    ] = None,
) -> None:
    """Score many texts: JSON lines in, JSON lines out.

    In: {"id", "text"}. Out, in the same order: {"id", "complexity", "privacy", "privacy_class", "findings"}.
    A finding has "type", "start", "end" and "confidence"; positions count characters of the text.

    The output file appears when it is complete. Scores depend on text and policy only: detectors have no
    time limit.

    Example: gateway score --input prompts.jsonl --output scores.jsonl
    """
    checked = load_policy(policy or default_policy_path())
    warn_of_entities(checked.privacy)
    texts = BatchScorer(checked.privacy, checked.scorer if scorer is None else opened_scorer(scorer))
    with _reading(input_path) as lines, _writing(output_path) as out:
        for number, line in enumerate(lines, start=1):
            try:
                item = parse_line(line)
            except BadLine as error:
                name = "standard input" if input_path == Path("-") else input_path
                raise CommandFailed(f"{name}:{number}: {error}", status=MISUSED) from None
            if item is not None:
                out.write(to_line(texts.score(item)))


def opened_scorer(path: Path) -> Scorer:
    """Read a scorer file; raises CommandFailed."""
    try:
        return read_scorer(path)
    except ScorerRefused as error:
        raise CommandFailed(f"{path}: {error}", status=MISUSED) from None


@contextmanager
def _reading(path: Path) -> Iterator[Iterable[bytes]]:
    """Yield the lines of a file, with a progress bar on a terminal."""
    if path == Path("-"):
        yield sys.stdin.buffer
        return
    with reading(path):
        file = path.open("rb")
    with file:
        if not (path.is_file() and sys.stderr.isatty()):
            yield file
            return
        with Progress(
            BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console(sys.stderr), transient=True
        ) as bar:
            yield _counted(file, bar, total_bytes=path.stat().st_size)


def _counted(file: BinaryIO, bar: Progress, *, total_bytes: int) -> Iterator[bytes]:
    task = bar.add_task("scoring", total=total_bytes)
    for line in file:
        yield line
        bar.advance(task, len(line))


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    """Yield the output; a regular file appears only when the block ends without an error."""
    if path == Path("-"):
        yield sys.stdout
        return
    target = path.resolve()
    if target.exists() and not target.is_file():  # A pipe or a device cannot be replaced.
        with _opened(target, "w") as out:
            yield out
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    out = _opened(part, "x")
    try:
        with out:
            yield out
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _opened(path: Path, mode: str) -> TextIO:
    try:
        return io.TextIOWrapper(path.open(f"{mode}b"), encoding="utf-8", newline="\n")
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}", status=MISUSED) from None
