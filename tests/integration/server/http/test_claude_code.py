"""Requests as Claude Code sends them, of its own shapes, and what the models then see."""

import json
from typing import Any

from gateway.domain.answer import Chunk, FinishReason
from gateway.domain.conversation import ReasoningConfig, ReasoningEffort, Role
from gateway.testing.scripted import ScriptedBackend, Step
from tests.support.anthropic_client import (
    MODEL,
    POLICY,
    TO_PLAIN,
    Json,
    asked,
    called,
    client_of,
    ended,
    events_of,
    posted,
    thought,
)
from tests.support.served import ANY_PORT, served

HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
    "anthropic-dangerous-direct-browser-access": "true",
    "authorization": "Bearer secret",
    "user-agent": "claude-cli/2.1.258 (external, cli)",
    "x-app": "cli",
    "x-stainless-helper-method": "stream",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
BILLING = "x-anthropic-billing-header:"
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SESSION = "0d7f2c1e-5a52-4f0c-9a53-3f1f5b7c9d11"
TOOLS = [
    {
        "name": name,
        "description": f"{name} of this machine.",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"path": {"type": "string"}},
            "required": ["path"],
            "additionalProperties": False,
        },
    }
    for name in ("Bash", "Read", "mcp__files__list")
]
QUESTION: Json = {
    "role": "user",
    "content": [
        {"type": "text", "text": "<system-reminder>\nThe list of tasks is empty.\n</system-reminder>\n"},
        {"type": "text", "text": "What is in README.md?", **EPHEMERAL},
    ],
}
READ: Step = [
    thought("I should read it.", b"signed"),
    Chunk(text="I read it."),
    *called("Read", '{"path": "README.md"}'),
    ended(FinishReason.TOOL_CALLS),
]
SAID: Step = [Chunk(text="A gateway."), ended()]


def turn(messages: list[Json], *, nonce: str, **fields: object) -> Json:
    """Return a request of a conversation; the nonce is another one each time."""
    return {
        "model": MODEL,
        "max_tokens": 32_000,
        "stream": True,
        "system": [
            {
                "type": "text",
                "text": f"{BILLING} cc_version=2.1.258.{nonce[:3]}; cc_entrypoint=cli; cch={nonce};",
            },
            {"type": "text", "text": "You are a helper for engineers.", **EPHEMERAL},
            {"type": "text", "text": "Answer in short sentences.", **EPHEMERAL},
        ],
        "messages": messages,
        "tools": [*TOOLS[:-1], TOOLS[-1] | EPHEMERAL],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {
            "user_id": json.dumps({"device_id": "f" * 64, "account_uuid": "", "session_id": SESSION})
        },
        "temperature": 1,
        **fields,
    }


def taken_back(sent: bytes) -> list[Json]:
    """Return the blocks of an answer as Claude Code puts them together, and keeps them."""
    blocks: list[Json] = []
    texts: list[str] = []
    keys = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
    for name, data in events_of(sent):
        if name == "content_block_start":
            blocks.append(dict(data["content_block"]))
            texts = []
        elif name == "content_block_delta" and data["delta"]["type"] == "signature_delta":
            blocks[-1]["signature"] = data["delta"]["signature"]
        elif name == "content_block_delta":
            texts.append(data["delta"][keys[data["delta"]["type"]]])
        elif name == "content_block_stop":
            kind, joined = blocks[-1]["type"], "".join(texts)
            if kind == "tool_use":
                blocks[-1]["input"] = json.loads(joined or "{}")
            elif kind in ("text", "thinking"):
                blocks[-1][kind] = joined
    return blocks


