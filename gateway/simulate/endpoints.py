"""The endpoints of the simulated provider at which models answer, in the form of a dialect."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from gateway.clock import Clock
from gateway.simulate.answers import Completion, Prompt, complete, refusing
from gateway.simulate.apis.api import ApiRequest, SimulatedApi
from gateway.simulate.apis.messages_request import MESSAGES_API
from gateway.simulate.apis.responses_request import RESPONSES_API
from gateway.simulate.billing import Meter, PromptTokens
from gateway.simulate.chat import CHAT_API
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import Dialect
from gateway.simulate.faults import Fault, FaultBook
from gateway.simulate.prompt_cache import SeenPrompts
from gateway.simulate.replies import (
    BrokenOffError,
    Exchange,
    hang,
    refusal_of,
    reply_streamed,
    reply_whole,
    reset,
)
from gateway.simulate.tools import ToolUse

APIS: Final[Mapping[str, SimulatedApi]] = {
    "chat": CHAT_API,
    "responses": RESPONSES_API,
    "messages": MESSAGES_API,
}

_Answer = Callable[[web.Request, SimulatedApi], Awaitable[web.StreamResponse]]


class Endpoints:
    """Answers requests in one dialect; `closing` ends those that hang."""

    def __init__(
        self, dialect: Dialect, *, meter: Meter, faults: FaultBook, closing: asyncio.Event, clock: Clock
    ) -> None:
        self.seen = SeenPrompts()
        self.disconnects = 0
        """Answers that the client left before their end."""
        self._dialect = dialect
        self._meter = meter
        self._faults = faults
        self._closing = closing
        self._clock = clock

    def add_to(self, app: web.Application) -> None:
        """Add the endpoints to `app`."""
        prefix = self._dialect.prefix
        for name in self._dialect.apis:
            api = APIS[name]
            app.router.add_post(prefix + api.path, functools.partial(self._handle, self._answer, api))
            if api.counting is not None:
                path = prefix + api.counting.path
                app.router.add_post(path, functools.partial(self._handle, self._count, api))
        if self._dialect.has_deployments:
            path = "/openai/deployments/{deployment}" + CHAT_API.path
            app.router.add_post(path, functools.partial(self._handle, self._answer_deployed, CHAT_API))

    async def _handle(self, answer: _Answer, api: SimulatedApi, request: web.Request) -> web.StreamResponse:
        try:
            self._check_headers(request)
            return await answer(request, api)
        except ChatError as error:
            return web.json_response(self._dialect.error(error), status=error.status)
        except BrokenOffError:
            return web.Response()  # The client has disconnected; aiohttp requires a response.
        except ConnectionError:
            # A write to a client that disconnected, before the disconnect cancelled this task.
            self.disconnects += 1
            return web.Response()
        except asyncio.CancelledError:
            self.disconnects += 1
            raise

    def _check_headers(self, request: web.Request) -> None:
        dialect = self._dialect
        if dialect.key_headers and not any(request.headers.get(name) for name in dialect.key_headers):
            raise ChatError(401, f"{dialect.key_headers[0]} header is required", code="401")
        if dialect.version_header and not request.headers.get(dialect.version_header):
            raise ChatError(400, f"{dialect.version_header}: header is required")

    async def _answer_deployed(self, request: web.Request, api: SimulatedApi) -> web.StreamResponse:
        if not request.query.get("api-version"):
            raise ChatError(404, "Resource not found", code="404")
        return await self._answer(request, api)

    async def _count(self, request: web.Request, api: SimulatedApi) -> web.StreamResponse:
        counting = api.counting
        if counting is None:
            raise TypeError(f"{api.path} counts no tokens")
        parsed = counting.parse(await request.read(), self._dialect)
        tokens = parsed.prompt(name=parsed.model.partition("+")[0]).tokens()
        return web.json_response({**counting.more, "input_tokens": tokens})

    async def _answer(self, request: web.Request, api: SimulatedApi) -> web.StreamResponse:
        parsed = api.parse(await request.read(), self._dialect)
        try:
            name, fault = self._faults.take(parsed.model)
        except ValueError as error:
            raise ChatError(400, str(error), param="model") from None
        bill = self._meter.begin(name)
        prompt = parsed.prompt(name=name)
        refusal = refusal_of(fault, last_role=prompt.messages[-1].role, dialect=self._dialect)
        if fault is not None and refusal is not None:
            headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
            return web.json_response(self._dialect.error(refusal), status=refusal.status, headers=headers)
        if fault is not None and fault.kind == "reset":
            reset(request)
        if fault is not None and fault.kind == "silence":
            await hang(request, self._closing)
        if fault is not None and fault.kind == "slow":
            await self._clock.sleep(fault.amount())
        exchange = Exchange(
            request=request,
            writer=parsed.writer(name=name, created=int(self._clock.unix_s())),
            dialect=self._dialect,
            completion=_completion(prompt, fault),
            prompt=self._prompt_tokens(parsed, prompt),
            fault=fault,
            bill=bill,
            closing=self._closing,
            clock=self._clock,
        )
        return await (reply_streamed(exchange) if parsed.is_stream else reply_whole(exchange))

    def _prompt_tokens(self, parsed: ApiRequest, prompt: Prompt) -> PromptTokens:
        """Count the tokens of a prompt, and those of them that were in the cache or get into it.

        Where the caller marks nothing, what is not cached is written, for a model with a price for that.
        """
        marks = parsed.cache_marks
        cached, kept = self.seen.look_up(prompt.model, prompt.blocks(), prompt.block_tokens(), marks=marks)
        is_written = marks is not None or self._meter.price_of(prompt.model).cache_write is not None
        return PromptTokens(total=prompt.tokens(), cached=cached, written=kept - cached if is_written else 0)


def _completion(prompt: Prompt, fault: Fault | None) -> Completion:
    length = int(fault.amount()) if fault is not None and fault.kind == "length" else None
    try:
        if fault is not None and fault.kind == "refusal":
            return refusing(complete(replace(prompt, tool_use=ToolUse())))
        return complete(prompt, length=length)
    except ValueError as error:
        raise ChatError(400, str(error), param="response_format") from None
