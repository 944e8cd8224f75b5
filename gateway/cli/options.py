"""Options that several commands share, and the parsing of their values."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.exits import MISUSED, CommandFailed

ClassName = Literal["public", "internal", "confidential", "restricted"]

Text = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT",
        help="The prompt; without it, or with `-`, standard input is read, which no process list shows.",
        show_default=False,
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="The policy; default: the packaged one."),
]
SystemText = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="Instructions for the model.")
]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The maximum number of tokens to generate.")
]
Temperature = Annotated[
    float | None, typer.Option(min=0.0, max=2.0, metavar="X", help="0 always picks the most likely token.")
]
PrivacyClassName = Annotated[
    ClassName | None,
    typer.Option(
        "--privacy-class",
        metavar="CLASS",
        help="Treat the request as at least this private: public, internal, confidential or restricted.",
        show_default=False,
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="USD", help="The maximum cost of the request; 0 allows free models only."),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="Only this model of the policy, or alias, may answer.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A claim that rules may read; repeatable."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for scripts; its fields are those of the gRPC messages.")
]


def read_text(text: str | None) -> str:
    """Return the argument TEXT, or standard input without its last line break; raises CommandFailed.

    Without TEXT a terminal is not read: someone who forgot TEXT would wait forever.
    """
    if text is not None and text != "-":
        return text
    if text is None and sys.stdin.isatty():
        raise CommandFailed('TEXT is missing; an example: "What is a hash table?"', status=MISUSED)
    found = decoded(sys.stdin.buffer.read()).removesuffix("\n").removesuffix("\r")
    if not found and text is None:
        raise CommandFailed("TEXT is missing, and standard input is empty: give one of them", status=MISUSED)
    return found


def decoded(text: bytes) -> str:
    """Decode standard input; raises CommandFailed where it is not UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"standard input is not UTF-8 (byte {error.start})", status=MISUSED) from None


def read_labels(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return the labels of `--label KEY=VALUE`; keys and values are checked with the request."""
    labels = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter("must have the form KEY=VALUE", param_hint="--label")
        if key in labels:
            raise typer.BadParameter(f"names the key {key} twice", param_hint="--label")
        labels[key] = value
    return labels
