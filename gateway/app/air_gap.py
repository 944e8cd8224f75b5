"""The flags of `gateway serve --air-gap`: none of them may name an address beyond this host."""

from urllib.parse import urlsplit

from gateway.errors import StartupError
from gateway.policy.loading.air_gap import AIR_GAP_HINT, is_on_this_host


def refuse_beyond_this_host(*, hosts: dict[str, str], state_url: str) -> None:
    """Raise StartupError for the first flag that names another host.

    `hosts` are those that flags name, by flag. The message holds no URL: one may hold a password.
    """
    for flag, host in hosts.items():
        if not is_on_this_host(host):
            raise StartupError(f"{flag} {host}: is not an address of this host; {AIR_GAP_HINT}")
    try:
        parts = urlsplit(state_url)
        host_of_state = parts.hostname
    except ValueError:
        raise StartupError("--state: is not a URL") from None
    if parts.scheme in ("memory", "sqlite", "unix") and not host_of_state:
        return
    if not is_on_this_host(host_of_state):
        raise StartupError(
            f"--state: is not on this host; {AIR_GAP_HINT}, or memory:, sqlite: and unix sockets"
        )
