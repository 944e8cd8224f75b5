"""Let a model use tools until it has an answer: the caller runs them. To copy.

python examples/agent.py 127.0.0.1:50051 "What is 12.5 % of 840, and which day is it?"
"""

import datetime
import json
import sys
from collections.abc import Callable, Mapping

from gateway.client import CallFailed, SyncGatewayClient, prompt, tool_result
from gateway.v1 import gateway_pb2 as pb

MOST_ROUNDS = 10


def percent_of(arguments: Mapping[str, float]) -> str:
    """Return a share of a number."""
    return f"{arguments['percent'] / 100 * arguments['number']:g}"


def today(_: Mapping[str, float]) -> str:
    """Return the day."""
    return f"{datetime.datetime.now(datetime.UTC):%A, %d %B %Y}"


TOOLS: Mapping[str, Callable[[Mapping[str, float]], str]] = {"percent_of": percent_of, "today": today}
DEFINITIONS = [
    pb.Tool(
        name="percent_of",
        description="Computes a percentage of a number.",
        parameters_json_schema=json.dumps(
            {
                "type": "object",
                "properties": {"percent": {"type": "number"}, "number": {"type": "number"}},
                "required": ["percent", "number"],
                "additionalProperties": False,
            }
        ),
    ),
    pb.Tool(name="today", description="Says which day it is."),
]


def run(call: pb.ToolCall) -> pb.Message:
    """Run a tool and return its result; what went wrong is told to the model."""
    if call.arguments_invalid or call.name not in TOOLS:
        return tool_result(call, "no such tool, or its arguments are not JSON", is_error=True)
    try:
        result = TOOLS[call.name](json.loads(call.arguments_json))
    except (KeyError, TypeError) as error:
        return tool_result(call, f"wrong arguments: {error}", is_error=True)
    print(f"{call.name} {call.arguments_json} -> {result}", flush=True)
    return tool_result(call, result)


if len(sys.argv) != 3:
    sys.exit(__doc__)
server, question = sys.argv[1:]
request = prompt(question, tools=DEFINITIONS)
with SyncGatewayClient(server) as gateway:
    for _ in range(MOST_ROUNDS):
        try:
            answer = gateway.generate(request, timeout_s=60)
        except CallFailed as error:
            sys.exit(f"{error}; {error.hint}")
        request.messages.append(answer.message)  # As it is: reasoning and calls go back to the model.
        calls = [part.tool_call for part in answer.message.parts if part.HasField("tool_call")]
        if not calls:
            print(answer.text)
            break
        request.messages.extend(map(run, calls))
    else:
        sys.exit(f"no answer after {MOST_ROUNDS} rounds")
