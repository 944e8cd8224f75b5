"""Feedback: from a caller's word on an answer, by records without text, to outcomes to learn from."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.cli.app import run
from gateway.client.blocking import SyncGatewayClient
from gateway.client.channel import GatewayClient
from gateway.clock import SystemClock
from gateway.complexity.complexity import shipped_scorer
from gateway.errors import BackendFailed, Unauthenticated
from gateway.offline.recorded_outcomes import recorded_outcomes
from gateway.records.decoding import BadRecord
from gateway.records.encoding import VERSION
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.server.access import Caller, Identity, by_header
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.scripted_gateway import ScriptedGateway, serving
from tests.support.served import Served, ask, served

WORD = "xylophone"
KEEPING = f"{POLICY}records: {{labels: [team]}}\n"


def models(*, down: str = "") -> dict[str, ScriptedBackend]:
    """Return models that answer, but for the one that is down."""
    return {
        name: ScriptedBackend(name, [BackendFailed(name, "500") if name == down else reply(WORD)])
        for name in ("edge", "cloud")
    }


def lines_of(path: Path, kind: str) -> list[dict[str, object]]:
    """Return the records of a kind, of which none holds a word that was sent or answered."""
    written = path.read_text()
    assert WORD not in written
    return [line for line in map(json.loads, written.splitlines()) if line["kind"] == kind]


async def refusal(gateway: Served, request: pb.SubmitFeedbackRequest) -> tuple[str, str, str]:
    """Return status, reason and message with which feedback is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.stub.SubmitFeedback(request, timeout=9)
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(refused.value).details:
        detail.Unpack(info)
    return refused.value.code().name, info.reason, refused.value.details() or ""