async def test_a_conversation_of_two_turns() -> None:
    """Every turn begins as the one before it, so that what a model has read of it is read from its cache."""
    async with asked([READ, SAID]) as (client, able):
        status, sent = await posted(
            client, turn([QUESTION], nonce="3fa9c"), path="/v1/messages?beta=true", headers=HEADERS
        )
        assert status == 200
        result = {"tool_use_id": "toolu_0", "type": "tool_result", "content": "# A gateway", **EPHEMERAL}
        said = {"role": "assistant", "content": taken_back(sent)}
        reminder = {"role": "system", "content": "The file was changed since."}
        status, sent = await posted(
            client,
            turn([QUESTION, said, {"role": "user", "content": [result]}, reminder], nonce="07b1d"),
            path="/v1/messages?beta=true",
            headers=HEADERS,
        )
        assert status == 200
    first, second = (call.request for call in able.calls)
    assert second.messages[:2] == first.messages
    assert first.messages[0].content == "You are a helper for engineers.\n\nAnswer in short sentences."
    assert [message.role for message in second.messages] == [
        Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL, Role.SYSTEM,
    ]  # fmt: skip
    assert first.session_id == SESSION
    assert first.config.tools == second.config.tools
    assert first.config.reasoning == ReasoningConfig(effort=ReasoningEffort.MEDIUM, is_optional=True)
    assert able.calls[0].max_tokens == 32_000
    assert events_of(sent)[-1][0] == "message_stop"


async def test_every_model_answers_it() -> None:
    """One that cannot think is told nothing of it, and one of short answers is asked for less."""
    models = {name: ScriptedBackend(name, [SAID]) for name in ("able", "plain")}
    async with served(models, http=ANY_PORT, policy=POLICY) as gateway, client_of(gateway) as client:
        body = turn([QUESTION], nonce="3fa9c", tools=[])
        status, _ = await posted(client, body, headers={**HEADERS, **TO_PLAIN})
    assert status == 200
    (call,) = models["plain"].calls
    assert call.request.config.reasoning == ReasoningConfig()
    assert call.permit is not None
    assert call.permit.request.config.reasoning == ReasoningConfig()
    assert call.max_tokens == 4096


async def test_its_search_is_refused_by_name_or_left_out() -> None:
    """As the policy says; Claude Code has tools that only Anthropic can run."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    body = turn([QUESTION], nonce="3fa9c", tools=[search], tool_choice={"type": "auto"})
    async with asked([SAID]) as (client, _):
        status, sent = await posted(client, body, headers=HEADERS)
    told: Any = json.loads(sent)
    assert (status, told["error"]["param"]) == (400, "tools[0].type")
    assert "web_search_20250305" in told["error"]["message"]
    async with asked([SAID], policy=POLICY + "http: {drop_hosted_tools: true}\n") as (client, able):
        status, _ = await posted(client, body, headers=HEADERS)
    assert status == 200
    assert able.calls[0].request.config.tools == ()


async def test_its_first_requests() -> None:
    """It looks whether somebody is there, counts tokens, and asks for a title by a schema."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    title = turn(
        [{"role": "user", "content": "What is in README.md?"}],
        nonce="3fa9c",
        tools=[],
        thinking={"type": "disabled"},
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    quota = {
        "model": MODEL,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "quota"}],
        "metadata": {"user_id": f"user_{'0' * 64}_account__session_{SESSION}"},
    }
    counted = {name: title[name] for name in ("model", "messages", "system")}
    async with asked([[Chunk(text='{"title": "README"}'), ended()]]) as (client, able):
        assert (await posted(client, title, headers=HEADERS))[0] == 200
        assert (await posted(client, quota, headers=HEADERS))[0] == 200
        status, sent = await posted(
            client, counted, path="/v1/messages/count_tokens?beta=true", headers=HEADERS
        )
    assert status == 200
    assert json.loads(sent) == {"input_tokens": 20}
    asked_title, asked_quota = (call.request for call in able.calls)
    assert asked_title.config.json_schema is not None
    assert json.loads(asked_title.config.json_schema) == schema
    assert asked_title.config.reasoning.effort is ReasoningEffort.NONE
    assert asked_quota.session_id == SESSION
