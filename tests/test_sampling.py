"""Second answers, to learn from: who is asked, when, at whose cost; and what the records keep of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.backends.base import Call
from gateway.backends.scripted import Delay, Script, ScriptedBackend, reply
from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.errors import BackendFailed, BackendRateLimited, NotPermitted
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.view import BudgetView
from gateway.masking.judge import Masker
from gateway.policy.load import parse_policy
from gateway.policy.model import Policy
from gateway.policy.sampling import CAP
from gateway.records.writer import Records
from gateway.routing import View, alone, decide, decide_for
from gateway.scoring.privacy import PrivacyScorer
from gateway.server.access import anyone
from gateway.server.boundary import Boundary, Scope
from gateway.server.current import Current
from gateway.server.pipeline import Pipeline
from gateway.server.sampling import Sampler
from gateway.server.second import capped, draw
from gateway.types import (
    Answer,
    Attempt,
    Decision,
    Degraded,
    FinishReason,
    Hints,
    Message,
    Outcome,
    Privacy,
    PrivacyClass,
    Reason,
    Reply,
    Request,
    Role,
    Route,
    Sampled,
    SampleResult,
    Scores,
    Usage,
)
from gateway.v1 import gateway_pb2 as pb
from tests.dispatch_doubles import Bench
from tests.operated import Operated, operated
from tests.real_engine import until
from tests.served import POLICY, ask, served

WORD = "xylophone"
MAIL = "jane.roe@example.org"
PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 300}")
"""Nothing that is to be dropped ends before that by itself, however slow the machine."""
EVERY = f"{PATIENT}sample: {{share: 1.0}}\n"
TO_CLOUD = {"team": "x"}
FORTY_TWO = reply("42")
BOTH = EVERY.replace("route: [cloud]}", "route: [cloud, edge]}")
"""What a team asks goes to the cloud first, and may be answered at the edge."""


def sample(policy: str = EVERY, **keys: object) -> str:
    """Return the policy with other keys of its sample."""
    return policy.replace("sample: {share: 1.0}", f"sample: {json.dumps({'share': 1.0, **keys})}")


@dataclass(frozen=True)
class Sampling:
    """A running gateway that samples, its models, and where its records are."""

    inner: Operated
    models: Mapping[str, ScriptedBackend]
    path: Path

    async def ask(self, text: str = "6 times 7?", **fields: Any) -> pb.GenerateResponse:
        """Send a request as its caller does."""
        return await self.inner.gateway.stub.Generate(ask(text, **fields), timeout=9)

    def count(self, result: str) -> float:
        """Return how many samples ended so."""
        registry = self.inner.operator.measures.registry
        return registry.get_sample_value("gateway_samples_total", {"result": result}) or 0.0

    async def until_told(self, result: str, times: int = 1) -> None:
        """Return when so many samples have ended so."""
        await until(lambda: self.count(result) >= times)

    def told(self) -> float:
        """Return how many samples have ended."""
        return sum(self.count(str(each)) for each in SampleResult)

    def outcomes(self) -> list[dict[str, Any]]:
        """Return what was recorded of second answers, without a word of anybody."""
        written = self.path.read_text()
        assert WORD not in written
        assert "jane" not in written
        return [line for line in map(json.loads, written.splitlines()) if line["kind"] == "outcome"]


@asynccontextmanager
async def sampling(
    folder: Path,
    *,
    policy: str = EVERY,
    edge: Script = (FORTY_TWO,),
    cloud: Script = (FORTY_TWO,),
    state_url: str = "memory:",
) -> AsyncIterator[Sampling]:
    """Run a gateway of which every request is drawn."""
    models = {"edge": ScriptedBackend("edge", edge), "cloud": ScriptedBackend("cloud", cloud)}
    records = Records(folder / "d.jsonl", clock=SystemClock())
    async with operated(models, folder, policy=policy, records=records, state_url=state_url) as inner:
        yield Sampling(inner, models, folder / "d.jsonl")


def costing(text: str, tokens: int) -> Reply:
    """Return an answer of so many tokens, the prompt's included; a token costs a millionth of a dollar."""
    usage = Usage(prompt_tokens=tokens - 1, completion_tokens=1)
    return Reply(text=text, finish_reason=FinishReason.STOP, usage=usage)


