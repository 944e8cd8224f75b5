"""Options that several commands share, and the reading of their values."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.exits import MISUSED, CommandFailed

DEFAULT_SERVER = "127.0.0.1:50051"

ClassName = Literal["public", "internal", "confidential", "restricted"]

Text = Annotated[
    str,
    typer.Argument(
        metavar="TEXT",
        help="What to ask; `-` reads it from standard input, since arguments show in the process list.",
        show_default=False,
    ),
]
Server = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT", envvar="GATEWAY_SERVER", help="The gateway to ask; unix:PATH works too."
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="The policy; without it, the packaged default."),
]
SystemText = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="Instructions for the model.")
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="The most tokens to generate.")]
Temperature = Annotated[
    float | None, typer.Option(min=0.0, max=2.0, help="0 always takes the likeliest token.")
]
PrivacyClassName = Annotated[
    ClassName | None,
    typer.Option("--privacy-class", help="Treat the request as at least this private.", show_default=False),
]
MaxCost = Annotated[
    float | None, typer.Option(min=0.0, help="What the request may cost; 0 allows free models only.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A claim that rules may read; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with the names of the proto, for scripts.")]


def read_text(text: str) -> str:
    """Return the argument TEXT, or for `-` standard input without its last line break."""
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"standard input is not UTF-8 (byte {error.start})", status=MISUSED) from None


def read_labels(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return the labels of `--label KEY=VALUE`; what keys and values may hold is checked with the request."""
    labels = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter("must have the form KEY=VALUE", param_hint="--label")
        if key in labels:
            raise typer.BadParameter(f"names the key {key} twice", param_hint="--label")
        labels[key] = value
    return labels
