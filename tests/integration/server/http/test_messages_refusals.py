"""What Anthropic's own client raises where the Messages API refuses or fails."""

from typing import Any

import anthropic
import pytest

from gateway.domain.answer import Chunk
from gateway.errors import (
    BackendFailed,
    BackendRateLimited,
    ContentFiltered,
    ContextTooLong,
    GatewayError,
    Unauthenticated,
)
from gateway.server.access import Caller
from gateway.testing.scripted import ScriptedBackend, Step
from tests.support.anthropic_client import HELLO, MODEL, POLICY, TO_PLAIN, asked, client_of, ended, posted
from tests.support.served import ANY_PORT, served

SAID: Step = [Chunk(text="Hello."), ended()]
LOOK: Any = {"name": "look", "input_schema": {"type": "object"}}


async def raised_by(step: Step | GatewayError, **fields: object) -> anthropic.APIStatusError:
    """Return what the client raises for a request."""
    request: Any = {"model": MODEL, "max_tokens": 512, "messages": [HELLO], **fields}
    async with asked([step]) as (client, _):
        with pytest.raises(anthropic.APIStatusError) as raised:
            await client.messages.create(**request)
    return raised.value


@pytest.mark.parametrize(
    ("step", "fields", "expected", "kind"),
    [
        (SAID, {"model": "gpt-9"}, anthropic.NotFoundError, "not_found_error"),
        (SAID, {"temperature": 3}, anthropic.BadRequestError, "invalid_request_error"),
        (SAID, {"n": 2}, anthropic.BadRequestError, "invalid_request_error"),
        (ContentFiltered("able", "no"), {}, anthropic.BadRequestError, "invalid_request_error"),
        (
            BackendRateLimited("able", "slow down", retry_after_s=7),
            {},
            anthropic.RateLimitError,
            "rate_limit_error",
        ),
        (BackendFailed("able", "down"), {}, anthropic.ServiceUnavailableError, "overloaded_error"),
    ],
)
async def test_the_client_knows_the_error(
    step: Step, fields: dict[str, Any], expected: type[anthropic.APIStatusError], kind: str
) -> None:
    """By its status, and by Anthropic's word for it; with the id of the request."""
    model = fields.pop("model", MODEL)
    error = await raised_by(step, model=model, extra_body=fields)
    body: Any = error.body
    assert type(error) is expected
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert error.request_id == body["request_id"] == error.response.headers["x-gateway-request-id"]


async def test_a_stranger_is_told_so_in_the_words_of_anthropic() -> None:
    """A key comes as `x-api-key`, or as Claude Code's bearer."""

    def knows(caller: Caller) -> str:
        if "right" not in (caller.headers.get("x-api-key"), caller.headers.get("authorization", "")[7:]):
            raise Unauthenticated("no valid key")
        return "acme"

    models = {name: ScriptedBackend(name, [SAID]) for name in ("able", "plain")}
    async with served(models, http=ANY_PORT, policy=POLICY, tenant_of=knows) as gateway:
        async with client_of(gateway, key="wrong") as client:
            with pytest.raises(anthropic.AuthenticationError) as raised:
                await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO])
        async with client_of(gateway, key="right") as client:
            await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO])
        async with anthropic.AsyncAnthropic(
            base_url=gateway.http_url, auth_token="right", max_retries=0, open_telemetry=False
        ) as client:
            await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO])
    body: Any = raised.value.body
    assert body["error"]["type"] == "authentication_error"


async def test_a_request_that_is_too_large() -> None:
    """Its size is told before it is read to the end."""
    models = {name: ScriptedBackend(name, [SAID]) for name in ("able", "plain")}
    async with (
        served(models, http=ANY_PORT, policy=POLICY, max_request_bytes=2000) as gateway,
        client_of(gateway) as client,
    ):
        with pytest.raises(anthropic.RequestTooLargeError) as raised:
            await client.messages.create(
                model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "x" * 3000}]
            )
    body: Any = raised.value.body
    assert body["error"]["type"] == "request_too_large"


async def test_a_prompt_that_fits_no_model() -> None:
    """Claude Code shortens its conversation after this sentence, whoever found it out."""
    error = await raised_by(ContextTooLong("able", "too long"), messages=[HELLO])
    body: Any = error.body
    assert body["error"]["message"].startswith("prompt is too long: 200001 tokens > 200000 maximum")
    too_long = await raised_by(
        SAID, messages=[{"role": "user", "content": "lorem ipsum " * 8000}], extra_headers=TO_PLAIN
    )
    told: Any = too_long.body
    assert told["error"]["message"].startswith("prompt is too long: 24000 tokens > 8192 maximum")
    assert told["error"]["code"] == "context_length_exceeded"


async def test_an_answer_for_which_a_provider_has_no_room() -> None:
    """Claude Code asks for a shorter one after this sentence."""
    error = await raised_by(
        ContextTooLong("able", "too long"),
        messages=[{"role": "user", "content": "lorem ipsum " * 60_000}],
        max_tokens=21_000,
    )
    body: Any = error.body
    assert body["error"]["message"].startswith(
        "input length and `max_tokens` exceed context limit: 180000 + 21000 > 200000"
    )


async def test_what_no_model_can_do_is_named() -> None:
    """A budget of thinking is a need; so are tools."""
    for fields, place in (
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking"),
        ({"tools": [LOOK]}, "tools"),
    ):
        error = await raised_by(SAID, extra_headers=TO_PLAIN, **fields)
        body: Any = error.body
        assert (error.status_code, body["error"]["code"]) == (400, "capability")
        assert body["error"]["param"] == place


async def test_errors_of_a_body_have_the_shape_too() -> None:
    """Whatever came of it could be read."""
    async with asked([SAID]) as (client, _):
        status, sent = await posted(client, [1])  # type: ignore[arg-type]
    assert status == 400
    assert sent.startswith(b'{"type":"error","error":{"type":"invalid_request_error"')