async def test_both_sides_are_compared_and_no_text_is_kept(tmp_path: Path) -> None:
    """The caller gets the edge's answer; the cloud's makes an outcome: features, models, tries and cost."""
    async with sampling(tmp_path, cloud=[costing("42.", 30)]) as gateway:
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
    async with sampling(tmp_path, policy=BOTH, edge=[reply("41")]) as gateway:
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
        in_flight.append(gateway.inner.gateway.server.in_flight)
        return [Delay(3600.0)]

    async with sampling(tmp_path, cloud=never) as gateway:
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

    async def handler(_: pb.GenerateRequest, scope: Scope) -> pb.GenerateResponse:
        scope.afterwards = lambda: begun.append("second")
        if error is not None:
            raise error
        return pb.GenerateResponse()

    boundary, wire = Boundary(clock=SystemClock(), tenant_of=anyone), Wire()
    serve = boundary.unary("Generate", handler)
    if error is None:
        await serve(pb.GenerateRequest(), wire)  # type: ignore[arg-type]
    else:
        with pytest.raises((grpc.aio.AbortError, asyncio.CancelledError)):
            await serve(pb.GenerateRequest(), wire)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert begun == []
    for callback in wire.when_done:
        callback(wire)
    assert begun == (["second"] if error is None else [])


async def test_a_second_answer_takes_nobodys_place(tmp_path: Path) -> None:
    """A tenant with one place has it, even where nobody may wait: the sample goes on beside it."""
    policy = f"{EVERY}limits: {{tenant_concurrency: 1, concurrency: 1, queue: 0}}\n"
    async with sampling(tmp_path, policy=policy, cloud=[Delay(3600.0)]) as gateway:
        await gateway.ask()
        await until(lambda: len(gateway.models["cloud"].calls) == 1)
        for _ in range(3):
            assert (await gateway.ask()).text == "42"
        assert gateway.models["cloud"].stopped == []


async def test_whoever_takes_the_last_place_of_a_model_goes_first(tmp_path: Path) -> None:
    """One that answers one at a time answers a caller at once, and the sample that it has gives way."""
    policy = BOTH.replace("clearance: internal,", "clearance: internal, concurrency: 1,")
    policy = f"{policy}limits: {{queue: 0}}\n"

    def cloud(call: Call) -> list[Delay | Reply]:
        return [Delay(0.5), reply("41")] if call.request.labels else [Delay(3600.0)]

    async with sampling(tmp_path, policy=policy, cloud=cloud) as gateway:
        await gateway.ask()
        await until(lambda: len(gateway.models["cloud"].calls) == 1)
        answer = await gateway.ask(labels=TO_CLOUD)
        assert [(each.model, each.outcome) for each in answer.attempts] == [("cloud", pb.OUTCOME_ANSWERED)]
        await gateway.until_told("busy")
    assert len(gateway.models["cloud"].stopped) == 1


async def test_a_model_that_asked_for_a_pause_is_left_to_callers(tmp_path: Path) -> None:
    """What may be asked after it is theirs: no sample waits in front of them."""
    busy = BackendRateLimited("cloud", "429", retry_after_s=30.0)
    async with sampling(tmp_path, policy=BOTH, cloud=[busy, FORTY_TWO]) as gateway:
        assert (await gateway.ask(labels=TO_CLOUD)).model == "edge"
        assert (await gateway.ask()).model == "edge"
        await gateway.until_told("busy")
    assert len(gateway.models["cloud"].calls) == 1


class Working(ScriptedBackend):
    """An engine that says how many requests it has."""

    requests = 0

    async def has_work(self, *, beside: int) -> bool:
        """Say whether it has more than that."""
        return self.requests > beside


async def test_an_engine_with_work_is_left_alone(tmp_path: Path) -> None:
    """The edge is asked when it is idle, and stops as soon as somebody else is there."""
    edge = Working("edge", [Delay(3600.0)])
    models = {"edge": edge, "cloud": ScriptedBackend("cloud", [reply("42")])}
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with operated(models, tmp_path, policy=BOTH, records=records) as inner:
        gateway = Sampling(inner, models, tmp_path / "d.jsonl")
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


