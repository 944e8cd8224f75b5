"""A model behind Anthropic's Messages API.

Where bytes go, and which, is said by the policy alone; the client is that of all providers over HTTP. The
reader is our own: the official one returns a truncated input of a tool as a shorter one.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import httpx2

from gateway.backends.anthropic.message_body import messages_body
from gateway.backends.anthropic.reader import MessageReader, read_message
from gateway.backends.anthropic.tools import Json
from gateway.backends.base import Call
from gateway.backends.http.backend import HttpBackend, HttpExchange
from gateway.backends.http.client import (
    PLAIN_HEADERS,
    check_header,
    check_uncompressed,
    is_framed,
    open_http_client,
    timeout_of,
)
from gateway.backends.http.errors import refused
from gateway.clock import Clock
from gateway.domain.decision import EgressPermit
from gateway.errors import BackendCredentials, BackendError, StartupError
from gateway.policy.anthropic import AnthropicModel

VERSION: Final = "2023-06-01"
"""Of the API, which every request names."""


class MessagesBackend(HttpBackend):
    """A model behind the Messages API. `api_key` None sends no key.

    Raises StartupError for a URL or key that cannot be sent.
    """

    def __init__(self, name: str, spec: AnthropicModel, *, api_key: str | None, clock: Clock) -> None:
        check_header(name, "api_key_env", api_key)
        try:
            self._url = httpx2.URL(spec.base_url.rstrip("/") + "/messages")
            self._client = open_http_client(spec.proxy)
        except (httpx2.InvalidURL, ValueError):
            raise StartupError(f"{name}: base_url or proxy is not a URL that can be called") from None
        super().__init__(name, spec, api_key=api_key, clock=clock)
        self._spec = spec

    def _exchange(self, permit: EgressPermit, max_tokens: int, *, is_stream: bool) -> HttpExchange:
        body, form = messages_body(self.name, self._spec, permit, max_tokens, is_stream=is_stream)
        return HttpExchange(
            body=body,
            read=lambda raw, bounds: read_message(raw, bounds, self._note, form),
            reader=lambda bounds: MessageReader(bounds, self._note, form),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _answer(
        self, call: Call, body: Json
    ) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool], None]:
        headers = PLAIN_HEADERS | {"anthropic-version": VERSION} | dict(await self._credentials.headers())
        if call.traceparent is not None:
            headers["traceparent"] = call.traceparent
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        request = self._client.build_request(
            "POST",
            self._url,
            content=content,
            headers=headers,
            params=dict(self._spec.query) or None,
            timeout=timeout_of(call.deadline, self._clock),
        )
        response = await self._client.send(request, stream=True)
        try:
            if not response.is_success:
                raise await self._refusal(response)
            check_uncompressed(response)
            async with aclosing(response.aiter_raw()) as pieces:
                yield pieces, is_framed(response)
        finally:
            await response.aclose()

    async def _refusal(self, response: httpx2.Response) -> BackendError:
        error = refused(
            self.name,
            status=response.status_code,
            body=await response.aread(),
            headers=response.headers,
            unix_s=self._clock.unix_s(),
            remedies=self._spec.remedies,
        )
        if isinstance(error, BackendCredentials):
            self._credentials.forget()
        return error
