"""`gateway generate`: one request to a running gateway."""

import asyncio
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Self

import typer

from gateway.cli.asking import JsonPrinter, TextPrinter, ask_once, ask_stream
from gateway.cli.attachments import read_images, read_tools
from gateway.cli.chat import Chat
from gateway.cli.connection import ConnectionOptions
from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.option_groups import with_groups
from gateway.cli.options import (
    Json,
    Labels,
    MaxCost,
    MaxTokens,
    ModelName,
    PrivacyClassName,
    SystemText,
    Temperature,
    Text,
    read_labels,
    read_text,
)
from gateway.client.prompt import prompt
from gateway.domain.privacy import PrivacyClass
from gateway.v1 import gateway_pb2 as pb

Stream = Annotated[bool, typer.Option("--stream", help="Print the answer as it arrives.")]
IsChat = Annotated[
    bool,
    typer.Option(
        "--chat", help="Hold a conversation: each line is a turn, and the model sees the earlier ones."
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print the answer only, also on a terminal; a canned reply is still marked as one.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the decision even if standard error is no terminal.")
]
NoDegraded = Annotated[bool, typer.Option("--no-degraded", help="Fail instead of taking a canned reply.")]
Tools = Annotated[
    list[Path] | None,
    typer.Option(
        "--tool",
        metavar="FILE",
        help="A JSON file with a tool that the model may ask for, or a list of tools; repeatable.",
    ),
]
Images = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="FILE|URL", help="An image to send with the text; repeatable."),
]
TimeoutS = Annotated[
    float, typer.Option(min=0.001, metavar="SECONDS", help="The deadline of the whole call.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintOptions:
    """What is printed of an answer."""

    quiet: Quiet = False
    as_json: Json = False
    verbose: Verbose = False

    def checked(self) -> Self:
        """Raise CommandFailed for options that contradict each other."""
        if self.quiet and (self.verbose or self.as_json):
            raise CommandFailed(
                "--quiet does not go with --verbose and --json: both print more", status=MISUSED
            )
        return self

    def printer(self, *, chat: bool) -> JsonPrinter | TextPrinter:
        """Return what prints: on a terminal with the decision, or in a conversation with one line."""
        if self.as_json:
            return JsonPrinter()
        on_terminal = sys.stderr.isatty() and not self.quiet
        shows_decision = self.verbose or (on_terminal and not chat)
        return TextPrinter(shows_decision=shows_decision, shows_source=on_terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """What a request says beside its text."""

    system: SystemText = None
    max_tokens: MaxTokens = None
    temperature: Temperature = None
    privacy_class: PrivacyClassName = None
    max_cost_usd: MaxCost = None
    label: Labels = None
    tool: Tools = None
    image: Images = None
    model: ModelName = ""
    no_degraded: NoDegraded = False

    def request(self, text: str) -> pb.GenerateRequest:
        """Return the request; raises CommandFailed for files that cannot be read."""
        return prompt(
            text,
            system=self.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            privacy_class=PrivacyClass[self.privacy_class.upper()] if self.privacy_class else None,
            max_cost_usd=self.max_cost_usd,
            allow_degraded=False if self.no_degraded else None,
            labels=read_labels(self.label),
            model=self.model,
            images=read_images(self.image),
            tools=read_tools(self.tool),
        )


@with_groups
def generate(
    text: Text = None,
    *,
    stream: Stream = False,
    chat: IsChat = False,
    printing: PrintOptions,
    asking: RequestOptions,
    timeout_s: TimeoutS = 60.0,
    gateway: ConnectionOptions,
) -> None:
    """Ask a running gateway and print the answer.

    The answer goes to standard output; on a terminal, the decision and every attempt go to standard error.

    An API key is taken from the variable GATEWAY_API_KEY.

    Exit status: 0 a model answered, 1 an error, 2 wrong usage, 3 a canned reply instead of an answer.

    Example: gateway generate --stream "Explain what a hash table is"

    Example: git diff | gateway generate --quiet --system "Summarise this change"

    Example: gateway generate --chat

    Example: gateway generate --tool weather.json "Will it rain in Paris?"

    A call of a tool is printed as `call NAME ARGUMENTS`; with --chat the next line is its result.
    """
    printer = partial(printing.checked().printer, chat=chat)
    request = asking.request("" if chat else read_text(text))
    connection = gateway.checked(os.environ)
    if chat:
        images = [part for part in request.messages[-1].parts if part.HasField("image")]
        del request.messages[-1]  # Each turn adds its own message.
        with connection.blocking_client() as client:
            turns = Chat(client, request, timeout_s=timeout_s, printer=printer, streams=stream, images=images)
            raise typer.Exit(turns.run(text))
    ask = ask_stream if stream else ask_once

    async def run() -> int:
        return await ask(connection.client(), request, timeout_s=timeout_s, printer=printer())

    raise typer.Exit(asyncio.run(run()))
