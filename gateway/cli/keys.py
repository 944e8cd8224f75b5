"""`gateway keys`: makes, lists, revokes and rotates API keys of callers."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.terminal import show, table
from gateway.clock import SystemClock
from gateway.server.key_edits import add_key, revoke_key, rotate_key
from gateway.server.key_file import (
    KeyEntry,
    KeyState,
    end_unix_s,
    new_key,
    parse_keys,
    read_text,
    written_time,
)

COLUMNS = ("id", "tenant", "name", "expires", "state")
DEFAULT_OVERLAP = "7d"
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Make, list, revoke and rotate API keys of callers.",
)

KeysPath = Annotated[
    Path,
    typer.Option("--keys", metavar="FILE", envvar="GATEWAY_KEYS", help="The --keys of gateway serve."),
]
KeyId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The key's id, as `list` shows it; its first 8 digits are enough."),
]
Expires = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day (UTC) on which it is valid.")
]


@app.callback()
def keys() -> None:
    """Make, list, revoke and rotate API keys of callers.

    A running gateway takes changes of its key file within about a second, in all workers. Requests in flight
    go on. The file holds no keys, only their SHA-256.

    Example: gateway keys list --keys keys.txt
    """


@app.command()
def new(
    tenant: Annotated[
        str, typer.Argument(metavar="TENANT", help="The tenant of the key: letters, digits and . _ : -")
    ],
    *,
    expires: Expires = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the policy and records call it; default: no name.")
    ] = "",
    keys: Annotated[
        # Not from the environment: `>> keys.txt` would then write the key itself into the file.
        Path | None,
        typer.Option("--keys", metavar="FILE", help="Put its line into this file; default: print it."),
    ] = None,
) -> None:
    """Make a new key, and put it into the key file or print its line.

    With --keys the key is printed on standard output, and its line is appended to FILE, which is made if it
    is not there. Without, the line is printed on standard output, and the key on standard error.

    The key is not shown again. Give it to the caller, who sends it as metadata `authorization: Bearer KEY`.

    Example: gateway keys new acme --name ci --expires 2027-12-31 --keys keys.txt
    """
    _check_expiry(expires)
    key, entry = new_key(tenant, expires=expires, name=name)
    if keys is None:
        print(key, file=sys.stderr)
        print(entry.line())
        return
    add_key(keys, entry)
    print(key)
    print(f"gateway: {_described(entry)} is in {keys}", file=sys.stderr)


@app.command("list")
def list_(*, keys: KeysPath, as_json: Json = False) -> None:
    """List the keys of a file, in its order: id, tenant, name, last day and state.

    The state is valid, expired or revoked. With --json there is one object a line.

    Example: gateway keys list --keys keys.txt --json | jq -r 'select(.state == "expired").id'
    """
    now_s = SystemClock().unix_s()
    found = parse_keys(read_text(keys), name=str(keys)).values()
    if as_json:
        for entry in found:
            print(json.dumps(dict(zip(COLUMNS, _row(entry, now_s), strict=True))))
    elif found:
        shown = table(COLUMNS, [_row(entry, now_s) for entry in found])
        shown.columns[0].no_wrap = True  # To be copied.
        show(shown, stream=sys.stdout)
    else:
        print(f"gateway: {keys} has no keys", file=sys.stderr)


@app.command()
def revoke(key_id: KeyId, *, keys: KeysPath) -> None:
    """Revoke a key: new calls with it are refused within about a second.

    Answers in flight go on to their end, which the deadline bounds. Its line stays in the file, with a mark.

    Exit status: 0 it is revoked, also if it was before; 2 there is no such key.

    Example: gateway keys revoke 3f9a0c51 --keys keys.txt
    """
    entry, is_new = revoke_key(keys, key_id, clock=SystemClock())
    since = "is revoked" if is_new else f"is revoked since {entry.revoked}"
    print(f"gateway: {_described(entry)} {since}", file=sys.stderr)


@app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long the old key stays valid, as in 30m, 12h or 7d; 0: not."),
    ] = DEFAULT_OVERLAP,
    expires: Expires = None,
    keys: KeysPath,
) -> None:
    """Make a new key in the place of an old one, which ends after the overlap.

    The new key is printed on standard output, once. It has the tenant, the name and, unless --expires is
    given, the last day of the old one. For a key that has leaked take --overlap 0, or revoke.

    Example: gateway keys rotate 3f9a0c51 --overlap 7d --keys keys.txt
    """
    _check_expiry(expires)
    overlap_s = _seconds(overlap)
    key, made, old = rotate_key(keys, key_id, overlap_s=overlap_s, expires=expires, clock=SystemClock())
    print(key)
    until = written_time(old.expires_unix_s or 0.0)
    is_valid = old.state(SystemClock().unix_s()) is KeyState.VALID
    end = f"is valid until {until}" if is_valid else "is no longer valid"
    print(f"gateway: {_described(made)} is new; {old.id} {end}", file=sys.stderr)


def _check_expiry(expires: str | None) -> None:
    if expires is not None and end_unix_s(expires, place="--expires") <= SystemClock().unix_s():
        raise CommandFailed(f"--expires: {expires} has passed", status=MISUSED)


def _seconds(overlap: str) -> float:
    """Return a length of time in seconds; raises CommandFailed."""
    found = re.fullmatch(r"(\d{1,6})([smhd])|0", overlap, re.ASCII)
    if found is None:
        raise CommandFailed(f"--overlap: {overlap[:32]!r} is no time such as 30m, 12h or 7d", status=MISUSED)
    return float(found[1] or 0) * UNITS_S[found[2] or "s"]


def _row(entry: KeyEntry, now_s: float) -> tuple[str, ...]:
    return entry.id, entry.tenant, entry.name, entry.expires, entry.state(now_s)


def _described(entry: KeyEntry) -> str:
    return f"key {entry.id} of {entry.tenant}" + (f" ({entry.name})" if entry.name else "")
