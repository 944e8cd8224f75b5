"""`gateway generate --chat`: a conversation, one turn a line; each request sends the whole conversation."""

import importlib
import io
import sys
from collections.abc import Callable, Iterator, Sequence

from gateway.cli.asking import Printer, command_failed, status_of
from gateway.cli.exits import CANNED
from gateway.cli.options import decoded
from gateway.client.blocking import SyncGatewayClient
from gateway.client.failure import CallFailed
from gateway.client.prompt import tool_result
from gateway.v1 import gateway_pb2 as pb

_PROMPT = "> "
_HELP = "Each line is a turn. Ctrl-C stops an answer, Ctrl-D ends the conversation."


class Chat:
    """Holds the turns so far; a turn with a canned reply is not kept."""

    def __init__(
        self,
        client: SyncGatewayClient,
        request: pb.GenerateRequest,
        *,
        timeout_s: float,
        printer: Callable[[], Printer],
        streams: bool,
        images: Sequence[pb.Part] = (),
    ) -> None:
        """`request` has the configuration and the messages before the first turn, which has the images."""
        self._client = client
        self._request = request
        self._timeout_s = timeout_s
        self._images = list(images)
        self._open_calls: list[pb.ToolCall] = []
        """What the model asked of tools, and has no result yet: the next lines are the results."""
        self._printer = printer
        self._is_interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._streams = streams or self._is_interactive

    def run(self, first: str | None) -> int:
        """Send turn after turn; return the exit status: CANNED if a reply was canned. Raises CommandFailed.

        On a terminal the error of a failed turn is printed, and the conversation goes on without it.
        """
        status = 0
        for text in self._turns(None if first == "-" else first):
            if len(self._open_calls) > 1:
                self._request.messages.append(tool_result(self._open_calls.pop(0), text))
                continue
            before = len(self._request.messages)
            self._request.messages.append(self._turn(text))
            try:
                answer = self._ask()
            except CallFailed as error:
                failure = command_failed(error, self._client.target)
                if not self._is_interactive:
                    raise failure from error
                answer = None
                print(f"gateway: {failure}", file=sys.stderr)
            except KeyboardInterrupt:
                if not self._is_interactive:
                    raise
                answer = None
                print(file=sys.stderr)
            if answer is None or status_of(answer) == CANNED:
                del self._request.messages[before:]
                status = status if answer is None else CANNED
            else:
                self._images.clear()
                self._request.messages.append(answer.message)
                calls = [part.tool_call for part in answer.message.parts if part.HasField("tool_call")]
                self._open_calls = calls
        return status

    def _turn(self, text: str) -> pb.Message:
        """Return a line as the result of the call that waits for it, else as what the user says."""
        if self._open_calls:
            return tool_result(self._open_calls[0], text)
        if self._images:
            return pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text=text), *self._images])
        return pb.Message(role=pb.ROLE_USER, content=text)

    def _ask(self) -> pb.GenerateResponse:
        printer = self._printer()
        if not self._streams:
            answer = self._client.generate(self._request, timeout_s=self._timeout_s)
            printer.answer(answer)
            return answer
        with self._client.stream(self._request, timeout_s=self._timeout_s) as events:
            for event in events:
                printer.event(event)
        return events.answer

    def _turns(self, first: str | None) -> Iterator[str]:
        """Yield the turns of the user: the argument, then lines of standard input until its end."""
        if first is not None:
            yield first
        lines = self._typed() if self._is_interactive else _piped()
        yield from (line for line in lines if line.strip())

    def _typed(self) -> Iterator[str]:
        """Yield typed lines, with the editing and history of readline where it is installed."""
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # Pasted text may have invalid bytes.
        if importlib.util.find_spec("readline") is not None:
            importlib.import_module("readline")
        print(_HELP, file=sys.stderr)
        while True:
            waiting = f"result of {self._open_calls[0].name}" if self._open_calls else ""
            try:
                yield input(f"{waiting}{_PROMPT}")
            except (EOFError, KeyboardInterrupt):
                print(file=sys.stderr)
                return


def _piped() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield decoded(line).rstrip("\r\n")
