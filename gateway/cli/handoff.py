"""`gateway handoff`: answers the requests that wait for people, and fetches the answers."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from gateway.cli.asking import command_failed
from gateway.cli.connection import ConnectionOptions
from gateway.cli.exits import ANSWERED, NOT_YET, CommandFailed
from gateway.cli.option_groups import setting, with_groups
from gateway.cli.options import Json, read_text
from gateway.cli.render import for_terminal, to_json
from gateway.cli.serve_flags import AIR_GAP_TEXT
from gateway.cli.terminal import names_and_values, show, table
from gateway.client.failure import CallFailed
from gateway.clock import SystemClock
from gateway.domain.ticket import Ticket
from gateway.domain.ticket import TicketState as TicketState
from gateway.errors import GatewayError
from gateway.extras.handoff.open import open_responder
from gateway.extras.handoff.payload import HandoffQuestion
from gateway.extras.handoff.queue import HandoffQueue, open_queue
from gateway.extras.handoff.responder import waiting
from gateway.ledger.open import default_ledger_url
from gateway.policy.loading.air_gap import refuse_beyond_this_host
from gateway.v1 import gateway_pb2 as pb

COLUMNS = ("ticket", "state", "since", "tenant", "reason")

T = TypeVar("T")
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Answer the requests that wait for people, and fetch their answers.",
)

TicketId = Annotated[str, typer.Argument(metavar="TICKET", help="The ticket, as `list` shows it.")]
By = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Your name, which others see; default: your user name."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """The options of every command that opens the queue itself."""

    state: str | None = setting(
        None,
        "URL",
        "The --state of gateway serve, which holds the requests: sqlite:///PATH or redis://HOST; "
        "default: under XDG_STATE_HOME.",
    )
    air_gap: bool = setting(False, None, AIR_GAP_TEXT)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[HandoffQueue]:
        """Open the queue until the block ends; raises StartupError where there is none."""
        url = self.state or default_ledger_url(os.environ)
        if self.air_gap:
            refuse_beyond_this_host(hosts={}, state_url=url)
        queue = open_queue(url, clock=SystemClock(), must_exist=True)
        try:
            yield queue
        finally:
            await queue.aclose()


@app.callback()
def handoff() -> None:
    """Answer the requests that wait for people, and fetch their answers.

    list, take and answer open the queue directly: give the --state of gateway serve. Requests and answers
    are encrypted in the queue, with the key in the variable GATEWAY_HANDOFF_KEY.

    Example: gateway handoff take
    """


@app.command("list")
@with_groups
def list_(
    *,
    store: QueueOptions,
    all_states: Annotated[bool, typer.Option("--all", help="Also list answered requests.")] = False,
    as_json: Json = False,
) -> None:
    """List the waiting requests, the oldest first; needs no key and shows no text.

    Example: gateway handoff list --json | jq -r 'select(.state == "waiting").ticket_id'
    """

    async def work() -> list[tuple[Ticket, TicketState]]:
        async with store.opened() as queue:
            return list(await waiting(queue, all_states=all_states, clock=SystemClock()))

    found = _run(work())
    if as_json:
        for ticket, where in found:
            print(json.dumps(_facts(ticket) | {"state": where}))
    elif found:
        shown = table(COLUMNS, [_row(ticket, where) for ticket, where in found])
        shown.columns[0].no_wrap = True  # To be copied.
        show(shown, stream=sys.stdout)
    else:
        print("gateway: nothing waits", file=sys.stderr)


@app.command()
@with_groups
def take(
    ticket: Annotated[
        str | None, typer.Argument(metavar="[TICKET]", help="The ticket; default: the oldest that waits.")
    ] = None,
    *,
    by: By = None,
    lease_s: Annotated[
        float, typer.Option(min=1, max=86_400, help="Seconds for which nobody else can take or answer it.")
    ] = 1800.0,
    store: QueueOptions,
    as_json: Json = False,
) -> None:
    """Show a request, and lease it: nobody else can take it for some time.

    Exit status: 0 a request is shown, 1 an error, 4 nothing waits.

    Example: gateway handoff take --as jane
    """

    async def work() -> tuple[Ticket, HandoffQuestion] | None:
        async with store.opened() as queue:
            responder = open_responder(queue, environ=os.environ, by=_name(by), clock=SystemClock())
            if ticket is None:
                return await responder.take_next(lease_s=lease_s)
            return await responder.take(ticket, lease_s=lease_s)

    taken = _run(work())
    if taken is None:
        print("gateway: nothing waits", file=sys.stderr)
        raise typer.Exit(NOT_YET)
    if as_json:
        print(json.dumps(_facts(taken[0]) | json.loads(taken[1].to_json()), ensure_ascii=False))
        return
    _show_request(*taken)


@app.command()
@with_groups
def answer(
    ticket: TicketId,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The answer; `-` reads it from standard input.")
    ],
    *,
    by: By = None,
    store: QueueOptions,
) -> None:
    """Answer a request, once; its caller can fetch the answer from then on.

    Prefer `-`: arguments show in the process list.

    A request that was taken can be answered only under the same name (--as).

    Example: gateway handoff answer --as jane ho_0123456789abcdef0123456789abcdef - < answer.txt
    """
    written = read_text(text)

    async def work() -> Ticket:
        async with store.opened() as queue:
            responder = open_responder(queue, environ=os.environ, by=_name(by), clock=SystemClock())
            return await responder.answer(ticket, written)

    done = _run(work())
    print(
        f"gateway: {done.id} is answered; the answer is kept until {_when(done.expires_unix_s)}",
        file=sys.stderr,
    )


@app.command()
@with_groups
def fetch(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="`degraded.ticket_id` of a canned reply.")],
    *,
    as_json: Json = False,
    timeout_s: Annotated[float, typer.Option(min=0.001, help="The deadline of the call.")] = 10.0,
    gateway: ConnectionOptions,
) -> None:
    """Ask a running gateway for the answer of a person; for callers, who see their own tickets only.

    An API key is taken from the variable GATEWAY_API_KEY.

    Exit status: 0 a person has answered, 1 an error, 4 nobody has answered yet.

    Example: gateway handoff fetch ho_0123456789abcdef0123456789abcdef
    """
    client = gateway.checked(os.environ).client

    async def work() -> pb.GetHandoffResponse:
        async with client() as connected:
            return await connected.get_handoff(ticket, timeout_s=timeout_s)

    try:
        response = asyncio.run(work())
    except CallFailed as error:
        raise command_failed(error, gateway.server) from error
    is_answered = response.state == pb.HANDOFF_STATE_ANSWERED
    until = f"{response.expire_time.ToDatetime():%Y-%m-%d %H:%M} UTC"
    if as_json:
        print(to_json(response))
    elif is_answered:
        text = response.answer.text
        print(for_terminal(text) if sys.stdout.isatty() else text)
        print(f"gateway: a person's answer, kept until {until}", file=sys.stderr)
    else:
        print(f"gateway: nobody has answered yet; the request waits until {until}", file=sys.stderr)
    raise typer.Exit(ANSWERED if is_answered else NOT_YET)


@app.command("new-key")
def new_key() -> None:
    """Print a key for the variable GATEWAY_HANDOFF_KEY.

    To rotate the key, write the new key before the old one, with a comma; remove the old key when the
    requests that it encrypted have expired.

    Example: gateway handoff new-key > handoff.key
    """
    from gateway.extras.handoff.encryption import new_key as fresh

    print(fresh())


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except GatewayError as error:
        raise CommandFailed(str(error)) from error


def _name(by: str | None) -> str:
    return for_terminal(by or getpass.getuser())[:64]


def _when(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"


def _facts(ticket: Ticket) -> dict[str, object]:
    """Return the JSON fields of a ticket; without any text."""
    return {
        "ticket_id": ticket.id,
        "tenant": ticket.tenant,
        "request_id": ticket.request_id,
        "reason": ticket.reason,
        "privacy_class": ticket.privacy_class.name,
        "created_unix_s": ticket.created_unix_s,
        "expires_unix_s": ticket.expires_unix_s,
        "taken_by": ticket.taken_by,
        "lease_ends_unix_s": ticket.lease_ends_unix_s,
    }


def _row(ticket: Ticket, where: TicketState) -> tuple[str, ...]:
    by = "" if where is TicketState.WAITING else f" by {ticket.taken_by}"
    return ticket.id, f"{where}{by}", _when(ticket.created_unix_s), ticket.tenant, ticket.reason


def _show_request(ticket: Ticket, question: HandoffQuestion) -> None:
    """Print the conversation on standard output, and the facts of the ticket on standard error."""
    rows = [
        ("ticket", ticket.id),
        ("yours until", _when(ticket.lease_ends_unix_s)),
        ("waits since", f"{_when(ticket.created_unix_s)}, {ticket.reason}"),
        ("tenant", ticket.tenant),
        ("class", ticket.privacy_class.name),
        ("labels", ", ".join(f"{key}={value}" for key, value in question.labels.items())),
        ("reads", ", ".join(question.languages)),
    ]
    show(names_and_values([row for row in rows if row[1]]))
    shown = for_terminal if sys.stdout.isatty() else str
    for message in question.messages:
        print(f"\n[{message.role}]\n{shown(message.content)}")
