"""Agents of the OpenAI Agents SDK, with both of its models, that call two tools and end with an answer."""

import json
from typing import Any

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from pydantic import BaseModel

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta
from gateway.domain.conversation import Reasoning, Text, ToolResult
from gateway.testing.scripted import Step
from tests.support.openai_client import MODEL, USAGE, asked, called, ended

MODELS: dict[str, type[OpenAIChatCompletionsModel | OpenAIResponsesModel]] = {
    "chat": OpenAIChatCompletionsModel,
    "responses": OpenAIResponsesModel,
}
SILENT = RunConfig(tracing_disabled=True)
"""Nothing is sent to anybody but the model."""
BOTH_TOOLS: Step = [
    Chunk(reasoning=(ReasoningDelta(text="I need both.", opaque=b"signed"),)),
    *called("weather", '{"city": "Oslo"}'),
    *called("distance", '{"city": "Oslo"}', index=1),
    ended(FinishReason.TOOL_CALLS),
]
ONE_MORE: Step = [
    *called("weather", '{"city": "Bergen"}', call_id="later", opaque=b"signature"),
    ended(FinishReason.TOOL_CALLS),
]
ANSWER: Step = [Chunk(text="Rain, "), Chunk(text="10 km away."), ended()]


@function_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"rain in {city}"


@function_tool
def distance(city: str) -> int:
    """Tell how far a city is, in km."""
    return len(city)


def agent_of(model: Model, **settings: Any) -> Agent[None]:
    """Return an agent with two tools."""
    return Agent(
        name="guide",
        instructions="Be short.",
        model=model,
        tools=[weather, distance],
        model_settings=ModelSettings(
            max_tokens=100, temperature=0.5, parallel_tool_calls=True, include_usage=True
        ),
        **settings,
    )


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("kind", MODELS)
async def test_an_agent_calls_its_tools_and_answers(kind: str, is_streamed: bool) -> None:
    """Two calls in one turn, another in the next: each result is where it belongs, and so are thoughts."""
    async with asked([BOTH_TOOLS, ONE_MORE, ANSWER]) as (client, model):
        agent = agent_of(MODELS[kind](model=MODEL, openai_client=client))
        if is_streamed:
            run = Runner.run_streamed(agent, "How is Oslo?", run_config=SILENT)
            pieces = [
                event.data.delta
                async for event in run.stream_events()
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
            ]
            assert "".join(pieces) == "Rain, 10 km away."
            output, usage = run.final_output, run.context_wrapper.usage
        else:
            result = await Runner.run(agent, "How is Oslo?", run_config=SILENT)
            output, usage = result.final_output, result.context_wrapper.usage
    assert output == "Rain, 10 km away."
    assert (usage.requests, usage.total_tokens) == (3, 3 * (USAGE.prompt_tokens + USAGE.completion_tokens))
    first, _, last = (call.request for call in model.calls)
    assert [(each.role, each.content) for each in first.messages] == [
        ("system", "Be short."),
        ("user", "How is Oslo?"),
    ]
    assert sorted(tool.name for tool in first.config.tools) == ["distance", "weather"]
    schema = json.loads(first.config.tools[0].parameters_json_schema)
    assert schema["properties"]["city"]["type"] == "string"
    calls = [call for message in last.messages for call in message.tool_calls]
    assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [
        ("weather", {"city": "Oslo"}),
        ("distance", {"city": "Oslo"}),
        ("weather", {"city": "Bergen"}),
    ]
    results: list[ToolResult] = [each for message in last.messages for each in message.tool_results]
    assert [(each.tool_call_id, each.parts) for each in results] == [
        ("call_0", (Text("rain in Oslo"),)),
        ("call_1", (Text("4"),)),
        ("later", (Text("rain in Bergen"),)),
    ]
    if kind == "responses":  # The other model of the SDK keeps neither.
        thoughts = [
            part for message in last.messages for part in message.parts if isinstance(part, Reasoning)
        ]
        assert thoughts == [Reasoning(text="I need both.", model="smart", opaque=b"signed")]
        assert (calls[2].opaque, calls[2].model) == (b"signature", "smart")


class Place(BaseModel):
    """What an agent is to find."""

    city: str


@pytest.mark.parametrize("kind", MODELS)
async def test_an_agent_answers_with_an_object(kind: str) -> None:
    """The schema reaches the model, and the agent has the object."""
    async with asked([[Chunk(text='{"city": "Oslo"}'), ended()]]) as (client, model):
        agent = Agent(name="finder", model=MODELS[kind](model=MODEL, openai_client=client), output_type=Place)
        result = await Runner.run(agent, "Where?", run_config=SILENT)
    assert result.final_output == Place(city="Oslo")
    schema = model.calls[0].request.config.json_schema
    assert schema is not None
    assert json.loads(schema)["properties"]["city"]["type"] == "string"


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("kind", MODELS)
async def test_agents_hand_a_conversation_over(kind: str, is_streamed: bool) -> None:
    """To hand over is a call of a tool; the next agent has its own instructions and the whole history."""
    handover: Step = [*called("transfer_to_expert", "{}"), ended(FinishReason.TOOL_CALLS)]
    async with asked([handover, ANSWER]) as (client, model):
        expert = agent_of(MODELS[kind](model=MODEL, openai_client=client))
        expert.name = "expert"
        first: Agent[None] = Agent(
            name="first", model=MODELS[kind](model=MODEL, openai_client=client), handoffs=[expert]
        )
        if is_streamed:
            run = Runner.run_streamed(first, "How is Oslo?", run_config=SILENT)
            _ = [event async for event in run.stream_events()]
            output, last_agent = run.final_output, run.last_agent
        else:
            result = await Runner.run(first, "How is Oslo?", run_config=SILENT)
            output, last_agent = result.final_output, result.last_agent
    assert (output, last_agent.name) == ("Rain, 10 km away.", "expert")
    messages = model.calls[1].request.messages
    assert messages[0].content == "Be short."
    assert [call.name for message in messages for call in message.tool_calls] == ["transfer_to_expert"]