@pytest.mark.parametrize("classes", [["public"], ["public", "confidential"], ["confidential"]])
async def test_private_requests_are_not_sent(tmp_path: Path, classes: list[str]) -> None:
    """A class that is not named is not drawn from, and one that is named stays within the clearance."""
    async with sampling(tmp_path, policy=sample(classes=classes)) as gateway:
        private = await gateway.ask(f"Mail {MAIL} the {WORD}")
        hinted = await gateway.ask("6 times 7?", hints=pb.Hints(privacy_class=pb.PRIVACY_CLASS_INTERNAL))
        assert (private.text, hinted.text) == ("42", "42")
        assert hinted.decision.chain == ["edge", "cloud"]
        await gateway.ask("What is 6 times 7?", request_id="public")
        if "public" in classes:
            await gateway.until_told("number")
    sent = [call.request.request_id for call in gateway.models["cloud"].calls]
    assert sent == (["public"] if "public" in classes else [])
    assert len(gateway.outcomes()) == len(sent)


async def test_a_masked_answer_is_restored_before_it_is_compared(tmp_path: Path) -> None:
    """A model that may see the request only masked is sent it so, and nothing else of it."""
    masking = sample(classes=["confidential"]).replace(
        "clearance: internal,", "clearance: internal, mask: [EMAIL],"
    )
    async with sampling(
        tmp_path, policy=masking, edge=[reply(f'{{"to": "{MAIL}"}}')], cloud=[reply('{"to": "<EMAIL_1>"}')]
    ) as gateway:
        await gateway.ask(f"Whom do I write to? To {MAIL}, as JSON")
        await gateway.until_told("json")
    (call,) = gateway.models["cloud"].calls
    assert MAIL not in call.request.messages[0].content
    (line,) = gateway.outcomes()
    assert (line["weak"], "features" in line) == (1.0, False)


async def test_a_judge_compares_what_cannot_be_told(tmp_path: Path) -> None:
    """It sees request and both answers, the cloud's as the reference; its cost is the sample's."""
    cloud = [costing(f"It is a {WORD}.", 20), costing('{"agreement": 0.75}', 50)]
    async with sampling(tmp_path, edge=[reply(f"A {WORD}, I think.")], cloud=cloud) as gateway:
        await gateway.ask("What has wooden bars?")
        await gateway.until_told("judge")
        page = await gateway.inner.page()
        assert page.total("gateway_sample_cost_usd_total", model="cloud") == pytest.approx(7e-5)
    judged = gateway.models["cloud"].calls[1].request
    assert [message.content for message in judged.messages[1:]] == [
        "REQUEST, user:\n\nWhat has wooden bars?",
        f"REFERENCE ANSWER:\n\nIt is a {WORD}.",
        f"OTHER ANSWER:\n\nA {WORD}, I think.",
    ]
    (line,) = gateway.outcomes()
    assert (line["how"], line["weak"], line["cost_usd_nanos"]) == ("judge", 0.75, 70_000)


@pytest.mark.parametrize("side", ["edge", "cloud"])
@pytest.mark.parametrize("said", [f"Ask {MAIL} about the {WORD}.", f"The {WORD} is at 10.1.2.3."])
async def test_no_judge_gets_a_confidential_text(tmp_path: Path, side: str, said: str) -> None:
    """An answer may hold what its request does not: then it is compared by nobody, and goes nowhere.

    So it is with a class that a judge might see, but which the policy does not draw from.
    """
    answers = {"edge": reply("It is so."), "cloud": reply("It is not so.")}
    answers[side] = reply(said)
    async with sampling(tmp_path, edge=[answers["edge"]], cloud=[answers["cloud"]]) as gateway:
        await gateway.ask("Whom do I ask?")
        await gateway.until_told("forbidden")
    assert [len(call.request.messages) for call in gateway.models["cloud"].calls] == [1]
    (line,) = gateway.outcomes()
    assert (line["how"], line["weak"], line["strong"]) == ("forbidden", None, None)


async def test_a_judge_of_its_own_needs_its_own_clearance(tmp_path: Path) -> None:
    """The policy may name the judge; what it may not see it is not sent, and a local one may see all."""
    outer = '\n  outer: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public, ' \
        "price_per_million_usd: {input: 1, output: 1}}\nrules:"  # fmt: skip
    policy = sample(judge="outer", classes=["public", "internal"]).replace("\nrules:", outer)
    models = {
        "edge": ScriptedBackend("edge", [reply("It is so.")]),
        "cloud": ScriptedBackend("cloud", [reply("It is not.")]),
        "outer": ScriptedBackend("outer", [reply("0.25"), reply("Hm.")]),
    }
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with operated(models, tmp_path, policy=policy, records=records) as inner:
        gateway = Sampling(inner, models, tmp_path / "d.jsonl")
        await gateway.ask("Is it?")
        await gateway.until_told("judge")
        await gateway.ask("Is it?")
        await gateway.until_told("unreadable")
        await gateway.ask("Is it?", hints=pb.Hints(privacy_class=pb.PRIVACY_CLASS_INTERNAL))
        await gateway.until_told("forbidden")
    assert [call.permit is not None for call in models["outer"].calls] == [True, True]
    assert [line["weak"] for line in gateway.outcomes()] == [0.25, None, None]


