"""A gateway of this process whose policy file is changed while it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from gateway.app.build import running_gateway
from gateway.app.parts import OptionalParts
from gateway.app.reload.controller import ReloadSource
from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile
from gateway.app.reload.reloader import Reloader
from gateway.backends.base import Call
from gateway.domain.address import Address, ListenSettings
from gateway.domain.answer import Chunk, FinishReason
from gateway.testing.scripted import Act, Delay, ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.served import ask

BASE = """\
version: 1
models:
  one: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  two: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
privacy: {classes: {internal: 0.2, confidential: 0.5, restricted: 0.8}}
rules:
  - {name: ruled-by-one, route: [one]}
replies:
  - {id: sorry, text: x}
"""


OTHER = BASE.replace("ruled-by-one, route: [one]", "ruled-by-two, route: [two]").replace("0.8}", "0.7}")


@dataclass
class Running:
    """A gateway with a policy file that can be written anew."""

    path: Path
    reloader: Reloader
    target: str
    stub: "gateway_pb2_grpc.GatewayServiceAsyncStub"
    channel: grpc.aio.Channel
    reloads: list[ReloadResult] = field(default_factory=list)

    async def hash(self) -> str:
        """Return the hash that a new request is decided under."""
        return (await self.stub.Explain(pb.ExplainRequest(messages=ask().messages))).decision.policy_hash

    async def put(self, text: str, *, allow_loosening: bool = False) -> ReloadResult:
        """Write the file and reload."""
        self.path.write_text(text)
        return await self.reloader.reload(allow_loosening=allow_loosening)


def saying(name: str) -> ScriptedBackend:
    """Return a model that says its name, after a moment."""

    def answer(_: Call) -> list[Act]:
        return [Delay(0.002), Chunk(text=name), Chunk(finish_reason=FinishReason.STOP)]

    return ScriptedBackend(name, answer)


@asynccontextmanager
async def running(tmp_path: Path, *, allow_loosening: bool = False) -> AsyncIterator[Running]:
    """Run a gateway of scripted local models and one cloud model that is not there."""
    path = tmp_path / "team.yaml"
    path.write_text(BASE)
    reloads: list[ReloadResult] = []
    file = WatchedPolicyFile(path=path, name="team.yaml", environ={}, allow_loosening=allow_loosening)
    source = ReloadSource(file=file, observers=(reloads.append,))
    async with (
        running_gateway(
            file.load(),
            listen=ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0, grace_s=5.0),
            state_url="memory:",
            environ={},
            parts=OptionalParts(replaced={"one": saying("one"), "two": saying("two")}, reload=source),
        ) as gateway,
        grpc.aio.insecure_channel(gateway.target) as channel,
    ):
        assert gateway.reloader is not None
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        yield Running(path, gateway.reloader, gateway.target, stub, channel, reloads)
