"""Keys of a model at a provider's URL: where it is, and what is masked for it."""

import re
from collections.abc import Iterator
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field

from gateway.domain.privacy import PrivacyClass
from gateway.policy.provider_access import ProviderModel
from gateway.policy.spec import MaskableType, is_on_this_host, privacy_class

_ENDPOINT = re.compile(r"(?:/chat)?/completions|/(?:responses|embeddings|messages|models)")
"""The path of one call, which does not belong into `base_url`; the gateway appends it."""


class UrlModel(ProviderModel):
    """A model at a provider's URL; a kind is a subclass that has a `base_url` and names its API."""

    neutral_keys: ClassVar[frozenset[str]] = ProviderModel.neutral_keys | {"model"}
    compared_keys: ClassVar[frozenset[str]] = ProviderModel.compared_keys | {
        "base_url", "proxy", "mask", "restore_in_urls",
    }  # fmt: skip
    path: ClassVar[str]
    """Of a call, behind `base_url`."""
    vendor: ClassVar[str]
    """Whose API it is."""

    model: str = Field(min_length=1, description="The model's name at the provider.")
    base_url: str = Field(
        pattern="^https?://",
        description="The URL that requests go to; environment variables do not change it.",
    )
    proxy: str | None = Field(
        None,
        pattern="^https?://",
        description="The HTTP proxy for calls; proxies of the environment are ignored. Default: none.",
    )
    mask: tuple[MaskableType, ...] = Field(
        (),
        strict=False,
        description="Types of findings that are replaced by placeholders (<EMAIL_1_KTQRW>) in a request that "
        "exceeds the clearance only because of them; the values are restored in the answer. A request with "
        "an uncertain finding is not masked.",
    )
    restore_in_urls: bool = Field(
        False,
        description="Whether masked values are also restored within URLs of the answer. A client that shows "
        "the answer may fetch its URLs, which sends the value to a host that the model chose.",
    )

    @property
    def masked_types(self) -> frozenset[str]:
        """The types of findings that are replaced by placeholders."""
        return frozenset(self.mask)

    @property
    def restores_in_urls(self) -> bool:
        """Whether masked values are also restored within URLs of an answer."""
        return self.restore_in_urls

    @property
    def provider_model(self) -> str:
        """Its name at the provider."""
        return self.model

    @property
    def server_url(self) -> str:
        """The URL that calls go to."""
        return self.base_url

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield each key whose value is valid and probably a mistake, and why."""
        url = urlsplit(self.base_url)
        is_here = url.hostname == "localhost" or is_on_this_host(url.hostname)
        is_private = privacy_class(self.clearance) >= PrivacyClass.CONFIDENTIAL
        if url.scheme == "http" and not is_here and is_private:
            yield "base_url", f"{self.clearance} text goes to another host without encryption; write https://"
        own = self.urls.get("base_url")
        path = url.path.rstrip("/")
        if found := re.search(f"(?:{_ENDPOINT.pattern})$", path):
            yield "base_url", f"must end before {found[0]}; the gateway adds {self.path} itself"
        elif own is not None and url.hostname == urlsplit(own).hostname and not path:
            yield "base_url", f"{self.vendor}'s API is at {own}; write that, or leave base_url out"
        yield from super().warnings()

    def looser_than(self, old: Self) -> Iterator[tuple[str, str]]:
        """Yield each key of its kind that is looser than in `old`, and how."""
        if _host(self.base_url) != _host(old.base_url):
            yield "base_url", "changed to another host"
        if self.proxy is not None and self.proxy != old.proxy:
            yield "proxy", "goes through another host"
        if more := sorted(set(self.mask) - set(old.mask)):
            yield "mask", f"added {', '.join(more)}: requests above the clearance may go masked"
        if self.restore_in_urls and not old.restore_in_urls:
            yield "restore_in_urls", "turned on: URLs of answers may contain private values"
        yield from super().looser_than(old)


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
