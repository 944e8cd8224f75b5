"""From an answer to a protobuf message that can be appended to the conversation."""

from gateway.domain.conversation import Message, Part, Reasoning, Text, ToolCall
from gateway.v1 import gateway_pb2 as pb


def render_message(message: Message) -> pb.Message:
    """Return an answer as a message that can be appended to the conversation."""
    return pb.Message(
        role=pb.Role.Value(f"ROLE_{message.role.name}"),
        content=message.content,
        parts=[_part(part) for part in message.parts],
        name=message.name,
    )


def _part(part: Part) -> pb.Part:
    match part:
        case Text():
            return pb.Part(text=part.text)
        case ToolCall():
            return pb.Part(
                tool_call=pb.ToolCall(
                    id=part.id,
                    name=part.name,
                    arguments_json=part.arguments_json,
                    input=part.input,
                    arguments_invalid=part.arguments_invalid,
                    opaque=part.opaque,
                    model=part.model,
                )
            )
        case Reasoning():
            return pb.Part(reasoning=pb.Reasoning(text=part.text, model=part.model, opaque=part.opaque))
    raise TypeError(f"no model answers with {type(part).__name__}")
