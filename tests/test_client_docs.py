"""`docs/clients.md` against the contract: every reason and status, the Python shown, every grpcurl line."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

import gateway.client
from gateway import errors
from gateway.client.advice import ADVICE
from gateway.dispatch.ending import code_of
from gateway.types import Decision, Reason
from gateway.v1 import gateway_pb2 as pb
from tests.served import served

PAGE = (Path(__file__).parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")
