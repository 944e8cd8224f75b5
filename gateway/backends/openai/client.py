"""The SDK's client as it is opened for one model: what it sends of itself, and what it may be sent.

The connections below it are those of `gateway.backends.http.client`.
"""

from collections.abc import Mapping

import httpx2
import openai

from gateway.backends.http.client import PLAIN_HEADERS, check_header, open_http_client
from gateway.errors import StartupError
from gateway.policy.model import OpenAIModel

_NO_KEY = "none"
"""The SDK insists on a key; the header that would carry it is left out, or is one of ours."""


class CloudClient(openai.AsyncOpenAI):
    """The SDK's client with headers of our own choice: its own take some from the environment, and
    tell the version of Python and the operating system."""

    sent_headers: Mapping[str, str] = {}

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """Return what is sent with every request."""
        return dict(self.sent_headers)


UNSENT = ("X-Stainless-Retry-Count", "X-Stainless-Read-Timeout")
"""Headers that the SDK adds to every request unless told not to; the second would tell our deadline."""


def open_client(name: str, spec: OpenAIModel, api_key: str | None) -> CloudClient:
    """Open the client of one model; raises StartupError for what cannot be sent."""
    headers = dict(PLAIN_HEADERS)
    if spec.organization is not None:
        headers["OpenAI-Organization"] = spec.organization
    if spec.project is not None:
        headers["OpenAI-Project"] = spec.project
    for what, value in (
        ("api_key_env", api_key),
        ("organization", spec.organization),
        ("project", spec.project),
    ):
        check_header(name, what, value)
    try:
        client = CloudClient(
            api_key=_NO_KEY,
            base_url=spec.base_url,
            organization=spec.organization or "",
            project=spec.project or "",
            max_retries=0,
            http_client=open_http_client(spec.proxy),
        )
    except (httpx2.InvalidURL, ValueError):
        raise StartupError(f"{name}: base_url or proxy is not a URL that can be called") from None
    client.sent_headers = headers
    return client
