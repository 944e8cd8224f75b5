"""A server that speaks Anthropic's Messages API, and refuses what that refuses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.messages_api import Json, events_of, problems_of, wire


class MessagesDouble:
    """Listens and answers with the messages that it was given, in turn; refuses what the API refuses."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self._answers = list(answers)
        self.base_url = ""
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Json] = []
        self.problems: list[str] = []

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["MessagesDouble"]:
        """Listen while the block runs."""
        app = web.Application()
        app.router.add_post("/v1/messages", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            self.base_url = f"http://127.0.0.1:{port}/v1"
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(body)
        if found := list(problems_of(body)):
            self.problems += found
            error = {"type": "invalid_request_error", "message": found[0]}
            return web.json_response({"type": "error", "error": error}, status=400)
        answer = self._answers.pop(0)
        if not body.get("stream"):
            return web.json_response(answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events_of(answer):
            await response.write(wire([event]))
        return response
