"""Sends a request to a gateway and prints the answer, for `gateway generate`."""

import sys
from typing import Protocol

from gateway.cli.connection import API_KEY_VARIABLE
from gateway.cli.exits import ANSWERED, CANNED, CommandFailed
from gateway.cli.render import (
    ATTEMPT_COLUMNS,
    answer_line,
    answer_rows,
    attempt_rows,
    decision_rows,
    for_terminal,
    reason_name,
    to_json,
)
from gateway.cli.terminal import names_and_values, show, table
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed, NotAllowed, Unreachable
from gateway.v1 import gateway_pb2 as pb


class Printer(Protocol):
    """Output of an answer."""

    def answer(self, response: pb.GenerateResponse) -> None:
        """Print a whole answer."""
        ...

    def event(self, event: pb.StreamGenerateResponse) -> None:
        """Print one event of a stream."""
        ...


async def ask_once(
    client: GatewayClient, request: pb.GenerateRequest, *, timeout_s: float, printer: Printer
) -> int:
    """Print the answer; return the exit status. Raises CommandFailed."""
    async with client:
        try:
            response = await client.generate(request, timeout_s=timeout_s)
        except CallFailed as error:
            raise command_failed(error, client.target) from error
    printer.answer(response)
    return status_of(response)


async def ask_stream(
    client: GatewayClient, request: pb.GenerateRequest, *, timeout_s: float, printer: Printer
) -> int:
    """Print the answer as it arrives; return the exit status. Raises CommandFailed."""
    async with client, client.stream(request, timeout_s=timeout_s) as events:
        try:
            async for event in events:
                printer.event(event)
        except CallFailed as error:
            raise command_failed(error, client.target) from error
    return status_of(events.answer)


def command_failed(error: CallFailed, server: str) -> CommandFailed:
    """Return the error for a person, with a remedy where the CLI knows one."""
    if isinstance(error, Unreachable):
        if error.diagnosis:
            return CommandFailed(f"no gateway answers at {server}: {error.diagnosis}")
        return CommandFailed(
            f"no gateway answers at {server}; start one with: gateway serve --listen {server}"
        )
    if isinstance(error, NotAllowed):
        return CommandFailed(f"{error}; set {API_KEY_VARIABLE}, or give --tls-cert and --tls-key")
    return CommandFailed(f"{error}; {error.hint}")


class JsonPrinter:
    """Prints an answer as one JSON object, and each event of a stream as one line."""

    def answer(self, response: pb.GenerateResponse) -> None:
        """Print the response."""
        print(to_json(response))

    def event(self, event: pb.StreamGenerateResponse) -> None:
        """Print the event immediately."""
        print(to_json(event), flush=True)


class TextPrinter:
    """Prints the answer on standard output, and its decision and attempts on standard error."""

    def __init__(self, *, shows_decision: bool, shows_source: bool = False) -> None:
        """`shows_decision` prints decision and attempts; `shows_source` prints model and cost in one line."""
        self._shows_decision = shows_decision
        self._shows_source = shows_source
        self._is_terminal = sys.stdout.isatty()
        self._written = ""

    def answer(self, response: pb.GenerateResponse) -> None:
        """Print the rest of the answer, then its decision or source."""
        if not response.text.startswith(self._written):
            self._void("its last message differs from the streamed text")
        self._write(response.text[len(self._written) :])
        calls = [part.tool_call for part in response.message.parts if part.HasField("tool_call")]
        if not response.text.endswith("\n") and (response.text or not calls):
            sys.stdout.write("\n")
        for call in calls:
            line = call_line(call)
            print(for_terminal(line) if self._is_terminal else line)
        sys.stdout.flush()
        if self._shows_decision:
            rows = [*answer_rows(response), *decision_rows(response.decision)]
            show(names_and_values(rows), table(ATTEMPT_COLUMNS, attempt_rows(response.attempts)))
        elif response.HasField("degraded"):
            # The text alone would look like a model's answer.
            print(f"gateway: {answer_rows(response)[0][1]}", file=sys.stderr)
            if response.degraded.ticket_id:
                print(f"gateway: {answer_rows(response)[1][1]}", file=sys.stderr)
        elif self._shows_source:
            print(f"({answer_line(response)})", file=sys.stderr)

    def event(self, event: pb.StreamGenerateResponse) -> None:
        """Print the part of the answer that the event carries."""
        match event.WhichOneof("event"):
            case "delta":
                self._write(event.delta.text)
                sys.stdout.flush()
            case "restart" if self._written:
                model = event.restart.model or "a canned reply"
                self._void(f"{model} starts again ({reason_name(event.restart.reason)})")
            case "completed":
                self.answer(event.completed)

    def _write(self, text: str) -> None:
        self._written += text
        sys.stdout.write(for_terminal(text) if self._is_terminal else text)

    def _void(self, reason: str) -> None:
        """Mark the printed text as void: possible on a terminal, an error for a pipe."""
        if not self._is_terminal:
            raise CommandFailed(
                f"the text so far is void: {reason}; for a pipe, omit --stream or read the events of --json"
            )
        sys.stdout.write("\n")
        sys.stdout.flush()
        print(f"gateway: the text above is void: {reason}", file=sys.stderr)
        self._written = ""


def call_line(call: pb.ToolCall) -> str:
    """Return what a model asks of a tool, as one line."""
    mark = " (arguments are not JSON)" if call.arguments_invalid else ""
    return f"call {call.name} {call.input or call.arguments_json}{mark}"


def status_of(response: pb.GenerateResponse) -> int:
    """Return the exit status for an answer."""
    return CANNED if response.HasField("degraded") else ANSWERED
