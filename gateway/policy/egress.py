"""The addresses that a policy's models can be reached at: what a firewall has to permit, and no more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import Policy
from gateway.policy.provider_url import UrlModel
from gateway.policy.spec import is_on_this_host, privacy_class

_PORTS: Final = {"https": 443, "http": 80, "redis": 6379, "rediss": 6379}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An address that the gateway opens connections to, and what for."""

    host: str
    port: int
    is_tls: bool
    users: tuple[str, ...]
    """The models, or the flag, that make it reachable."""
    clearance: PrivacyClass | None
    """The highest class of text that goes there; None: no text of a request."""
    proxy: str | None = None
    """`HOST:PORT` of the HTTP proxy that opens the connection in the gateway's place."""

    @property
    def address(self) -> str:
        """`HOST:PORT`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is a loopback address, so that nothing leaves the host."""
        return is_on_this_host(self.host)


def destinations(policy: Policy, *, state: str = "", otlp: str = "") -> tuple[Destination, ...]:
    """Return where models of a policy, the store of `--state` and the collector of `--otlp` are.

    A model that no rule names is listed too, since the next version of the policy may name it. Raises
    ValueError for an URL of a flag without a host.
    """
    found = [
        _destination(
            spec.base_url, (name,), clearance=privacy_class(spec.clearance), proxy=_address(spec.proxy)
        )
        for name, spec in policy.models.items()
        if isinstance(spec, UrlModel)
    ]
    if state.startswith(("redis://", "rediss://")):
        found.append(_destination(state, ("--state",)))
    if otlp:
        found.append(_destination(otlp, ("--otlp",)))
    return tuple(sorted(_joined(found), key=lambda each: (each.host, each.port, each.proxy or "")))


def opened_by_gateway(found: Iterable[Destination]) -> Iterator[Destination]:
    """Yield what the gateway itself connects to: the proxy of a model in place of its URL, each once."""
    through_proxy = [
        _destination(f"http://{each.proxy}", each.users, clearance=each.clearance)
        for each in found
        if each.proxy is not None
    ]
    yield from _joined([each for each in found if each.proxy is None] + through_proxy)


def commands_of(policy: Policy) -> tuple[str, ...]:
    """Return the models whose `token_command` runs a program that may open connections of its own."""
    return tuple(
        name for name, spec in policy.models.items() if isinstance(spec, UrlModel) and spec.token_command
    )


def _destination(
    url: str, users: tuple[str, ...], *, clearance: PrivacyClass | None = None, proxy: str | None = None
) -> Destination:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("has no host")
    is_tls = parts.scheme in ("https", "rediss")
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return Destination(
        host=parts.hostname.removesuffix("."),
        port=port,
        is_tls=is_tls,
        users=users,
        clearance=clearance,
        proxy=proxy,
    )


def _address(url: str | None) -> str | None:
    return None if url is None else _destination(url, ()).address


def _joined(found: Iterable[Destination]) -> Iterator[Destination]:
    """Yield one destination for each address, with all its users and the highest class of them."""
    by_address: dict[tuple[object, ...], list[Destination]] = {}
    for each in found:
        by_address.setdefault((each.host, each.port, each.is_tls, each.proxy), []).append(each)
    for same in by_address.values():
        classes = [each.clearance for each in same if each.clearance is not None]
        users = tuple(name for each in same for name in each.users)
        yield replace(same[0], users=users, clearance=max(classes, default=None))
