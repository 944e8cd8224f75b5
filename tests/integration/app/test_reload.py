"""A policy that is changed while the gateway runs: taken whole or not at all, and never mixed."""

import asyncio
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from gateway.app.reload.policy_file import ReloadResult, watch
from gateway.clock import SystemClock
from gateway.policy.loading.load import parse_policy
from gateway.v1 import gateway_pb2 as pb
from tests.support.reloading import BASE, OTHER, running
from tests.support.served import ask


async def test_a_reload_changes_what_new_requests_get(tmp_path: Path) -> None:
    """The response names the hash of the file that was taken."""
    async with running(tmp_path) as gateway:
        before = await gateway.stub.Generate(ask())
        reloaded = await gateway.put(OTHER)
        after = await gateway.stub.Generate(ask())

    assert reloaded.outcome == "applied"
    assert (before.text, after.text) == ("one", "two")
    assert after.decision.policy_hash == reloaded.policy_hash == parse_policy(OTHER, name="x").hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BASE.replace("version: 1", "version: 2"), "team.yaml:1: version: must be 1, which this gateway"),
        (BASE.replace("[one]", "[ona]"), "team.yaml:9: rules[0].route[0]: unknown model 'ona' (did you mean"),
        (BASE.replace("[one]", "[one]]"), "team.yaml:9: file: is not YAML: "),
        (BASE.replace("clearance: public", "clearance: public, api_key_env: NOT_THERE"),
         "team.yaml:5: models.cloud.api_key_env: the variable NOT_THERE is not set"),
        (BASE.replace("clearance: public", "clearance: public, headers: {x-key: {env: NOT_THERE}}"),
         "team.yaml:5: models.cloud.headers.x-key: the variable NOT_THERE is not set"),
        (BASE.replace("restricted}\n  two", "restricted, slots: 2}\n  two"),
         "team.yaml:3: models.one.slots: a local model that is changed needs a restart of the gateway"),
        (BASE.replace("0.8}", "0.9}"), "team.yaml:7: privacy.classes.restricted: raised from 0.8 to 0.9"),
        (BASE.replace("[one]", "[one, cloud]"), "team.yaml:9: rules[0].route: ruled-by-one now reaches"),
    ],
)  # fmt: skip
async def test_a_bad_policy_changes_nothing_while_running(tmp_path: Path, text: str, said: str) -> None:
    """A file that is broken, looser, or needs what is not there, is refused by line, and nothing changes."""
    async with running(tmp_path) as gateway:
        before = await gateway.hash()
        reloaded = await gateway.put(text)
        answer = await gateway.stub.Generate(ask())

    assert reloaded.outcome == "refused"
    assert reloaded.problems[0].startswith(said)
    assert (answer.text, answer.decision.policy_hash, reloaded.policy_hash) == ("one", before, before)
    assert gateway.reloads == [reloaded]


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """As if it were broken."""
    async with running(tmp_path) as gateway:
        gateway.path.unlink()
        reloaded = await gateway.reloader.reload()
        answer = await gateway.stub.Generate(ask())

    assert reloaded.problems == ("team.yaml:1: file: cannot be read: No such file or directory",)
    assert answer.text == "one"


async def test_the_same_file_is_no_change(tmp_path: Path) -> None:
    """Comments and layout are none."""
    async with running(tmp_path) as gateway:
        reloaded = await gateway.put(f"# a comment\n{BASE}")
    assert reloaded.outcome == "unchanged"


async def test_looser_is_taken_on_request(tmp_path: Path) -> None:
    """With leave it is applied, and what is looser is listed all the same."""
    looser = BASE.replace("0.8}", "0.9}").replace("[one]", "[one, cloud]")
    async with running(tmp_path) as gateway:
        refused = await gateway.put(looser)
        allowed = await gateway.put(looser, allow_loosening=True)
        now = await gateway.hash()

    listed = (
        "team.yaml:7: privacy.classes.restricted: raised from 0.8 to 0.9",
        "team.yaml:9: rules[0].route: ruled-by-one now reaches cloud",
    )
    assert refused.problems[:2] == listed
    assert "2 changes are looser than the policy that runs; --allow-loosening" in refused.problems[2]
    assert (allowed.outcome, allowed.changes) == ("applied", listed)
    assert now == allowed.policy_hash


async def test_a_gateway_may_be_told_at_its_start_that_looser_is_meant(tmp_path: Path) -> None:
    """`serve --allow-loosening` asks no more."""
    async with running(tmp_path, allow_loosening=True) as gateway:
        assert (await gateway.put(BASE.replace("0.8}", "0.9}"))).outcome == "applied"


