"""A gateway whose background task fails: it says so in its log, and in its health where it cannot go on."""

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from gateway.app.build import running_gateway
from gateway.app.parts import OptionalParts
from gateway.app.workers.engine_registry import EngineRegistry, RegisteredEngine, write_board
from gateway.domain.address import ListenSettings
from gateway.policy.loading.load import parse_policy
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2_grpc
from tests.support.policies import POLICY
from tests.support.served import ANY_PORT, ask

PRIVATE = "a word that is nobody's business"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def fail() -> None:
    """Raise what quotes a request."""
    raise KeyError(PRIVATE)


@pytest.mark.parametrize("service", ["", "gateway.v1.GatewayService"])
async def test_a_worker_that_hears_no_more_of_its_engines_is_not_serving(
    tmp_path: Path, service: str
) -> None:
    """What it reads of its parent is broken: the log names the task, and load balancers turn away."""
    board = tmp_path / "engines.json"
    write_board(board, {"edge": RegisteredEngine(target="unix:/none", generation=1, is_serving=True)})
    parts = OptionalParts(
        engines=EngineRegistry(board), replaced={"cloud": ScriptedBackend("cloud", [reply("hi")])}
    )
    with capture_logs() as logs:
        async with (
            asyncio.timeout(20.0),
            running_gateway(
                parse_policy(POLICY, name="policy.yaml"),
                listen=ListenSettings(address=ANY_PORT, drain_s=0.0),
                environ={},
                parts=parts,
            ) as gateway,
            grpc.aio.insecure_channel(gateway.target) as channel,
        ):
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service))
            statuses = [(await watch.read()).status]
            board.write_text(PRIVATE)
            statuses.append((await watch.read()).status)
            answer = await gateway_pb2_grpc.GatewayServiceStub(channel).Generate(ask(labels={"team": "x"}))
            watch.cancel()

    assert statuses == [SERVING, NOT_SERVING]
    assert answer.text == "hi"
    said = [(each["event"], each["task"]) for each in logs if each["log_level"] == "error"]
    assert said == [(event, "states of the parent's engines") for event in ("defect", "gateway.failed")]
    assert PRIVATE not in str(logs)


@pytest.mark.parametrize(("is_critical", "status"), [(True, NOT_SERVING), (False, SERVING)])
async def test_health_heeds_critical_tasks_alone(is_critical: bool, status: int) -> None:
    """A reload or a warm-up that fails is a line in the log; the gateway goes on."""
    policy = parse_policy(POLICY, name="policy.yaml")
    parts = OptionalParts(replaced={name: ScriptedBackend(name, [reply("hi")]) for name in policy.models})
    with capture_logs() as logs:
        async with (
            running_gateway(
                policy, listen=ListenSettings(address=ANY_PORT, drain_s=0.0), environ={}, parts=parts
            ) as gateway,
            grpc.aio.insecure_channel(gateway.target) as channel,
        ):
            gateway.tasks.start("a task", fail(), is_critical=is_critical)
            await gateway.tasks.drain()
            health = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest())

    assert answer.status == status
    assert [each["task"] for each in logs if each["event"] == "defect"] == ["a task"]
    assert PRIVATE not in str(logs)