async def test_nothing_is_sent_after_the_days_cap(tmp_path: Path) -> None:
    """The worst case has to fit into what the day has left; callers are answered on."""
    async with sampling(
        tmp_path, policy=sample(max_usd_per_day=0.002), cloud=[costing("42", 900)]
    ) as gateway:
        for n in range(4):
            assert (await gateway.ask()).text == "42"
            await until(lambda n=n: gateway.told() > n)  # type: ignore[misc]
        assert (await gateway.ask(labels=TO_CLOUD)).model == "cloud"
    (line,) = gateway.outcomes()
    assert line["cost_usd_nanos"] == 900_000
    assert (gateway.count("number"), gateway.count("budget")) == (1, 3)


async def test_the_cap_is_that_of_all_processes_and_starts(tmp_path: Path) -> None:
    """It stands in the ledger: another start with the same one has no more to spend."""
    state = f"sqlite://{tmp_path / 'ledger.db'}"
    policy = sample(max_usd_per_day=0.0015)
    for result in ("number", "budget"):
        async with sampling(tmp_path, policy=policy, cloud=[costing("42", 900)], state_url=state) as gateway:
            await gateway.ask()
            await gateway.until_told(result)
    assert len(gateway.outcomes()) == 1


async def test_budgets_bind_samples_too(tmp_path: Path) -> None:
    """The budget of the tenant has no room for a second answer: it has none for a first one either."""
    policy = f"{EVERY}budgets: [{{name: daily, per: tenant, limit_usd: 0.0001, window: day}}]\n"
    async with sampling(tmp_path, policy=policy) as gateway:
        await gateway.ask()
        await gateway.until_told("budget")
    assert gateway.models["cloud"].calls == []
    assert gateway.outcomes() == []


@pytest.mark.parametrize(
    "second", [BackendFailed("cloud", "500"), Reply(text="4", finish_reason=FinishReason.LENGTH, usage=None)]
)
async def test_what_fails_is_tried_once(tmp_path: Path, second: Exception | Reply) -> None:
    """No second answer, or half of one, is no outcome; nothing is tried again for it."""
    policy = EVERY.replace("attempts: 1", "attempts: 3")
    async with sampling(tmp_path, policy=policy, cloud=[second]) as gateway:
        assert (await gateway.ask()).text == "42"
        await gateway.until_told("failed")
    assert len(gateway.models["cloud"].calls) == 1
    (line,) = gateway.outcomes()
    assert line["weak"] is None


async def test_a_defect_is_a_line_without_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong behind the caller's back is logged by its place, and the next one is drawn again."""

    async def fail(*_: object) -> Answer:
        raise ValueError(WORD)

    async with sampling(tmp_path) as gateway:
        with capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(Pipeline, "sample", fail)
            assert (await gateway.ask(request_id="r-1")).text == "42"
            await gateway.until_told("failed")
            await until(lambda: any(each["event"] == "defect" for each in logs))
        await gateway.ask()
        await gateway.until_told("number")
    (defect,) = [each for each in logs if each["event"] == "defect"]
    assert (defect["request_id"], defect["error"]) == ("r-1", "ValueError")
    assert WORD not in str(logs)


async def test_a_defect_of_the_look_is_a_line_too(tmp_path: Path) -> None:
    """Whoever looks whether the model is wanted may fail as well: the sample ends, and nobody is silent."""

    class Failing(ScriptedBackend):
        async def has_work(self, *, beside: int) -> bool:
            if beside:
                raise ValueError(WORD)
            return False

    edge = Failing("edge", [Delay(3600.0)])
    models = {"edge": edge, "cloud": ScriptedBackend("cloud", [FORTY_TWO])}
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    with capture_logs() as logs:
        async with operated(models, tmp_path, policy=BOTH, records=records) as inner:
            gateway = Sampling(inner, models, tmp_path / "d.jsonl")
            assert (await gateway.ask(labels=TO_CLOUD)).model == "cloud"
            await gateway.until_told("failed")
            await until(lambda: any(each["event"] == "defect" for each in logs))
    assert len(edge.stopped) == 1
    assert WORD not in str(logs)