async def test_a_request_keeps_the_policy_that_it_began_with(tmp_path: Path) -> None:
    """A stream that has begun ends under its own hash, whatever was swapped meanwhile."""
    async with running(tmp_path) as gateway:
        before = await gateway.hash()
        stream = gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=ask().messages))
        events = aiter(stream)
        first = await anext(events)
        await gateway.put(OTHER)
        rest = [event async for event in events]
        after = await gateway.hash()

    assert first.decision.policy_hash == before
    assert rest[-1].completed.decision.policy_hash == before
    assert rest[-1].completed.text == "one"
    assert after != before


async def test_health_knows_the_cloud_models_that_come_and_go(tmp_path: Path) -> None:
    """A model that is gone is unknown, one that is new serves."""
    renamed = BASE.replace("  cloud:", "  sky:")
    async with running(tmp_path) as gateway:
        await gateway.put(renamed)
        health = health_pb2_grpc.HealthStub(gateway.channel)
        new = await health.Check(health_pb2.HealthCheckRequest(service="model.sky"))
        old = await health.Check(health_pb2.HealthCheckRequest(service="model.cloud"))

    assert (new.status, old.status) == (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
    )


async def test_flipping_under_load_mixes_nothing(tmp_path: Path) -> None:
    """Two policies change places a hundred times a second; every answer is of exactly one of them."""
    texts = {"one": BASE, "two": OTHER}
    policies = [parse_policy(text, name="x") for text in texts.values()]
    hashes = {policy.hash: name for policy, name in zip(policies, texts, strict=True)}
    seen = dict.fromkeys(texts, 0)
    async with running(tmp_path) as gateway:
        active, runtime = gateway.reloader._active, gateway.reloader._runtime
        is_over = asyncio.Event()

        async def flip() -> int:
            flips, loop = 0, asyncio.get_running_loop()
            began_s = loop.time()
            while not is_over.is_set():
                for policy in policies:
                    pipeline, retire = await runtime.prepare(policy)
                    active.swap(pipeline, retire=retire)
                    flips += 1
                    await asyncio.sleep(began_s + flips / 100 - loop.time())
            return flips

        async def load() -> None:
            for _ in range(40):
                answer = await gateway.stub.Generate(ask("Mail jane@example.org the minutes"))
                check(answer)
                events = gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=ask().messages))
                said = [event async for event in events]
                assert said[0].decision.policy_hash == said[-1].completed.decision.policy_hash
                check(said[-1].completed)

        def check(answer: pb.GenerateResponse) -> None:
            name = hashes[answer.decision.policy_hash]
            seen[name] += 1
            assert (answer.text, answer.model, answer.decision.rule) == (name, name, f"ruled-by-{name}")
            assert list(answer.decision.chain) == [name]
            assert [attempt.model for attempt in answer.attempts] == [name]

        flipping = asyncio.create_task(flip())
        await asyncio.gather(*(load() for _ in range(8)))
        is_over.set()
        flips = await flipping

    assert min(seen.values()) > 50
    assert flips > 20


async def test_the_file_is_watched(tmp_path: Path) -> None:
    """A file that is written, replaced or taken away is noticed; one that stays is not."""
    path = tmp_path / "team.yaml"
    path.write_text("a")
    noticed: list[str] = []
    looks = asyncio.Queue[None]()

    class Clock(SystemClock):
        async def sleep(self, delay_s: float) -> None:
            await looks.get()

    async def on_change() -> None:
        noticed.append(path.read_text() if path.exists() else "")

    watching = asyncio.create_task(watch(path, on_change, clock=Clock()))
    try:
        await asyncio.sleep(0.05)
        for text in ("a", "bb", None, "c"):
            if text is None:
                path.unlink()
            elif text != "a":
                fresh = tmp_path / "fresh"
                fresh.write_text(text)
                fresh.replace(path)
            looks.put_nowait(None)
            await asyncio.sleep(0.05)
    finally:
        watching.cancel()
    assert noticed == ["bb", "", "c"]


def test_a_refused_file_is_one_line_in_the_log() -> None:
    """With file, line and key of each problem."""
    refused = ReloadResult(outcome="refused", policy_hash="a", problems=("team.yaml:3: models.x: is wrong",))
    with capture_logs() as logs:
        refused.log()
    assert [(each["event"], each["problems"]) for each in logs] == [("policy.refused", refused.problems)]
