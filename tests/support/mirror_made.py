"""A running gateway that second answers, for tests: what is asked of it, and what came of second answers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.domain.answer import FinishReason, Reply, Usage
from gateway.domain.mirrored import SampleResult
from gateway.records.writer import Records
from gateway.testing.scripted import Script, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.mirror_values import (
    EVERY,
)
from tests.support.operated import Operated, operated
from tests.support.served import ask
from tests.support.waiting import until

WORD = "xylophone"
MAIL = "jane.roe@example.org"
TO_CLOUD = {"team": "x"}
FORTY_TWO = reply("42")


def mirror_policy(policy: str = EVERY, **keys: object) -> str:
    """Return the policy with other keys of its section mirror."""
    return policy.replace("mirror: {share: 1.0}", f"mirror: {json.dumps({'share': 1.0, **keys})}")


@dataclass(frozen=True)
class MirroringGateway:
    """A running gateway that second answers, its models, and where its records are."""

    inner: Operated
    models: Mapping[str, ScriptedBackend]
    path: Path

    async def ask(self, text: str = "6 times 7?", **fields: Any) -> pb.GenerateResponse:
        """Send a request as its caller does."""
        return await self.inner.gateway.stub.Generate(ask(text, **fields), timeout=9)

    def count(self, result: str) -> float:
        """Return how many second answers ended so."""
        registry = self.inner.operator.measures.registry
        return registry.get_sample_value("gateway_mirrored_requests_total", {"result": result}) or 0.0

    async def until_told(self, result: str, times: int = 1) -> None:
        """Return when so many second answers have ended so."""
        await until(lambda: self.count(result) >= times)

    def told(self) -> float:
        """Return how many second answers have ended."""
        return sum(self.count(str(each)) for each in SampleResult)

    def outcomes(self) -> list[dict[str, Any]]:
        """Return what was recorded of second answers, without a word of anybody."""
        written = self.path.read_text()
        assert WORD not in written
        assert "jane" not in written
        return [line for line in map(json.loads, written.splitlines()) if line["kind"] == "outcome"]


@asynccontextmanager
async def mirroring(
    folder: Path,
    *,
    policy: str = EVERY,
    edge: Script = (FORTY_TWO,),
    cloud: Script = (FORTY_TWO,),
    state_url: str = "memory:",
) -> AsyncIterator[MirroringGateway]:
    """Run a gateway of which every request is drawn."""
    models = {"edge": ScriptedBackend("edge", edge), "cloud": ScriptedBackend("cloud", cloud)}
    records = Records(folder / "d.jsonl", clock=SystemClock())
    async with operated(models, folder, policy=policy, records=records, state_url=state_url) as inner:
        yield MirroringGateway(inner, models, folder / "d.jsonl")


def costing(text: str, tokens: int) -> Reply:
    """Return an answer of so many tokens, the prompt's included; a token costs a millionth of a dollar."""
    usage = Usage(prompt_tokens=tokens - 1, completion_tokens=1)
    return Reply(text=text, finish_reason=FinishReason.STOP, usage=usage)
