"""The Python client of the gateway, async and sync; command line, demo and examples use it."""

from gateway.client.blocking import SyncGatewayClient
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.client.failure import (
    CallFailed,
    DeadlineExceeded,
    GatewayDefect,
    NotAllowed,
    OperatorActionRequired,
    RequestRefused,
    ResourceExhausted,
    StreamIncomplete,
    Unavailable,
    Unreachable,
)
from gateway.client.prompt import image_part, prompt, tool_result
from gateway.client.streaming import AnswerStream, SyncAnswerStream

__all__ = [
    "AnswerStream",
    "CallFailed",
    "ClientTls",
    "DeadlineExceeded",
    "GatewayClient",
    "GatewayDefect",
    "NotAllowed",
    "OperatorActionRequired",
    "RequestRefused",
    "ResourceExhausted",
    "StreamIncomplete",
    "SyncAnswerStream",
    "SyncGatewayClient",
    "Unavailable",
    "Unreachable",
    "image_part",
    "prompt",
    "tool_result",
]
