"""`gateway serve`: run the gateway until a signal ends it."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import structlog
import typer

from gateway.cli.assembly import running_gateway
from gateway.errors import StartupError
from gateway.ledger.open import default_ledger_url
from gateway.policy.load import default_policy_path, load_policy
from gateway.policy.model import Policy
from gateway.server.listen import parse_address
from gateway.server.serving import ServerOptions
from gateway.telemetry.logs import configure_logs

_log = structlog.get_logger()


def serve(
    policy: Annotated[
        Path | None,
        typer.Option(envvar="GATEWAY_POLICY", help="The policy; default: the packaged one, all at the edge."),
    ] = None,
    listen: Annotated[
        str, typer.Option(envvar="GATEWAY_LISTEN", metavar="HOST:PORT", help="Where to listen; port 0: any.")
    ] = "127.0.0.1:50051",
    state: Annotated[
        str | None,
        typer.Option(
            envvar="GATEWAY_STATE",
            metavar="URL",
            help="Where spend is kept: memory: or sqlite:///PATH; default: a file under XDG_STATE_HOME.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option(envvar="GATEWAY_INSECURE", help="Listen beyond this host without encryption.")
    ] = False,
    trust_tenant_header: Annotated[
        bool,
        typer.Option(
            envvar="GATEWAY_TRUST_TENANT_HEADER",
            help="Take the tenant from the metadata x-tenant; only behind a proxy that sets it.",
        ),
    ] = False,
    max_request_bytes: Annotated[
        int, typer.Option(envvar="GATEWAY_MAX_REQUEST_BYTES", min=1024, help="A larger request is refused.")
    ] = 1024 * 1024,
    drain_s: Annotated[
        float,
        typer.Option(envvar="GATEWAY_DRAIN_S", min=0, help="After SIGTERM: NOT_SERVING for this long first."),
    ] = 5.0,
    grace_s: Annotated[
        float, typer.Option(envvar="GATEWAY_GRACE_S", min=0, help="How long calls in flight may then go on.")
    ] = 30.0,
    log_format: Annotated[
        str | None,
        typer.Option(envvar="GATEWAY_LOG_FORMAT", metavar="json|text", help="Default: text on a terminal."),
    ] = None,
) -> None:
    """Run the gateway.

    SIGTERM drains: health says NOT_SERVING, then no new calls, then calls in flight to their end, then the
    engines. Ctrl-C does the same without the first wait; a second Ctrl-C ends at once.

    Example: gateway serve --policy policies/default.yaml --listen 127.0.0.1:50051
    """
    address = parse_address(listen)
    if not address.is_loopback and not insecure:
        raise StartupError(
            f"--listen {listen}: reaches beyond this host without encryption; say --insecure if that is meant"
        )
    if log_format not in (None, "json", "text"):
        raise StartupError(f"--log-format {log_format}: must be json or text")
    configure_logs("json" if log_format == "json" else "text" if log_format == "text" else None)
    options = ServerOptions(
        address=address,
        max_request_bytes=max_request_bytes,
        trust_tenant_header=trust_tenant_header,
        drain_s=drain_s,
        grace_s=grace_s,
    )
    path = policy or default_policy_path()
    asyncio.run(
        _serve(load_policy(path), path, options=options, state_url=state or default_ledger_url(os.environ))
    )


async def _serve(policy: Policy, path: Path, *, options: ServerOptions, state_url: str) -> None:
    ended = asyncio.Event()
    at_once = False

    def interrupt() -> None:
        nonlocal at_once
        if ended.is_set():
            raise KeyboardInterrupt
        at_once = True
        ended.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    async with running_gateway(policy, options=options, state_url=state_url, environ=os.environ) as server:
        _log.info("gateway.serving", listen=server.target, policy=str(path), policy_hash=policy.hash[:12])
        await ended.wait()
        _log.info("gateway.draining", at_once=at_once)
        await server.stop(at_once=at_once)
    _log.info("gateway.stopped")
