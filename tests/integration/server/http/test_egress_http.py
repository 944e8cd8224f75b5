"""Private texts in every member of each dialect: none reaches a provider, a log, a metric or an error."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.simulate.server import SimulatedCloud
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.raw_http import exchanged
from tests.support.served import ANY_PORT, served

POLICY = """
version: 1
models:
  edge: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: restricted, tools: true,
         price_per_million_usd: {input: 1, output: 1}}
  cloud: {kind: openai, model: sim, base_url: "BASE_URL", clearance: internal, tools: true,
          price_per_million_usd: {input: 1, output: 1}}
privacy: {limit_ms: 10000}
rules: [{name: default, route: [cloud, edge]}]
replies: [{id: sorry, text: "Sorry."}]
"""
CANARY = "zorbelnut"
PRIVATE = f"pay {CANARY} with 4111 1111 1111 1111, mail {CANARY}-1@example.org"
SCHEMA = {
    "type": "object",
    "description": "said",
    "properties": {"a": {"type": "string", "enum": ["b", "c"], "description": "said"}},
}
CHAT_BODY: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 20,
    "stop": ["said"],
    "user": "said",
    "metadata": {"a": "said"},
    "prompt_cache_key": "said",
    "safety_identifier": "said",
    "messages": [
        {"role": "system", "content": "said", "name": "said"},
        {"role": "user", "content": [{"type": "text", "text": "said"}, {"type": "text", "text": "said"}]},
        {
            "role": "assistant",
            "content": "said",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "said"},
        {"role": "user", "content": "said"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "said", "parameters": SCHEMA}}],
}
RESPONSES_BODY: dict[str, Any] = {
    "model": "auto",
    "store": False,
    "instructions": "said",
    "user": "said",
    "metadata": {"a": "said"},
    "prompt_cache_key": "said",
    "safety_identifier": "said",
    "input": [
        {"role": "developer", "content": "said"},
        {"role": "user", "content": [{"type": "input_text", "text": "said"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": "b"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "said"},
        {"role": "user", "content": "said"},
    ],
    "tools": [{"type": "function", "name": "f", "description": "said", "parameters": SCHEMA}],
}
MESSAGES_BODY: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 20,
    "system": [{"type": "text", "text": "said"}],
    "stop_sequences": ["said"],
    "metadata": {"user_id": "said"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "said"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "said"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "said"}]},
                {"type": "text", "text": "said"},
            ],
        },
    ],
    "tools": [{"name": "f", "description": "said", "input_schema": SCHEMA}],
}
DIALECTS = {
    "/v1/chat/completions": CHAT_BODY,
    "/v1/responses": RESPONSES_BODY,
    "/v1/messages": MESSAGES_BODY,
}


def with_private_text(value: Any) -> Iterator[Any]:
    """Yield the value with a private text in the place of each of its strings and names, one at a time."""
    match value:
        case str():
            yield PRIVATE
            yield json.dumps({"a": PRIVATE})
        case dict():
            for name, each in value.items():
                rest = {other: kept for other, kept in value.items() if other != name}
                yield {**rest, PRIVATE: each}
                for changed in with_private_text(each):
                    yield {**value, name: changed}
        case list():
            for i, each in enumerate(value):
                for changed in with_private_text(each):
                    yield [*value[:i], changed, *value[i + 1 :]]


@pytest.mark.parametrize("path", sorted(DIALECTS))
async def test_no_member_of_a_dialect_carries_a_private_text_out(path: str) -> None:
    """Each is scored, refused or dropped; the same body without one goes to the provider."""
    backends = {"edge": ScriptedBackend("edge", lambda _: reply(f"so said {CANARY}"))}
    reports, statuses = list[CallReport](), list[int]()
    bodies = list(with_private_text(DIALECTS[path]))
    with capture_logs() as logs:
        async with SimulatedCloud().serve() as cloud:
            policy = POLICY.replace("BASE_URL", cloud.base_url)
            async with served(backends, http=ANY_PORT, policy=policy, observers=(reports.append,)) as gateway:
                for number, body in enumerate(bodies):
                    changed = {**body, "stream": number % 2 == 0}
                    told = await exchanged(gateway.http_address, path, json.dumps(changed).encode())
                    statuses.append(told.status)
                    assert CANARY not in str(told.headers)
                outside = cloud.received()
                assert CANARY not in "".join(each.raw().decode() for each in outside)
                plain = await exchanged(gateway.http_address, path, json.dumps(DIALECTS[path]).encode())
                assert plain.status == 200
                assert len(cloud.received()) > len(outside)
    assert CANARY not in str(logs)
    assert len(reports) == len(bodies) + 1
    assert CANARY not in str(reports)
    assert backends["edge"].calls
    assert set(statuses) <= {200, 400, 404}
    assert statuses.count(200) > 10


@pytest.mark.parametrize("path", sorted(DIALECTS))
async def test_no_header_carries_a_private_text_out(path: str) -> None:
    """Labels, sessions, ids, user agents and cookies are sent to nobody."""
    names = (
        "x-gateway-label-a", "x-session-id", "x-claude-code-session-id", "user-agent", "cookie", "x-api-key",
        "referer", "x-forwarded-for", "baggage", "openai-organization", "anthropic-beta", "x-stainless-lang",
    )  # fmt: skip
    body = json.dumps(DIALECTS[path]).encode()
    with capture_logs() as logs:
        async with SimulatedCloud().serve() as cloud:
            policy = POLICY.replace("BASE_URL", cloud.base_url)
            async with served({}, http=ANY_PORT, policy=policy) as gateway:
                for name in names:
                    value = CANARY if name.startswith("x-gateway") else PRIVATE
                    target = f"{path}?key={CANARY}"
                    told = await exchanged(gateway.http_address, target, body, headers={name: value})
                    assert told.status == 200, (name, told.body)
                raw = [each.raw().decode().lower() for each in cloud.received()]
    assert len(raw) == len(names)
    assert not [each for each in raw if CANARY in each]
    assert CANARY not in str(logs)
