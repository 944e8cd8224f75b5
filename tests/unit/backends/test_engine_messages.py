"""Requests as messages of an engine, and its responses as pieces of an answer."""

from dataclasses import replace

from gateway.backends.base import Call
from gateway.backends.engine_messages import has_output, to_chunk, to_request
from gateway.domain.answer import FinishReason, ReasoningDelta, ToolCallDelta
from gateway.domain.conversation import (
    Message,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)
from gateway.domain.request import GenerationConfig
from gateway.engine.v1 import engine_pb2
from tests.support.calls import call_of


def _call(*messages: Message, config: GenerationConfig | None = None) -> Call:
    call = call_of(config=config)
    return replace(call, request=replace(call.request, messages=messages))


TOOL = Tool(name="add", description="Adds.", parameters_json_schema='{"type": "object"}')
CALL = ToolCall(id="c1", name="add", arguments_json='{"a": 1}')


def test_a_loop_of_tools_reaches_the_engine_in_order() -> None:
    """Calls stay with their message, and each result is a message of its own before what follows it."""
    sent = to_request(
        _call(
            Message(role=Role.USER, content="1 and 1?"),
            Message(role=Role.ASSISTANT, parts=(CALL, ToolCall(id="c2", name="add", arguments_json="{}"))),
            Message(
                role=Role.TOOL,
                parts=(
                    ToolResult(tool_call_id="c1", parts=(Text("2"),)),
                    ToolResult(tool_call_id="c2", parts=(Text("0"),)),
                ),
            ),
            config=GenerationConfig(
                tools=(TOOL,),
                tool_choice=ToolChoice(mode=ToolChoiceMode.NAMED, name="add"),
                parallel_tool_calls=False,
            ),
        ),
        model="m",
    )
    assert [(each.role, each.content, each.tool_call_id) for each in sent.messages] == [
        ("user", "1 and 1?", ""),
        ("assistant", "", ""),
        ("tool", "2", "c1"),
        ("tool", "0", "c2"),
    ]
    assert [(each.id, each.name, each.arguments_json) for each in sent.messages[1].tool_calls] == [
        ("c1", "add", '{"a": 1}'),
        ("c2", "add", "{}"),
    ]
    assert list(sent.tools) == [
        engine_pb2.Tool(name="add", description="Adds.", parameters_json_schema='{"type": "object"}')
    ]
    assert (sent.tool_choice.mode, sent.tool_choice.name) == (engine_pb2.ToolChoice.MODE_REQUIRED, "add")
    assert sent.single_tool_call


def test_a_thought_goes_back_to_its_own_model_alone() -> None:
    """Another model's thought stays out of the prompt."""
    said = Message(
        role=Role.ASSISTANT,
        parts=(Reasoning(text="mine", model="m"), Reasoning(text="theirs", model="other"), Text("Hi")),
    )
    call = _call(Message(role=Role.USER, content="?"), said, Message(role=Role.USER, content="!"))
    assert to_request(call, model="m").messages[1].reasoning == "mine"
    assert to_request(call, model="n").messages[1].reasoning == ""


def test_how_much_to_think_is_told() -> None:
    """Effort in the words of templates, the budget as it is; what is not asked stays unset."""
    config = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.MINIMAL, budget_tokens=64))
    asked = to_request(call_of(config=config), model="m").reasoning
    assert (asked.is_off, asked.effort, asked.budget_tokens) == (False, "low", 64)
    off = to_request(
        call_of(config=GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.NONE))), model="m"
    )
    assert off.reasoning.is_off
    no_budget = GenerationConfig(reasoning=ReasoningConfig(budget_tokens=0))
    assert to_request(call_of(config=no_budget), model="m").reasoning.is_off
    plain = to_request(call_of(), model="m").reasoning
    assert not plain.is_off
    assert not plain.HasField("budget_tokens")


def test_a_response_is_a_piece_of_the_answer() -> None:
    """Reasoning, calls and their counts arrive."""
    response = engine_pb2.GenerateResponse(
        reasoning="Hm",
        tool_calls=[engine_pb2.ToolCallDelta(index=1, id="c", name="add", arguments_json="{}")],
        finished=engine_pb2.Finished(
            reason=engine_pb2.FINISH_REASON_TOOL_CALLS,
            prompt_tokens=3,
            completion_tokens=9,
            reasoning_tokens=2,
        ),
    )
    chunk = to_chunk(response)
    assert chunk.reasoning == (ReasoningDelta(text="Hm"),)
    assert chunk.tool_calls == (ToolCallDelta(index=1, id="c", name="add", arguments_json="{}"),)
    assert chunk.finish_reason is FinishReason.TOOL_CALLS
    assert chunk.usage is not None
    assert (chunk.usage.completion_tokens, chunk.usage.reasoning_tokens) == (9, 2)


def test_a_heartbeat_holds_nothing() -> None:
    """An empty response is no part of the answer."""
    assert not has_output(engine_pb2.GenerateResponse())
    assert has_output(engine_pb2.GenerateResponse(reasoning="a"))
