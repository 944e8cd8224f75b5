"""Second answers, to learn from: who is asked, when, at whose cost; and what the records keep of it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.backends.base import Call
from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.domain.answer import Answer, FinishReason, Reply
from gateway.domain.mirrored import MirrorResult, SampleResult
from gateway.errors import BackendFailed, BackendRateLimited, NotPermitted
from gateway.extras.mirror.mirror import Mirror
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.context import CallContext, CallSummary
from gateway.pipeline.run import Pipeline
from gateway.policy.loading.load import parse_policy
from gateway.records.writer import Records
from gateway.server.access import anyone
from gateway.server.calls import Calls
from gateway.server.grpc.middleware import RpcMiddleware
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.dispatch_doubles import Bench
from tests.support.mirror_made import (
    FORTY_TWO,
    TO_CLOUD,
    WORD,
    MirroringGateway,
    costing,
    mirror_policy,
    mirroring,
)
from tests.support.mirror_values import BOTH, EVERY, FINE, PARSED, REQUEST, ROUTES
from tests.support.operated import operated
from tests.support.pipeline_calls import nothing_held, pipeline_of
from tests.support.policies import POLICY
from tests.support.served import ask, served
from tests.support.waiting import until


async def test_both_sides_are_compared_and_no_text_is_kept(tmp_path: Path) -> None:
    """The caller gets the edge's answer; the cloud's makes an outcome: features, models, tries and cost."""
    async with mirroring(tmp_path, cloud=[costing("42.", 30)]) as gateway:
        answer = await gateway.ask(request_id="r-1")
        await gateway.until_told("number")
    assert (answer.text, answer.model, [each.model for each in answer.attempts]) == ("42", "edge", ["edge"])
    (line,) = gateway.outcomes()
    known = {
        "request_id": "r-1", "tenant": "default", "how": "number", "weak": 1.0, "strong": 1.0,
        "cost_usd_nanos": 30_000,
    }  # fmt: skip
    assert {key: line[key] for key in known} == known
    assert (line["weak_model"], line["strong_model"]) == ("edge", "cloud")
    assert [(each["model"], each["outcome"]) for each in line["attempts"]] == [("cloud", "ANSWERED")]
    requests = [each for each in map(json.loads, gateway.path.read_text().splitlines()) if "method" in each]
    assert [line["features"]] == [each["features"] for each in requests]
    assert (requests[0]["cost_usd_nanos"], requests[0]["route"]) == (0, "LOCAL")
    assert run(["records", "verify", str(gateway.path)]) == 0


async def test_it_works_the_other_way_and_for_streams(tmp_path: Path) -> None:
    """What the cloud answered is asked of the edge; weak is the edge all the same."""
    async with mirroring(tmp_path, policy=BOTH, edge=[reply("41")]) as gateway:
        request = pb.StreamGenerateRequest(messages=ask("6 times 7?").messages, labels=TO_CLOUD)
        events = [event async for event in gateway.inner.gateway.stub.StreamGenerate(request, timeout=9)]
        await gateway.until_told("number")
    assert events[-1].completed.model == "cloud"
    (line,) = gateway.outcomes()
    assert (line["weak"], line["weak_model"], line["strong_model"]) == (0.0, "edge", "cloud")
    assert [each["model"] for each in line["attempts"]] == ["edge"]


async def test_the_caller_does_not_wait(tmp_path: Path) -> None:
    """A second answer that never comes keeps nobody; it begins after the call, and ends with the process."""
    in_flight: list[int] = []

    def never(_: Call) -> list[Delay]:
        in_flight.append(gateway.inner.gateway.calls.in_flight)
        return [Delay(3600.0)]

    async with mirroring(tmp_path, cloud=never) as gateway:
        async with asyncio.timeout(5.0):
            assert (await gateway.ask()).text == "42"
            await until(lambda: len(in_flight) == 1)
            assert (await gateway.ask()).text == "42"
            await gateway.until_told("busy")
    assert in_flight == [0]
    assert len(gateway.models["cloud"].stopped) == 1
    (line,) = gateway.outcomes()
    assert (line["how"], line["weak"]) == ("busy", None)
    assert [each["outcome"] for each in line["attempts"]] == ["CANCELLED"]


class Wire:
    """A call as gRPC gives it to its handler, without a caller."""

    def __init__(self) -> None:
        self.when_done: list[Callable[[object], None]] = []

    def invocation_metadata(self) -> tuple[()]:
        """Return that there is none."""
        return ()

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return that the connection showed no certificate."""
        return {}

    def time_remaining(self) -> float | None:
        """Return that the caller set no deadline."""
        return None

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        """Take what is to be done when the status has been sent."""
        self.when_done.append(callback)

    async def abort_with_status(self, _: object) -> None:
        """End the handler, as gRPC does when it has sent the error."""
        raise grpc.aio.AbortError