def _is_at_work() -> bool:
    return any(task.get_name() == "second answer" for task in asyncio.all_tasks())


async def test_a_reload_in_between_drops_it() -> None:
    """What one policy let out is not asked under another one."""

    async def retire() -> None:
        """Nothing is held."""

    told: list[Sampled] = []
    bench = Bench({"edge": [FORTY_TWO], "cloud": [FORTY_TWO]}, specs=PARSED.models)

    def pipeline(policy: Policy) -> Pipeline:
        return Pipeline(
            policy=policy,
            scorer=PrivacyScorer(policy.privacy, clock=bench.clock),
            masker=Masker(policy, clock=bench.clock),
            dispatcher=bench.dispatcher,
            budgets=BudgetView(MemoryLedger(clock=bench.clock), clock=bench.clock),
            clock=bench.clock,
        )

    current = Current(pipeline(PARSED), retire=retire)
    sampler = Sampler(current, tell=lambda sampled, _: told.append(sampled), clock=bench.clock)
    begin = sampler.drawn(REQUEST, decision_of(), FINE, PARSED)
    assert begin is not None
    current.swap(pipeline(parse_policy(sample(ROUTES, judge="cloud"), name="p")), retire=retire)
    begin()
    await until(lambda: not _is_at_work())
    assert (told, bench.backends["cloud"].calls) == ([], [])
    current.swap(pipeline(PARSED), retire=retire)
    begin()
    await until(lambda: len(told) == 1)
    assert (told[0].result, told[0].agreement) == (SampleResult.NUMBER, 1.0)
    await sampler.aclose()
    begin()
    await until(lambda: not _is_at_work())
    assert len(told) == 1
    await current.aclose()


async def test_without_records_or_section_nobody_is_asked_twice(tmp_path: Path) -> None:
    """By default it is off; a gateway that keeps no records says that it is."""
    async with sampling(tmp_path, policy=POLICY) as gateway:
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
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["sample.off"]


