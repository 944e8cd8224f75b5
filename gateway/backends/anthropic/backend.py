"""A model behind Anthropic's Messages API.

Where bytes go, and which, is said by the policy alone; the client is that of all providers over HTTP. The
reader is our own: the official one returns a truncated input of a tool as a shorter one.
"""

from typing import Final

from gateway.backends.anthropic.message_body import messages_body
from gateway.backends.anthropic.reader import MessageReader, read_message
from gateway.backends.http.backend import HttpBackend, HttpExchange
from gateway.clock import Clock
from gateway.domain.decision import EgressPermit
from gateway.policy.anthropic import AnthropicModel

VERSION: Final = "2023-06-01"
"""Of the API, which every request names."""


class MessagesBackend(HttpBackend):
    """A model behind the Messages API. `api_key` None sends no key.

    Raises StartupError for a URL or key that cannot be sent.
    """

    def __init__(self, name: str, spec: AnthropicModel, *, api_key: str | None, clock: Clock) -> None:
        headers = {"anthropic-version": VERSION}
        super().__init__(name, spec, path="/messages", headers=headers, api_key=api_key, clock=clock)
        self._spec = spec

    def _exchange(self, permit: EgressPermit, max_tokens: int, *, is_stream: bool) -> HttpExchange:
        body, form = messages_body(self.name, self._spec, permit, max_tokens, is_stream=is_stream)
        return HttpExchange(
            body=body,
            read=lambda raw, bounds: read_message(raw, bounds, self._note, form),
            reader=lambda bounds: MessageReader(bounds, self._note, form),
        )
