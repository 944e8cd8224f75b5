"""Where the admin service listens: a private unix socket, or a port that only this host reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.address import is_answered, parse_address
from gateway.errors import StartupError

FLAG = "--admin"


@dataclass(frozen=True, slots=True)
class AdminAddress:
    """An address as gRPC takes it; `path` is that of a unix socket."""

    target: str
    path: Path | None = None


def parse_admin(text: str) -> AdminAddress:
    """Return the address that `unix:PATH` or a loopback `HOST:PORT` names; raises StartupError."""
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:")).absolute()
        return AdminAddress(f"unix:{path}", path)
    address = parse_address(text, flag=FLAG)
    if not address.is_loopback:
        raise StartupError(
            f"{FLAG} {text}: reaches beyond this host, and whoever reaches it steers the gateway;"
            " choose unix:PATH or a loopback address"
        )
    return AdminAddress(address.target)


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return where gateways of this user have their sockets, one for each address that they listen on."""
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "gateway"
    state = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local" / "state"
    return Path(state) / "gateway"


def default_address(environ: Mapping[str, str], *, name: str) -> AdminAddress:
    """Return the socket of the gateway of this name; makes the folder, for this user alone."""
    folder = default_folder(environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"{FLAG}: {folder}: {error.strerror}; say {FLAG} unix:PATH, or off") from None
    return parse_admin(f"unix:{folder / f'admin-{name}.sock'}")


def found_addresses(environ: Mapping[str, str]) -> list[AdminAddress]:
    """Return the sockets of this user's gateways that answer."""
    sockets = sorted(default_folder(environ).glob("admin-*.sock"))
    return [parse_admin(f"unix:{path}") for path in sockets if is_answered(path)]