async def test_learn_reads_what_both_sides_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each comparison is an outcome; what was not compared is none."""

    def cloud(call: Call) -> Reply:
        asked = call.request.messages[-1].content
        return reply("12" if "poem" in asked else "42")

    async with sampling(tmp_path, cloud=cloud) as gateway:
        for n in range(24):
            await gateway.ask(f"How many lines has a poem on tree {n}?" if n % 2 else f"What is {n} times 7?")
            await until(lambda n=n: gateway.told() > n)  # type: ignore[misc]
    weak = sorted(line["weak"] for line in gateway.outcomes())
    assert weak == [0.0] * 12 + [1.0] * 12
    capsys.readouterr()
    scorer = tmp_path / "s.json"
    assert run(["learn", "--decisions", str(gateway.path), "--output", str(scorer), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["records"] == {"requests": 24, "feedback": 0, "joined": 0, "sampled": 24}
    assert said["outcomes"] == 24


# Who is drawn, without a gateway.

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
        privacy=Privacy(score=0.0, privacy_class=class_, reason=""),
        policy=PARSED,
        view=View(deadline_s=9.0),
    )


def attempt(model: str = "edge", outcome: Outcome = Outcome.ANSWERED, **fields: Any) -> Attempt:
    """Return a try."""
    known = {"model": model, "outcome": outcome, "reason": None, "start_ms": 0.0, "duration_ms": 1.0}
    return Attempt(**{**known, **fields})


FINE = Answer(
    text="42", finish_reason=FinishReason.STOP, usage=None, route=Route.LOCAL, model="edge", degraded=None,
    cost_usd_nanos=0, attempts=(attempt(),),
)  # fmt: skip


def test_the_other_side_is_the_first_of_the_chain_that_is() -> None:
    """From the edge to the cloud and back; another model of the same side is no other side."""
    local = draw(REQUEST, decision_of(), FINE, PARSED)
    assert local is not None
    assert (local.second, local.weak_model, local.strong_model) == ("cloud", "edge", "cloud")
    cloud = draw(REQUEST, decision_of(team="x"), replace(FINE, route=Route.CLOUD, model="cloud"), PARSED)
    assert cloud is not None
    assert (cloud.second, cloud.weak_model, cloud.strong_model) == ("edge", "edge", "cloud")
    assert cloud.texts(replace(FINE, text="7")) == ("7", "42")


UNSURE = attempt(outcome=Outcome.FAILED, reason=Reason.LOW_CONFIDENCE)
OPEN = attempt("cloud", Outcome.REFUSED, reason=Reason.BREAKER_OPEN)
DEAD = attempt("backup", Outcome.FAILED, reason=Reason.ENGINE_DOWN)


@pytest.mark.parametrize(
    ("answer", "is_drawn"),
    [
        (replace(FINE, finish_reason=FinishReason.STOP_SEQUENCE), True),
        (replace(FINE, attempts=(UNSURE, attempt())), True),
        (replace(FINE, attempts=(OPEN, attempt())), True),
        (replace(FINE, attempts=(attempt("cloud", Outcome.CANCELLED), attempt())), True),
        (replace(FINE, finish_reason=FinishReason.LENGTH), False),
        (replace(FINE, finish_reason=FinishReason.CONTENT_FILTER), False),
        (replace(FINE, attempts=(attempt(continued=True),)), False),
        (replace(FINE, attempts=(DEAD, attempt())), False),
        (
            replace(
                FINE, route=Route.CANNED, model="", finish_reason=None,
                degraded=Degraded(reason=Reason.ALL_FAILED, canned_id="sorry"),
            ),
            False,
        ),
    ],
)  # fmt: skip
def test_only_a_whole_answer_of_one_side_is_drawn(answer: Answer, is_drawn: bool) -> None:
    """Not one that was cut, filtered, canned or made by two; nor where an engine died, of it perhaps."""
    assert (draw(REQUEST, decision_of(), answer, PARSED) is not None) == is_drawn


def test_who_is_never_drawn() -> None:
    """Another class, a caller who bounds its cost, another policy, a chain with one side, no section."""
    bounded = replace(REQUEST, hints=Hints(max_cost_usd_nanos=10**9))
    assert draw(bounded, decision_of(), FINE, PARSED) is None
    for class_ in (PrivacyClass.INTERNAL, PrivacyClass.CONFIDENTIAL, PrivacyClass.RESTRICTED):
        assert draw(REQUEST, decision_of(class_), FINE, PARSED) is None
    assert draw(REQUEST, alone(decision_of(), "edge"), FINE, PARSED) is None
    assert draw(REQUEST, decision_of(), FINE, parse_policy(POLICY, name="p")) is None
    assert draw(REQUEST, replace(decision_of(), policy_hash="0"), FINE, PARSED) is None


def test_one_model_of_the_chain_keeps_its_permit_and_no_other_one_may_be_asked() -> None:
    """What routing did not let into the chain is not let in afterwards."""
    decision = decision_of()
    assert alone(decision, "cloud").permits == {"cloud": decision.permits["cloud"]}
    assert alone(decision, "edge").permits == {}
    with pytest.raises(ValueError, match="only a model of the chain"):
        alone(decision_of(PrivacyClass.CONFIDENTIAL), "cloud")


def test_no_leave_for_a_judge_above_its_clearance() -> None:
    """The law is that of any request; and what another policy decided is no leave under this one."""
    private = decision_of(PrivacyClass.CONFIDENTIAL)
    assert decide_for(REQUEST, "cloud", judged=private, policy=PARSED) is None
    at_home = decide_for(REQUEST, "backup", judged=private, policy=PARSED)
    assert at_home is not None
    assert (at_home.chain, at_home.permits) == (("backup",), {})
    leave = decide_for(REQUEST, "cloud", judged=decision_of(PrivacyClass.INTERNAL), policy=PARSED)
    assert leave is not None
    assert (leave.chain, leave.permits["cloud"].privacy_class) == (("cloud",), PrivacyClass.INTERNAL)
    assert leave.permits["cloud"].request is REQUEST
    assert decide_for(REQUEST, "cloud", judged=replace(decision_of(), policy_hash="0"), policy=PARSED) is None


def test_the_cap_is_one_more_budget() -> None:
    """Beside those that there are, under the same hash; without a section the policy is as it was."""
    cap = capped(PARSED).budgets[-1]
    assert (cap.name, cap.per, cap.limit_usd, cap.window) == (CAP, "all", Decimal(1), "day")
    assert (capped(PARSED).hash, capped(PARSED).resilience.attempts) == (PARSED.hash, 1)
    plain = parse_policy(POLICY, name="p")
    assert capped(plain) is plain
