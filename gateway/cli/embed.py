"""`gateway embed`: the vectors of texts from a running gateway."""

import asyncio
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.asking import command_failed
from gateway.cli.connection import ConnectionOptions
from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.option_groups import with_groups
from gateway.cli.options import Json, Labels, MaxCost, PrivacyClassName, read_labels
from gateway.cli.render import to_json
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT...",
        help="The texts; without one, each line of --file or of standard input is a text.",
        show_default=False,
    ),
]


@with_groups
def embed(
    texts: Texts = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A UTF-8 file with a text on each line.")
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME", help="The vector space, or the model or alias of one."),
    ] = "",
    dimensions: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Fewer dimensions, where the model can shorten.")
    ] = None,
    privacy_class: PrivacyClassName = None,
    max_cost_usd: MaxCost = None,
    label: Labels = None,
    as_json: Json = False,
    timeout_s: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="The deadline of the whole call.")
    ] = 60.0,
    gateway: ConnectionOptions,
) -> None:
    """Ask a running gateway for the vectors of texts.

    Prints a line for each text: its number, the dimensions and the length of its vector. With --json the
    vectors are printed, in the order of the texts.

    An API key is taken from the variable GATEWAY_API_KEY.

    Exit status: 0 every text has a vector, 1 an error, 2 wrong usage.

    Example: gateway embed "a cat" "a dog"

    Example: gateway embed --json --file titles.txt
    """
    name = f"PRIVACY_CLASS_{privacy_class.upper()}" if privacy_class else "PRIVACY_CLASS_UNSPECIFIED"
    request = pb.EmbedRequest(
        input=read_texts(texts, file),
        model=model,
        dimensions=dimensions,
        hints=pb.Hints(privacy_class=pb.PrivacyClass.Value(name), max_cost_usd=max_cost_usd),
        labels=read_labels(label),
    )

    async def ask() -> pb.EmbedResponse:
        async with gateway.checked(os.environ).client() as client:
            return await client.embed(request, timeout_s=timeout_s)

    try:
        response = asyncio.run(ask())
    except CallFailed as error:
        raise command_failed(error, gateway.server) from error
    print_vectors(response, as_json=as_json)


def print_vectors(response: pb.EmbedResponse, *, as_json: bool) -> None:
    """Print the vectors, or a line for each of them."""
    if as_json:
        print(to_json(response))
        return
    for number, each in enumerate(response.embeddings, 1):
        norm = math.sqrt(math.fsum(value * value for value in each.values))
        print(f"{number}  {len(each.values)} dimensions  norm {norm:.4f}")
    cost = f"{response.usage.prompt_tokens} tokens, {response.cost_usd:.6f} USD"
    print(f"({response.model}, space {response.space}, {cost})", file=sys.stderr)


def read_texts(texts: Sequence[str] | None, file: Path | None) -> list[str]:
    """Return the arguments, or the lines of a file or of standard input; raises CommandFailed."""
    if texts and file is not None:
        raise CommandFailed("TEXT does not go with --file; give one of them", status=MISUSED)
    if texts:
        return list(texts)
    if file is None and sys.stdin.isatty():
        raise CommandFailed('TEXT is missing; an example: "a cat"', status=MISUSED)
    where = "standard input" if file is None else str(file)
    try:
        text = (sys.stdin.buffer.read() if file is None else file.read_bytes()).decode()
    except OSError as error:
        raise CommandFailed(f"{where}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{where} is not UTF-8 (byte {error.start})", status=MISUSED) from None
    lines = [line.removesuffix("\r") for line in text.split("\n") if line.strip()]
    if not lines:
        raise CommandFailed(f"{where} has no text; each line is one", status=MISUSED)
    return lines
