"""A gateway with a model behind Anthropic's API, by the policy that the documentation shows."""

import json
import re

from gateway.policy.loading.load import parse_policy
from gateway.v1 import gateway_pb2 as pb
from tests.support.messages_api import message, text_block, thinking_block, tool_block
from tests.support.messages_double import MessagesDouble
from tests.support.repository import ROOT
from tests.support.served import served

PAGE = (ROOT / "docs" / "guides" / "anthropic.md").read_text(encoding="utf-8")
SNIPPET = next(each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "anthropic" in each)
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens": 30,
}


def request_of_tools() -> pb.GenerateRequest:
    """Return a question with a tool."""
    asked = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content="How is the weather? " * 20)])
    asked.config.tools.add(name="weather", parameters_json_schema='{"type": "object"}')
    asked.config.reasoning.effort = pb.REASONING_EFFORT_LOW
    return asked


def test_the_policy_of_the_page_loads() -> None:
    """It is right, and nothing in it is a probable mistake."""
    spec = parse_policy(SNIPPET, name="p.yaml").models["claude"]
    assert list(spec.warnings()) == []
    assert spec.key_variable == "ANTHROPIC_API_KEY"


async def test_a_loop_of_tools_through_the_gateway() -> None:
    """Calls, thoughts and money: what comes back can be appended as it is, and costs what the price says."""
    first = message(
        thinking_block("I need it."),
        tool_block("weather", {"city": "x"}),
        stop_reason="tool_use",
        usage=USAGE,
    )
    async with MessagesDouble(first, message(text_block("Sunny."))).serve() as server:
        policy = SNIPPET.replace(
            "model: claude-sonnet", f"base_url: {server.base_url}\n    model: claude-sonnet"
        )
        async with served({}, policy=policy, environ={"ANTHROPIC_API_KEY": "k"}) as gateway:
            asked = request_of_tools()
            answer = await gateway.stub.Generate(asked)
            assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS
            assert answer.usage.prompt_tokens == 130
            picos = 10 * 3 + 100 * 0.3 + 20 * 3.75 + 30 * 15
            assert abs(answer.cost_usd - picos / 1_000_000) < 1e-9
            call = next(part.tool_call for part in answer.message.parts if part.HasField("tool_call"))
            asked.messages.append(answer.message)
            result = asked.messages.add(role=pb.ROLE_TOOL)
            result.parts.add().tool_result.tool_call_id = call.id
            result.parts[0].tool_result.parts.add(text="sunny")
            assert (await gateway.stub.Generate(asked)).text == "Sunny."
    assert server.problems == []
    assert server.headers[0]["x-api-key"] == "k"
    again = server.bodies[1]["messages"]
    assert [block["type"] for block in again[1]["content"]] == ["thinking", "tool_use"]
    assert again[2]["content"][0]["content"][0]["text"] == "sunny"
    assert json.dumps(server.bodies[1]).count("cache_control") == 3
