"""Fetches a person's answer from a gateway, for `gateway handoff fetch`."""

import os
import sys
from pathlib import Path

from gateway.cli.asking import command_failed
from gateway.cli.connection import connect
from gateway.cli.render import for_terminal, to_json
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb


async def fetch_answer(
    ticket_id: str,
    *,
    server: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    timeout_s: float,
    as_json: bool,
) -> bool:
    """Print the answer, or that there is none yet; return whether there is one. Raises CommandFailed."""
    client = connect(server, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key, environ=os.environ)
    async with client:
        try:
            response = await client.get_handoff(ticket_id, timeout_s=timeout_s)
        except CallFailed as error:
            raise command_failed(error, client.target) from error
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
    return is_answered
