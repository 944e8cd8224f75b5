"""A local model thinks before it answers, through the whole gateway and the official clients."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.v1 import gateway_pb2 as pb
from tests.support import anthropic_client, openai_client
from tests.support.constructed_model import constructed
from tests.support.served import ANY_PORT, Served, ask, served

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.reasoning_content %}"
    "<think><|assistant|>{{ m.reasoning_content }}</think><|assistant|>{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|assistant|>' if enable_thinking is false else '<think><|assistant|>' }}{% endif %}"
)
"""The constructed model says the same after each `<|assistant|>`: as reasoning, and as the answer."""
POLICY = f"""
version: 1
models:
  edge:
    kind: llama_cpp
    path: {constructed()}
    clearance: restricted
    slots: 2
    context: 2048
    max_tokens: 200
    reasoning_budget_tokens: 6
    sampling: {{temperature: 0}}
    template: |
      {TEMPLATE}
privacy: {{limit_ms: 10000}}
rules: [{{name: default, route: [edge]}}]
resilience: {{attempts: 1, deadline_s: {{default: 60, max: 60}}, first_token_s: 60}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
QUESTION: Any = {"role": "user", "content": "Hello"}
THOUGHT, ANSWER, CLOSING = "Hello! I am", "Hello! I am the small model", "now I answer."


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    """A gateway with a real engine."""
    async with served({}, policy=POLICY, http=ANY_PORT) as running:
        yield running


async def test_grpc(gateway: Served) -> None:
    """Reasoning is streamed as such and counted; the budget of the policy ends it, and it may be hidden."""
    reasoning, text = "", ""
    async for event in gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=ask().messages)):
        reasoning += event.delta.reasoning
        text += event.delta.text
        last = event
    usage = last.completed.usage
    assert reasoning.startswith(THOUGHT)
    assert reasoning.endswith(CLOSING)
    assert text.startswith(ANSWER)
    assert "think" not in text
    assert "<|" not in reasoning + text
    assert 6 < usage.reasoning_tokens < 60
    assert usage.completion_tokens > usage.reasoning_tokens

    config = pb.GenerationConfig(reasoning=pb.ReasoningConfig(hide=True))
    hidden = await gateway.stub.Generate(ask(config=config))
    assert hidden.usage.reasoning_tokens == usage.reasoning_tokens
    assert not any(part.HasField("reasoning") for part in hidden.message.parts)
    assert hidden.text == text

    off = pb.GenerationConfig(reasoning=pb.ReasoningConfig(effort=pb.REASONING_EFFORT_NONE))
    plain = await gateway.stub.Generate(ask(config=off))
    assert plain.usage.reasoning_tokens == 0
    assert plain.text.startswith(ANSWER)


async def test_limit_inside_the_reasoning() -> None:
    """Without a budget the limit may cut an answer in its reasoning: that is one attempt, and no text."""
    async with served({}, policy=POLICY.replace("reasoning_budget_tokens: 6", "")) as gateway:
        cut = await gateway.stub.Generate(ask(config=pb.GenerationConfig(max_tokens=2)))
    assert (cut.finish_reason, cut.text, len(cut.attempts)) == (pb.FINISH_REASON_LENGTH, "", 1)
    assert cut.usage.reasoning_tokens == 2


async def test_a_limit_with_no_room_for_a_budget(gateway: Served) -> None:
    """Where the closing words alone are more than `max_tokens`, all of them are the answer's."""
    config = pb.GenerationConfig(max_tokens=2, reasoning=pb.ReasoningConfig(budget_tokens=900))
    short = await gateway.stub.Generate(ask(config=config))
    assert short.finish_reason == pb.FINISH_REASON_LENGTH
    assert short.text
    assert ANSWER.startswith(short.text)
    assert (short.usage.completion_tokens, short.usage.reasoning_tokens) == (2, 0)


async def test_reasoning_goes_back_with_the_history(gateway: Served) -> None:
    """To the model that thought it."""
    first = await gateway.stub.Generate(ask())
    request = ask()
    more = pb.GenerateRequest(messages=[*request.messages, first.message, *request.messages])
    second = await gateway.stub.Generate(more)
    bare = pb.Message(role=pb.ROLE_ASSISTANT, content=first.text)
    without = await gateway.stub.Generate(
        pb.GenerateRequest(messages=[*request.messages, bare, *request.messages])
    )
    assert second.usage.prompt_tokens > without.usage.prompt_tokens


async def test_openai_client(gateway: Served) -> None:
    """`reasoning_content`, streamed and whole, beside the text."""
    async with openai_client.client_of(gateway) as client:
        whole = await client.chat.completions.create(model="auto", messages=[QUESTION])
        message: Any = whole.choices[0].message
        assert message.reasoning_content.startswith(THOUGHT)
        assert (message.content or "").startswith(ANSWER)
        assert whole.usage is not None
        assert whole.usage.completion_tokens_details is not None
        assert (whole.usage.completion_tokens_details.reasoning_tokens or 0) > 6

        reasoning, text = "", ""
        stream = await client.chat.completions.create(model="auto", messages=[QUESTION], stream=True)
        async for chunk in stream:
            delta: Any = chunk.choices[0].delta
            reasoning += getattr(delta, "reasoning_content", None) or ""
            text += delta.content or ""
        assert (reasoning, text) == (message.reasoning_content, message.content)


async def test_anthropic_client(gateway: Served) -> None:
    """A block of thinking before the text; an effort is within the policy's budget, too."""
    async with anthropic_client.client_of(gateway) as client:
        async with client.messages.stream(
            model="claude-x",
            max_tokens=200,
            messages=[QUESTION],
            thinking={"type": "adaptive"},
            extra_body={"model": "auto"},
        ) as stream:
            answer = await stream.get_final_message()
        assert [block.type for block in answer.content] == ["thinking", "text"]
        thinking, text = answer.content
        assert thinking.type == "thinking"
        assert thinking.thinking.startswith(THOUGHT)
        assert text.type == "text"
        assert text.text.startswith(ANSWER)