async def test_feedback_is_a_line_of_the_chain(tmp_path: Path) -> None:
    """Score, tenant and the labels that the policy keeps; the chain holds, and the response says when."""
    path = tmp_path / "d.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(models(), policy=KEEPING, records=records, tenant_of=by_header) as gateway:
        response = await gateway.stub.SubmitFeedback(
            pb.SubmitFeedbackRequest(request_id="r-1", score=0.0, labels={"team": "red", "mood": WORD}),
            metadata=[("x-tenant", "acme")],
        )

    (line,) = lines_of(path, "feedback")
    assert {key: line[key] for key in ("request_id", "tenant", "score", "labels")} == {
        "request_id": "r-1", "tenant": "acme", "score": 0.0, "labels": {"team": "red"},
    }  # fmt: skip
    assert line["at_unix_s"] == pytest.approx(response.create_time.ToMilliseconds() / 1000, abs=0.001)
    assert run(["records", "verify", str(path)]) == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.SubmitFeedbackRequest(score=0.5), "request_id"),
        (pb.SubmitFeedbackRequest(request_id="a b", score=0.5), "request_id"),
        (pb.SubmitFeedbackRequest(request_id="r" * 65, score=0.5), "request_id"),
        (pb.SubmitFeedbackRequest(request_id="r"), "score: must be there"),
        (pb.SubmitFeedbackRequest(request_id="r", score=1.01), "score"),
        (pb.SubmitFeedbackRequest(request_id="r", score=-0.5), "score"),
        (pb.SubmitFeedbackRequest(request_id="r", score=float("nan")), "score"),
        (pb.SubmitFeedbackRequest(request_id="r", score=float("inf")), "score"),
        (pb.SubmitFeedbackRequest(request_id="r", score=1, labels={"a b": "c"}), "labels"),
        (pb.SubmitFeedbackRequest(request_id="r", score=1, labels={"a": "c" * 65}), "labels[a]"),
        (
            pb.SubmitFeedbackRequest(request_id="r", score=1, labels={str(n): "c" for n in range(17)}),
            "labels",
        ),
    ],
)
async def test_what_is_wrong_is_named(request_: pb.SubmitFeedbackRequest, field: str, tmp_path: Path) -> None:
    """A score is a number from 0 to 1, id and labels are bounded as those of requests; nothing is kept."""
    path = tmp_path / "d.jsonl"
    async with served(models(), records=Records(path, clock=SystemClock())) as gateway:
        code, reason, message = await refusal(gateway, request_)
    assert (code, reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert message.startswith(field)
    assert lines_of(path, "feedback") == []


async def test_without_records_the_way_out_is_said() -> None:
    """Nothing is taken that would be lost, and the caller learns whose matter that is."""
    async with served(models()) as gateway:
        code, reason, message = await refusal(gateway, pb.SubmitFeedbackRequest(request_id="r", score=1))
    assert (code, reason) == ("FAILED_PRECONDITION", "RECORDS_OFF")
    assert "gateway serve --decisions FILE" in message


async def test_feedback_needs_credentials_and_counts_against_rates(tmp_path: Path) -> None:
    """It is guarded as every call is, and one of the tenant's requests of a minute."""

    def acme_alone(caller: Caller) -> Identity:
        if (identity := by_header(caller)).tenant != "acme":
            raise Unauthenticated("an API key is needed")
        return identity

    path = tmp_path / "d.jsonl"
    limited = f"{POLICY}limits: {{requests_per_minute: 1}}\n"
    feedback = pb.SubmitFeedbackRequest(request_id="r", score=1)
    records = Records(path, clock=SystemClock())
    async with served(models(), policy=limited, records=records, tenant_of=acme_alone) as gateway:
        assert (await refusal(gateway, feedback))[:2] == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        acme = [("x-tenant", "acme")]
        await gateway.stub.SubmitFeedback(feedback, metadata=acme)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.stub.SubmitFeedback(feedback, metadata=acme)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(lines_of(path, "feedback")) == 1


async def _asked(gateway: Served, n: int, *, tenant: str, request_id: str) -> None:
    request = ask(f"What is {n} plus {n + 1}?", request_id=request_id, labels={"team": "x" if n % 2 else "y"})
    await gateway.stub.Generate(request, metadata=[("x-tenant", tenant)])


async def _rated(gateway: Served, request_id: str, score: float, *, tenant: str) -> None:
    await gateway.stub.SubmitFeedback(
        pb.SubmitFeedbackRequest(request_id=request_id, score=score), metadata=[("x-tenant", tenant)]
    )


async def test_learn_joins_feedback_by_tenant_and_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last word counts, that of another tenant does not, and neither does that on a canned reply."""
    path = tmp_path / "d.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(models(), records=records, tenant_of=by_header) as gateway:
        for n in range(24):
            await _asked(gateway, n, tenant="acme", request_id=f"r-{n}")
            await _rated(gateway, f"r-{n}", 1.0, tenant="acme")
            await _rated(gateway, f"r-{n}", 0.25 if n % 4 else 0.5, tenant="acme")
            await _rated(gateway, f"r-{n}", 0.0, tenant="other")
    edge_only = POLICY.replace("route: [edge, cloud]", "route: [edge]")
    records = Records(path, clock=SystemClock())
    async with served(models(down="edge"), policy=edge_only, records=records, tenant_of=by_header) as gateway:
        await _asked(gateway, 0, tenant="acme", request_id="canned")
        await _rated(gateway, "canned", 1.0, tenant="acme")

    found = recorded_outcomes(lambda: read_lines(path))
    assert (found.requests, found.feedback, len(found.joined)) == (24, 73, 24)
    local = [each.weak for each in found.joined if each.weak is not None]
    cloud = [each.strong for each in found.joined if each.strong is not None]
    assert (local, cloud) == ([0.5, 0.25] * 6, [0.25] * 12)

    capsys.readouterr()
    output = ["--output", str(tmp_path / "s.json"), "--accept"]  # These scores are at chance.
    assert run(["learn", "--decisions", str(path), *output, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["outcomes"], said["records"]) == (
        24,
        {"requests": 24, "feedback": 73, "joined": 24, "mirrored": 0},
    )
    more = tmp_path / "more.jsonl"
    more.write_text("".join(f'{{"text": "What is {n}?", "weak": {n % 2}}}\n' for n in range(3)))
    both = ["learn", "--decisions", str(path), "--outcomes", str(more), *output]
    assert run(both) == 0
    shown = capsys.readouterr().out
    assert "records: joined     24\nrecords: mirrored   0\noutcomes            27\n" in shown


def request_line(request_id: str, at_unix_s: float, **fields: object) -> tuple[str, Mapping[str, object]]:
    """Return a record of a request that the model at the edge answered."""
    features = [at_unix_s] * len(shipped_scorer().weights)
    line = {"kind": "request", "route": "LOCAL", "tenant": "t", "features": features}
    return "f:1", {"v": VERSION, "request_id": request_id, "at_unix_s": at_unix_s, **line, **fields}


def feedback_line(
    request_id: str, at_unix_s: float, score: object, **fields: object
) -> tuple[str, Mapping[str, object]]:
    """Return a record of feedback."""
    line = {"v": VERSION, "kind": "feedback", "tenant": "t", "request_id": request_id, "score": score}
    return "f:2", {**line, "at_unix_s": at_unix_s, **fields}


def test_the_order_is_that_of_time() -> None:
    """Lines of several workers lie in several files: what was said last counts, wherever it stands."""
    lines = [
        feedback_line("a", 9.0, 0.75),
        feedback_line("a", 5.0, 0.25),
        request_line("a", 4.0),
        request_line("a", 2.0),
        request_line("a", 6.0, route="CANNED"),
        request_line("b", 6.0),
        ("f:3", {"v": VERSION, "kind": "policy"}),
    ]
    for order in (lines, lines[::-1]):
        found = recorded_outcomes(lambda order=order: order)  # type: ignore[misc]
        assert (found.requests, found.feedback) == (3, 2)
        (joined,) = found.joined
        assert (joined.weak, joined.strong, joined.features[0]) == (0.75, None, 4.0)


def test_nothing_is_learnt_of_embeddings() -> None:
    """A rating of vectors says nothing of which model answers better."""
    embedding = request_line("e", 1.0, facts={"signals": {"is_embedding": True}})
    lines = [embedding, feedback_line("e", 2.0, 1.0), request_line("a", 1.0), feedback_line("a", 2.0, 1.0)]
    found = recorded_outcomes(lambda: lines)
    assert (found.requests, found.feedback, len(found.joined)) == (1, 2, 1)


@pytest.mark.parametrize(
    ("ended", "rated"), [((2.0, 4.0, 6.0), 4.0), ((4.0,), 4.0), ((6.0, 8.0), 8.0), ((5.0, 6.0), 5.0)]
)
def test_what_came_after_it_was_not_rated(ended: tuple[float, ...], rated: float) -> None:
    """Feedback is on the last answer before it; if there is none, clocks of hosts may differ."""
    lines = [feedback_line("a", 5.0, 0.5), *(request_line("a", at_unix_s) for at_unix_s in ended)]
    for order in (lines, lines[::-1]):
        (joined,) = recorded_outcomes(lambda order=order: order).joined  # type: ignore[misc]
        assert joined.features[0] == rated


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (feedback_line("a", 1.0, 2.0), 'f:2: "score" must be a number from 0 to 1'),
        (feedback_line("a", 1.0, None), 'f:2: "score" must be a number from 0 to 1'),
        (feedback_line("a", 1.0, 1.0, tenant=None), "f:2: is not a whole record"),
        (feedback_line("a", 1.0, 1.0, v=99), "f:2: is not a record of version"),
        (request_line("a", 0.5, features=[1.0]), 'f:1: "features" must be'),
        (request_line("a", 1.0, kind="outcome", weak=1.0, v=99), "f:1: is not a record of version"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: tuple[str, Mapping[str, object]], said: str) -> None:
    """Records that were changed, or are of another version, are no outcomes in silence."""
    with pytest.raises(BadRecord, match=said):
        recorded_outcomes(lambda: [feedback_line("a", 0.5, 0.5), request_line("a", 0.5), line])


def test_learn_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file at all, one that is not there, one that is none, and one that holds too little."""
    scorer = ["--output", str(tmp_path / "s.json")]
    path = tmp_path / "d.jsonl"
    assert run(["learn", *scorer]) == 2
    assert run(["learn", "--decisions", str(path), *scorer]) == 2
    path.write_text("nonsense\n")
    assert run(["learn", "--decisions", str(path), *scorer]) == 2
    path.write_text(json.dumps(request_line("a", 1.0)[1]) + "\n")
    assert run(["learn", "--decisions", str(path), *scorer]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [each.removeprefix("gateway: ").replace(str(path), "d.jsonl") for each in told] == [
        "no outcomes: give --decisions FILE, --outcomes FILE or both",
        "d.jsonl: cannot be read: No such file or directory",
        "d.jsonl:1: is not JSON",
        "d.jsonl: 0 outcomes; at least 20 are needed (in the records: 1 request; feedback on 0,"
        " 0 of them with features; 0 answered by both sides)",
    ]
    assert not (tmp_path / "s.json").exists()


async def test_both_clients_and_the_command_submit(capsys: pytest.CaptureFixture[str]) -> None:
    """A score of 0 is sent, labels are, and what comes back is told to people and scripts."""
    service = ScriptedGateway()
    async with serving(service) as target:
        async with GatewayClient(target, tenant="acme") as client:
            assert (await client.submit_feedback("r-1", 0.0)).create_time.seconds == 9

        def call() -> None:
            with SyncGatewayClient(target) as client:
                client.submit_feedback("r-2", 1.0, labels={"team": "red"})

        await asyncio.to_thread(call)
        command = ["feedback", "r-3", "--score", "0.8", "--label", "team=red", "--server", target]
        assert await asyncio.to_thread(run, command) == 0
        assert await asyncio.to_thread(run, [*command, "--json"]) == 0
        assert await asyncio.to_thread(run, ["feedback", "r-3", "--score", "1.1", "--server", target]) == 2
    out = capsys.readouterr().out.splitlines()
    assert out == ["recorded: 0.8 for r-3", '{"create_time": "1970-01-01T00:00:09Z"}']
    said = pb.SubmitFeedbackRequest(request_id="r-3", score=0.8, labels={"team": "red"})
    assert service.requests == [
        pb.SubmitFeedbackRequest(request_id="r-1", score=0.0),
        pb.SubmitFeedbackRequest(request_id="r-2", score=1.0, labels={"team": "red"}),
        said,
        said,
    ]
    assert service.metadata[0]["x-tenant"] == "acme"


async def test_the_command_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway without records is one line, with the way out."""
    async with served(models()) as gateway:
        command = ["feedback", "r-1", "--score", "1", "--server", gateway.server.target]
        assert await asyncio.to_thread(run, command) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "FAILED_PRECONDITION (RECORDS_OFF)" in told
