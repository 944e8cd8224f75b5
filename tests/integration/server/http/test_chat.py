"""Chat completions, asked by OpenAI's own client."""

from gateway.domain.answer import Chunk
from tests.support.openai_client import MODEL, USAGE, asked, ended

HELLO = [[Chunk(text="Hello, "), Chunk(text="you."), ended()]]


async def test_text_comes_whole() -> None:
    """With the model that made it, and every token counted once."""
    async with asked(HELLO) as (client, model):
        answer = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "hello"}],
        )
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason, answer.model) == ("Hello, you.", "stop", "smart")
    assert answer.usage is not None
    assert answer.usage.total_tokens == USAGE.prompt_tokens + USAGE.completion_tokens
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == USAGE.cached_prompt_tokens
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == USAGE.reasoning_tokens
    (call,) = model.calls
    assert [(each.role, each.content) for each in call.request.messages] == [
        ("system", "Be kind."),
        ("user", "hello"),
    ]


async def test_text_comes_in_chunks() -> None:
    """The first has the role, all have the same head, and the usage is the last where it is wanted."""
    async with asked(HELLO) as (client, _):
        stream = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert {(each.id, each.created, each.model, each.object) for each in chunks} == {
        (chunks[0].id, chunks[0].created, "smart", "chat.completion.chunk")
    }
    *spoken, last = chunks
    assert spoken[0].choices[0].delta.role == "assistant"
    assert "".join(each.choices[0].delta.content or "" for each in spoken) == "Hello, you."
    assert [each.choices[0].finish_reason for each in spoken] == [None, None, None, "stop"]
    assert [each.usage for each in spoken] == [None] * len(spoken)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.prompt_tokens == USAGE.prompt_tokens
