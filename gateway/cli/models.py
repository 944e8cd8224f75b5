"""`gateway models`: lists, verifies and downloads the files of local models."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from gateway.cli import terminal
from gateway.cli.exits import CommandFailed
from gateway.domain.files import sha256_of_file
from gateway.engine.models import check_model_file, resolve_model_path
from gateway.errors import StartupError
from gateway.offline.download import download, source_of
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


def _local_models(policy: Path | None) -> Mapping[str, LlamaCppModel]:
    return load_policy(policy or default_policy_path()).engines


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB" if path.is_file() else "missing"


@app.command("list")
def list_models(policy: PolicyOption = None) -> None:
    """Show each local model of a policy, its file, and whether its hash is pinned.

    Example: gateway models list --policy policies/default.yaml
    """
    rows = [
        (name, str(path), _size(path), "pinned" if spec.sha256 else "any file")
        for name, spec in _local_models(policy).items()
        for path in [resolve_model_path(spec.path)]
    ]
    terminal.show(terminal.table(("model", "file", "size", "sha256"), rows), stream=sys.stdout)


@app.command()
def verify(policy: PolicyOption = None) -> None:
    """Check the files of a policy's local models and adapters against their hashes.

    Prints the hash of each file, to be copied into the policy. Exit status: 0, or 1 if a file is missing, is
    no GGUF file or has another hash.

    Example: gateway models verify --policy policies/default.yaml
    """
    problems = []
    for name, spec in _local_models(policy).items():
        files = [(spec.path, spec.sha256), *((adapter.path, None) for adapter in spec.lora)]
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
def pull(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A URL, or OWNER/REPO/FILE.gguf.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; default: the name of the source, in this folder.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="The expected hash.")] = None,
) -> None:
    """Download a GGUF file from Hugging Face or a URL; a second run resumes a broken download.

    The hash is compared with --sha256, else with what Hugging Face states, and printed for the policy.

    Example: gateway models pull OWNER/REPO/model-Q8_0.gguf --output /models/model.gguf
    """
    found = source_of(source)
    path = output or Path(found.file_name)
    if path.exists():
        raise CommandFailed(f"{path}: already exists; delete it or choose another --output")
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.console(sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None)

        def report(have: int, total: int | None) -> None:
            progress.update(task, completed=have, total=total)

        digest = asyncio.run(download(found.url, path, sha256=sha256, report=report))
    check_model_file(path, sha256=None)
    print(f"{path}: sha256 {digest}")
