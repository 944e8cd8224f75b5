"""What `gateway serve --air-gap` takes: addresses of this host, written as such."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.policy.loading.document import Document
from gateway.policy.source import Problem

WAY_OUT = "--air-gap takes loopback addresses only, in digits (127.0.0.1, [::1])"
"""A name is refused even if it means this host: looking it up may ask another one."""


def is_on_this_host(host: str | None) -> bool:
    """Say whether `host` is a loopback address in digits."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_air_gap(document: Document) -> list[Problem]:
    """Return every address of a policy that is not on this host, and every one that is left to a default."""
    root = document.value if isinstance(document.value, dict) else {}
    models = root.get("models")
    if not isinstance(models, dict):
        return []
    return [
        document.problem(("models", name, key), message)
        for name, model in models.items()
        if isinstance(model, dict) and model.get("kind") == "openai"
        for key, message in _addresses_beyond(model)
    ]


def _addresses_beyond(model: dict[str, object]) -> Iterator[tuple[str, str]]:
    if "base_url" not in model:
        yield "base_url", f"is missing, so requests would go to api.openai.com; {WAY_OUT}"
    for key in ("base_url", "proxy"):
        if key in model and not is_on_this_host(_host_of(str(model[key]))):
            yield key, f"is not an address of this host; {WAY_OUT}"


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
