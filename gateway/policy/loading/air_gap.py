"""What `gateway serve --air-gap` accepts in flags and in a policy: loopback addresses in digits."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.errors import StartupError
from gateway.policy.kinds import KINDS
from gateway.policy.loading.document import Document
from gateway.policy.source import Problem
from gateway.policy.spec import ModelSpec, is_on_this_host

AIR_GAP_HINT = "--air-gap takes loopback addresses only, in digits (127.0.0.1, [::1])"
"""Appended to errors. A host name is refused even if it is local: to resolve it may need another host."""


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


def check_air_gap(document: Document) -> list[Problem]:
    """Return a problem for every address of a policy that is not on this host, given or default."""
    root = document.value if isinstance(document.value, dict) else {}
    models = root.get("models")
    if not isinstance(models, dict):
        return []
    return [
        document.problem(("models", name, key), message)
        for name, model in models.items()
        if isinstance(model, dict) and (kind := KINDS.get(str(model.get("kind")))) is not None
        for key, message in _addresses_beyond(kind.spec, model)
    ]


def _addresses_beyond(spec: type[ModelSpec], model: dict[str, object]) -> Iterator[tuple[str, str]]:
    if spec.leaves_host and not spec.urls:
        yield "kind", f"has no key for the address of requests; {AIR_GAP_HINT}"
    for key, without in spec.urls.items():
        if key not in model:
            if without is not None:
                yield key, f"is missing, so requests would go to {_host_of(without)}; {AIR_GAP_HINT}"
        elif not is_on_this_host(_host_of(str(model[key]))):
            yield key, f"is not an address of this host; {AIR_GAP_HINT}"


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
