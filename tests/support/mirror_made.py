"""A running gateway that second answers, for tests: what is asked of it, and what came of second answers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.policy.loading.load import parse_policy
from gateway.records.writer import Records
from gateway.testing.scripted import Script, ScriptedBackend, reply
from gateway.types import (
    Answer,
    Attempt,
    Decision,
    FinishReason,
    Message,
    Outcome,
    PrivacyAssessment,
    PrivacyClass,
    Reply,
    Request,
    Role,
    Route,
    RoutingState,
    SampleResult,
    Scores,
    Usage,
)
from gateway.v1 import gateway_pb2 as pb
from tests.support.decisions import decide
from tests.support.operated import Operated, operated
from tests.support.real_engine import until
from tests.support.served import POLICY, ask

WORD = "xylophone"
MAIL = "jane.roe@example.org"
PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 300}")
"""Nothing that is to be dropped ends before that by itself, however slow the machine."""
EVERY = f"{PATIENT}mirror: {{share: 1.0}}\n"
TO_CLOUD = {"team": "x"}
FORTY_TWO = reply("42")
BOTH = EVERY.replace("route: [cloud]}", "route: [cloud, edge]}")
"""What a team asks goes to the cloud first, and may be answered at the edge."""


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


ROUTES = BOTH.replace("[edge, cloud]", "[edge, backup, cloud]").replace(
    "\nrules:", '\n  backup: {kind: llama_cpp, path: "/models/b.gguf", clearance: restricted}\nrules:'
)
PARSED = parse_policy(ROUTES, name="p")
REQUEST = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content="x"),))


def decision_of(class_: PrivacyClass = PrivacyClass.PUBLIC, **labels: str) -> Decision:
    """Return what the policy decides of a request of a class."""
    return decide(
        replace(REQUEST, labels=labels),
        scores=Scores(complexity=0.0, privacy=0.0, budget=0.0),
        privacy=PrivacyAssessment(score=0.0, privacy_class=class_, reason=""),
        policy=PARSED,
        state=RoutingState(deadline_s=9.0),
    )


def attempt(model: str = "edge", outcome: Outcome = Outcome.ANSWERED, **fields: Any) -> Attempt:
    """Return a try."""
    known = {"model": model, "outcome": outcome, "reason": None, "start_ms": 0.0, "duration_ms": 1.0}
    return Attempt(**{**known, **fields})


FINE = Answer(
    decision=decision_of(), text="42",
    finish_reason=FinishReason.STOP, usage=None, route=Route.LOCAL, model="edge", degraded=None,
    cost_usd_nanos=0, attempts=(attempt(),),
)  # fmt: skip
