"""From traffic to threshold and back: a gateway records, the command sets, the gateway takes it up."""

import asyncio
import json
import random
from pathlib import Path

import grpc.aio
import pytest

from gateway.cli.app import run
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.days_of_traffic import prompts
from tests.support.serve_process import Process, reload, serving

POLICY = """\
version: 1
models:
  edge:  {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 8}}
  cloud: {{kind: openai, model: cloud-model, base_url: "{url}", clearance: internal, max_tokens: 8,
          price_per_million_usd: {{input: 1, output: 2}}}}
privacy: {{classes: {{restricted: 0.8}}}}
rules:
  - {{name: stays-home, when: 'privacy_class >= CONFIDENTIAL', route: [edge]}}
  - {{name: hard, when: 'complexity >= 0.9', route: [cloud, edge]}}   # set by calibrate: 0.9
  - {{name: first, route: [edge, cloud]}}
replies:
  - {{id: sorry, text: x}}
tests:
  - {{prompt: "My card is 4111 1111 1111 1111", expect: {{rule: stays-home, never: [cloud]}}}}
"""


async def routes(gateway: Process, texts: list[str]) -> list[int]:
    """Ask for an answer to each text, over a real channel, and return where it was made."""
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        answers = []
        for text in texts:
            request = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=text)])
            answers.append(await stub.Generate(request, timeout=30.0))
    return [answer.route for answer in answers]


async def test_recorded_traffic_sets_the_threshold_that_the_gateway_takes_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forty answers, a quarter wanted from the cloud: after a reload just these come from there."""
    records, admin = tmp_path / "decisions.jsonl", tmp_path / "admin.sock"
    texts = list(prompts(random.Random(11), 40))
    flags = ("--allow-loosening", "--decisions", str(records), "--admin", f"unix:{admin}")
    async with SimulatedCloud().serve() as cloud, serving(tmp_path, *flags) as gateway:
        policy = str(gateway.policy)
        text = POLICY.format(url=cloud.base_url)
        await gateway.put(text, "policy.applied")
        before = await routes(gateway, texts)
        asked = ["calibrate", "--policy", policy, "--input", str(records), "--target-cloud-share", "0.25"]
        status = await asyncio.to_thread(run, [*asked, "--write", "--json"])
        said = json.loads(capsys.readouterr().out)
        taken_up = await reload(admin)
        after = await routes(gateway, texts)

    assert (status, run(["policy", "check", policy]), run(["policy", "test", policy])) == (0, 0, 0)
    assert taken_up[:2] == (0, "applied")
    assert (before.count(pb.ROUTE_CLOUD), said["cloud_share_before"]) == (0, 0.0)
    assert after.count(pb.ROUTE_CLOUD) == round(said["cloud_share"] * 40) == 10
    assert gateway.policy.read_text() == text.replace("y >= 0.9", f"y >= {said['threshold']}")
    assert said["answered_at_edge"] > 20
    assert run(["policy", "replay", policy, "--on", str(records)]) == 0
    assert run(["records", "verify", str(records)]) == 0