@pytest.mark.parametrize("error", [None, NotPermitted("no"), asyncio.CancelledError()])
async def test_it_begins_when_the_call_is_over(error: BaseException | None) -> None:
    """Not when the handler has made the answer, but when gRPC has sent it; a call that failed has none."""
    begun: list[str] = []

    async def handler(_: pb.GenerateRequest, context: CallContext, __: Pipeline) -> pb.GenerateResponse:
        context.conclude(CallSummary(afterwards=lambda: begun.append("second")))
        if error is not None:
            raise error
        return pb.GenerateResponse()

    active = ActivePolicy(pipeline_of(PARSED, Bench({"edge": [FORTY_TWO]})), retire=nothing_held)
    calls, wire = Calls(active, clock=SystemClock(), tenant_of=anyone), Wire()
    middleware = RpcMiddleware(calls, clock=SystemClock())
    serve = middleware.unary("Generate", pb.GenerateRequest, handler)
    if error is None:
        await serve(b"", wire)  # type: ignore[arg-type]
    else:
        with pytest.raises((grpc.aio.AbortError, asyncio.CancelledError)):
            await serve(b"", wire)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert begun == []
    for callback in wire.when_done:
        callback(wire)
    assert begun == (["second"] if error is None else [])


async def test_a_second_answer_takes_nobodys_place(tmp_path: Path) -> None:
    """A tenant with one place has it, even where nobody may wait: the second answer goes on beside it."""
    policy = f"{EVERY}limits: {{tenant_concurrency: 1, concurrency: 1, queue: 0}}\n"
    async with mirroring(tmp_path, policy=policy, cloud=[Delay(3600.0)]) as gateway:
        await gateway.ask()
        await until(lambda: len(gateway.models["cloud"].calls) == 1)
        for _ in range(3):
            assert (await gateway.ask()).text == "42"
        assert gateway.models["cloud"].stopped == []


async def test_whoever_takes_the_last_place_of_a_model_goes_first(tmp_path: Path) -> None:
    """One that answers one at a time answers a caller at once, and the second answer gives way."""
    policy = BOTH.replace("clearance: internal,", "clearance: internal, concurrency: 1,")
    policy = f"{policy}limits: {{queue: 0}}\n"

    def cloud(call: Call) -> list[Delay | Reply]:
        return [Delay(0.5), reply("41")] if call.request.labels else [Delay(3600.0)]

    async with mirroring(tmp_path, policy=policy, cloud=cloud) as gateway:
        await gateway.ask()
        await until(lambda: len(gateway.models["cloud"].calls) == 1)
        answer = await gateway.ask(labels=TO_CLOUD)
        assert [(each.model, each.outcome) for each in answer.attempts] == [("cloud", pb.OUTCOME_ANSWERED)]
        await gateway.until_told("busy")
    assert len(gateway.models["cloud"].stopped) == 1


async def test_a_model_that_asked_for_a_pause_is_left_to_callers(tmp_path: Path) -> None:
    """What may be asked after it is theirs: no second answer waits in front of them."""
    busy = BackendRateLimited("cloud", "429", retry_after_s=30.0)
    async with mirroring(tmp_path, policy=BOTH, cloud=[busy, FORTY_TWO]) as gateway:
        assert (await gateway.ask(labels=TO_CLOUD)).model == "edge"
        assert (await gateway.ask()).model == "edge"
        await gateway.until_told("busy")
    assert len(gateway.models["cloud"].calls) == 1


class Working(ScriptedBackend):
    """An engine that says how many requests it has."""

    requests = 0

    async def has_work(self, *, own: int) -> bool:
        """Say whether it has more than that."""
        return self.requests > own


async def test_an_engine_with_work_is_left_alone(tmp_path: Path) -> None:
    """The edge is asked when it is idle, and stops as soon as somebody else is there."""
    edge = Working("edge", [Delay(3600.0)])
    models = {"edge": edge, "cloud": ScriptedBackend("cloud", [reply("42")])}
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with operated(models, tmp_path, policy=BOTH, records=records) as inner:
        gateway = MirroringGateway(inner, models, tmp_path / "d.jsonl")
        edge.requests = 1
        assert (await gateway.ask(labels=TO_CLOUD)).model == "cloud"
        await gateway.until_told("busy")
        assert edge.calls == []
        edge.requests = 0
        assert (await gateway.ask(labels=TO_CLOUD)).model == "cloud"
        await until(lambda: len(edge.calls) == 1)
        edge.requests = 1
        await asyncio.sleep(0.2)
        assert edge.stopped == []
        edge.requests = 2
        await gateway.until_told("busy", times=2)
        assert len(edge.stopped) == 1


@pytest.mark.parametrize(
    "second", [BackendFailed("cloud", "500"), Reply(text="4", finish_reason=FinishReason.LENGTH, usage=None)]
)
async def test_what_fails_is_tried_once(tmp_path: Path, second: Exception | Reply) -> None:
    """No second answer, or half of one, is no outcome; nothing is tried again for it."""
    policy = EVERY.replace("attempts: 1", "attempts: 3")
    async with mirroring(tmp_path, policy=policy, cloud=[second]) as gateway:
        assert (await gateway.ask()).text == "42"
        await gateway.until_told("failed")
    assert len(gateway.models["cloud"].calls) == 1
    (line,) = gateway.outcomes()
    assert line["weak"] is None


