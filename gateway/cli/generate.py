"""`gateway generate`: one request to a running gateway."""

import asyncio
import os
from typing import Annotated

import typer

from gateway.cli.asking import JsonPrinter, TextPrinter, ask_once, ask_stream
from gateway.cli.connection import TlsCa, TlsCert, TlsKey, connect
from gateway.cli.options import (
    DEFAULT_SERVER,
    Json,
    Labels,
    MaxCost,
    MaxTokens,
    PrivacyClassName,
    Server,
    SystemText,
    Temperature,
    Text,
    read_labels,
    read_text,
)
from gateway.client.prompt import prompt
from gateway.types import PrivacyClass


def generate(
    text: Text,
    *,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it is made.")] = False,
    as_json: Json = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show the decision even when standard error is no terminal."),
    ] = False,
    system: SystemText = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    privacy_class: PrivacyClassName = None,
    max_cost_usd: MaxCost = None,
    label: Labels = None,
    no_degraded: Annotated[
        bool, typer.Option("--no-degraded", help="Fail rather than take a canned reply.")
    ] = False,
    timeout_s: Annotated[float, typer.Option(min=0.001, help="The deadline of the whole call.")] = 60.0,
    server: Server = DEFAULT_SERVER,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Ask a running gateway and print the answer.

    The answer goes to standard output; on a terminal, the decision and every attempt go to standard error.

    An API key is taken from the variable GATEWAY_API_KEY.

    Exit status: 0 a model answered, 1 an error, 2 wrong usage, 3 a canned reply stands in for an answer.

    Example: gateway generate --stream "Explain what a hash table is"

    Example: echo "Summarise: ..." | gateway generate --json - | jq .route
    """
    request = prompt(
        read_text(text),
        system=system,
        max_tokens=max_tokens,
        temperature=temperature,
        privacy_class=PrivacyClass[privacy_class.upper()] if privacy_class else None,
        max_cost_usd=max_cost_usd,
        allow_degraded=False if no_degraded else None,
        labels=read_labels(label),
    )
    printer = JsonPrinter() if as_json else TextPrinter(verbose=verbose)
    ask = ask_stream if stream else ask_once

    async def run() -> int:
        client = connect(server, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key, environ=os.environ)
        return await ask(client, request, timeout_s=timeout_s, printer=printer)

    raise typer.Exit(asyncio.run(run()))
