"""A question of `gateway demo` asked through the openai SDK, as a program that knows no gateway asks it."""

from collections.abc import Mapping, Sequence
from typing import Any

import openai

from gateway.cli.exits import CommandFailed
from gateway.v1 import gateway_pb2 as pb


def sdk_client(http_url: str, *, tenant: str, timeout_s: float) -> openai.AsyncOpenAI:
    """Return a client of the gateway that asks for the decision, too; to be used by `async with`."""
    return openai.AsyncOpenAI(
        base_url=f"{http_url}/v1",
        api_key="none-is-needed",
        default_headers={"x-tenant": tenant, "x-gateway-decision": "true"},
        max_retries=0,
        timeout=timeout_s,
        # The gateway is on this host: no proxy of the environment is asked.
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )


async def ask_by_sdk(client: openai.AsyncOpenAI, text: str, *, max_tokens: int) -> pb.GenerateResponse:
    """Return the answer over HTTP, in the contract's form, so that it is compared as every other one.

    Raises CommandFailed.
    """
    try:
        completion = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": text}], max_tokens=max_tokens
        )
    except openai.OpenAIError as error:
        raise CommandFailed(f"asked through the openai SDK: {error}") from None
    shown = (completion.model_extra or {})["gateway"]
    usage = completion.usage
    return pb.GenerateResponse(
        text=completion.choices[0].message.content or "",
        model=completion.model,
        route=pb.Route.Value(f"ROUTE_{shown['route'].upper()}"),
        cost_usd=shown["cost_usd"],
        usage=None
        if usage is None
        else pb.Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens),
        decision=_decision(shown["decision"]),
        attempts=list(map(_attempt, shown["attempts"])),
    )


def _decision(shown: Mapping[str, Any]) -> pb.Decision:
    refused: Sequence[Mapping[str, str]] = shown["refused"]
    return pb.Decision(
        scores=pb.Scores(**shown["scores"]),
        privacy_class=pb.PrivacyClass.Value(f"PRIVACY_CLASS_{shown['privacy_class'].upper()}"),
        rule=shown["rule"],
        chain=shown["chain"],
        refused=[pb.Refusal(model=each["model"], reason=_reason(each["reason"])) for each in refused],
    )


def _attempt(shown: Mapping[str, Any]) -> pb.Attempt:
    return pb.Attempt(
        model=shown["model"],
        outcome=pb.Outcome.Value(f"OUTCOME_{shown['outcome']}"),
        reason=_reason(shown["reason"]),
    )


def _reason(word: str | None) -> pb.Reason.ValueType:
    return pb.REASON_UNSPECIFIED if word is None else pb.Reason.Value(f"REASON_{word}")