async def test_a_defect_is_a_line_without_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong behind the caller's back is logged by its place, and the next one is drawn again."""

    async def fail(*_: object, **__: object) -> Answer:
        raise ValueError(WORD)

    async with mirroring(tmp_path) as gateway:
        with capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(Pipeline, "generate_background", fail)
            assert (await gateway.ask(request_id="r-1")).text == "42"
            await gateway.until_told("failed")
            await until(lambda: any(each["event"] == "defect" for each in logs))
        await gateway.ask()
        await gateway.until_told("number")
    (defect,) = [each for each in logs if each["event"] == "defect"]
    assert (defect["request_id"], defect["error"]) == ("r-1", "ValueError")
    assert WORD not in str(logs)


async def test_a_defect_of_the_look_is_a_line_too(tmp_path: Path) -> None:
    """Whoever looks whether the model is wanted may fail as well: it ends, and nobody is silent."""

    class Failing(ScriptedBackend):
        async def has_work(self, *, own: int) -> bool:
            if own:
                raise ValueError(WORD)
            return False

    edge = Failing("edge", [Delay(3600.0)])
    models = {"edge": edge, "cloud": ScriptedBackend("cloud", [FORTY_TWO])}
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    with capture_logs() as logs:
        async with operated(models, tmp_path, policy=BOTH, records=records) as inner:
            gateway = MirroringGateway(inner, models, tmp_path / "d.jsonl")
            assert (await gateway.ask(labels=TO_CLOUD)).model == "cloud"
            await gateway.until_told("failed")
            await until(lambda: any(each["event"] == "defect" for each in logs))
    assert len(edge.stopped) == 1
    assert WORD not in str(logs)


def _is_at_work() -> bool:
    return any(task.get_name() == "second answer" for task in asyncio.all_tasks())


async def test_a_reload_in_between_drops_it() -> None:
    """What one policy let out is not asked under another one."""

    told: list[MirrorResult] = []
    bench = Bench({"edge": [FORTY_TWO], "cloud": [FORTY_TWO]}, specs=PARSED.models)

    current = ActivePolicy(pipeline_of(PARSED, bench), retire=nothing_held)
    mirror = Mirror(current.begin, on_result=lambda sampled, _: told.append(sampled), clock=bench.clock)
    begin = mirror.drawn(REQUEST, FINE, PARSED)
    assert begin is not None
    current.swap(
        pipeline_of(parse_policy(mirror_policy(ROUTES, judge="cloud"), name="p"), bench), retire=nothing_held
    )
    begin()
    await until(lambda: not _is_at_work())
    assert (told, bench.backends["cloud"].calls) == ([], [])
    current.swap(pipeline_of(PARSED, bench), retire=nothing_held)
    begin()
    await until(lambda: len(told) == 1)
    assert (told[0].result, told[0].agreement) == (SampleResult.NUMBER, 1.0)
    await mirror.aclose()
    begin()
    await until(lambda: not _is_at_work())
    assert len(told) == 1
    await current.aclose()


async def test_without_records_or_section_nobody_is_asked_twice(tmp_path: Path) -> None:
    """By default it is off; a gateway that keeps no records says that it is."""
    async with mirroring(tmp_path, policy=POLICY) as gateway:
        await gateway.ask()
    assert gateway.models["cloud"].calls == []
    models = {
        "edge": ScriptedBackend("edge", [reply("42")]),
        "cloud": ScriptedBackend("cloud", [reply("42")]),
    }
    with capture_logs() as logs:
        async with served(models, policy=EVERY) as bare:
            await bare.stub.Generate(ask("6 times 7?"))
            await asyncio.sleep(0.05)
    assert models["cloud"].calls == []
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["mirror.off"]


async def test_learn_reads_what_both_sides_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each comparison is an outcome; what was not compared is none."""

    def cloud(call: Call) -> Reply:
        asked = call.request.messages[-1].content
        return reply("12" if "poem" in asked else "42")

    async with mirroring(tmp_path, cloud=cloud) as gateway:
        for n in range(24):
            await gateway.ask(f"How many lines has a poem on tree {n}?" if n % 2 else f"What is {n} times 7?")
            await until(lambda n=n: gateway.told() > n)  # type: ignore[misc]
    weak = sorted(line["weak"] for line in gateway.outcomes())
    assert weak == [0.0] * 12 + [1.0] * 12
    capsys.readouterr()
    scorer = tmp_path / "s.json"
    assert run(["learn", "--decisions", str(gateway.path), "--output", str(scorer), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["records"] == {"requests": 24, "feedback": 0, "joined": 0, "mirrored": 24}
    assert said["outcomes"] == 24
