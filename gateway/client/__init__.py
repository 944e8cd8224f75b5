"""The Python client of the gateway, async and sync: what the command line, the demo and the examples use."""

from gateway.client.blocking import SyncGatewayClient
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.client.failure import (
    AnswerCut,
    CallFailed,
    Exhausted,
    GatewayDefect,
    NotAllowed,
    OperatorNeeded,
    OutOfTime,
    RequestRefused,
    Unavailable,
    Unreachable,
)
from gateway.client.prompt import prompt
from gateway.client.streaming import AnswerStream, SyncAnswerStream

__all__ = [
    "AnswerCut",
    "AnswerStream",
    "CallFailed",
    "ClientTls",
    "Exhausted",
    "GatewayClient",
    "GatewayDefect",
    "NotAllowed",
    "OperatorNeeded",
    "OutOfTime",
    "RequestRefused",
    "SyncAnswerStream",
    "SyncGatewayClient",
    "Unavailable",
    "Unreachable",
    "prompt",
]
