"""What a running gateway records: a line for each request that was decided, and never a word of it."""

import json
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.domain.privacy import PrivacyClass
from gateway.errors import BackendFailed
from gateway.records.decoding import read_record
from gateway.records.writer import Records
from gateway.testing.scripted import Delay, ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.served import ask, served

WORD = "xylophone"
PRIVATE = f"Mail jane.roe@example.org the {WORD}"
SHADOW = POLICY.replace("route: [edge, cloud]}", "route: [cloud, edge]}")


def answering(name: str) -> ScriptedBackend:
    """Return a model that answers everything."""
    reply = Reply(
        text=WORD, finish_reason=FinishReason.STOP, usage=Usage(prompt_tokens=3, completion_tokens=5)
    )
    return ScriptedBackend(name, [reply])


async def recorded(path: Path, *, shadow: str | None = None, policy: str = POLICY) -> list[dict[str, object]]:
    """Ask once for each way that a call can go, and return what was recorded."""
    failing = ScriptedBackend("cloud", [BackendFailed("cloud", "it answered with 500")])
    records = Records(path, clock=SystemClock())
    backends = {"edge": answering("edge"), "cloud": failing}
    async with served(backends, policy=policy, records=records, shadow=shadow) as gateway:
        await gateway.stub.Generate(ask(f"Hello {WORD}"))
        await gateway.stub.Generate(ask(PRIVATE))
        async for _ in gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=ask(WORD).messages)):
            continue
        await gateway.stub.Explain(pb.ExplainRequest(messages=ask(WORD).messages))
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.stub.Generate(ask(WORD, labels={"team": "x"}, hints=pb.Hints(allow_degraded=False)))
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.stub.Generate(ask(WORD, request_id="not an id"))
    return kept(path)


def kept(path: Path) -> list[dict[str, object]]:
    """Return the records of requests, of which none holds a word that was sent or answered."""
    written = path.read_text()
    assert WORD not in written
    assert "jane" not in written
    lines = [json.loads(line) for line in written.splitlines()]
    return [line for line in lines if line["kind"] == "request"]


async def test_every_request_that_was_decided_has_a_line(tmp_path: Path) -> None:
    """Answers, streams, explanations and failures are recorded; what was refused at the border is not."""
    lines = await recorded(tmp_path / "d.jsonl")

    assert [(line["method"], line["code"], line["reason"]) for line in lines] == [
        ("Generate", "OK", None),
        ("Generate", "OK", None),
        ("StreamGenerate", "OK", None),
        ("Explain", "OK", None),
        ("Generate", "UNAVAILABLE", "UPSTREAM_ERROR"),
    ]
    first = read_record(lines[0])
    assert (first.rule, first.chain, first.usage) == (
        "default",
        ("edge", "cloud"),
        Usage(prompt_tokens=3, completion_tokens=5),
    )
    assert run(["records", "verify", str(tmp_path / "d.jsonl")]) == 0


async def test_features_are_kept_up_to_the_class_that_the_policy_says(tmp_path: Path) -> None:
    """By default those of public requests alone; what decides is kept of all."""
    lines = await recorded(tmp_path / "d.jsonl")
    more = await recorded(tmp_path / "e.jsonl", policy=f"{POLICY}records: {{features_up_to: restricted}}\n")

    assert read_record(lines[1]).routing_input.privacy_class is PrivacyClass.CONFIDENTIAL
    assert ["features" in line for line in lines] == [True, False, True, True, True]
    assert ["features" in line for line in more] == [True] * 5


async def test_labels_are_kept_by_key(tmp_path: Path) -> None:
    """A label that the policy does not name is counted, and no more."""
    lines = await recorded(tmp_path / "d.jsonl")
    named = await recorded(tmp_path / "e.jsonl", policy=f"{POLICY}records: {{labels: [team]}}\n")

    without, with_team = read_record(lines[4]), read_record(named[4])
    assert (without.routing_input.labels, without.labels_left_out) == ({}, 1)
    assert (with_team.routing_input.labels, with_team.labels_left_out) == ({"team": "x"}, 0)


async def test_the_log_line_names_the_models_that_a_filter_removed(tmp_path: Path) -> None:
    """An operator sees why a request went its way without a record of it; most lines have no such field."""
    with capture_logs() as logs:
        await recorded(tmp_path / "d.jsonl")
    logged = [line for line in logs if line["event"] == "request"]
    assert "refused" not in logged[0]
    assert logged[1]["refused"] == ["cloud=CLEARANCE"]


async def test_a_shadow_decides_and_does_nothing(tmp_path: Path) -> None:
    """What the other policy would have done stands in the record; the answer is the first one's."""
    lines = await recorded(tmp_path / "d.jsonl", shadow=SHADOW)

    first, private = lines[0]["shadow"], lines[1]["shadow"]
    assert isinstance(first, dict)
    assert isinstance(private, dict)
    assert (first["chain"], first["differs"]) == (["cloud", "edge"], True)
    assert (private["chain"], private["differs"]) == (["edge"], False)
    assert lines[0]["model"] == "edge"


async def test_a_cancelled_call_is_recorded_with_its_attempts(tmp_path: Path) -> None:
    """What was begun, and perhaps billed, stands in the record though nobody got an answer."""
    path = tmp_path / "d.jsonl"
    slow = ScriptedBackend("edge", [[Chunk(text=WORD), Delay(60.0)]])
    records = Records(path, clock=SystemClock())
    async with served({"edge": slow, "cloud": answering("cloud")}, records=records) as gateway:
        stream = gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=ask(WORD).messages))
        async for event in stream:
            if event.HasField("delta"):
                break
        stream.cancel()
    (line,) = kept(path)
    assert (line["code"], line["method"]) == ("CANCELLED", "StreamGenerate")
    assert isinstance(line["attempts"], list)
    assert [(each["model"], each["outcome"]) for each in line["attempts"]] == [("edge", "CANCELLED")]


def test_verify_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One byte is enough, and the exit status says so."""
    path = tmp_path / "d.jsonl"
    records = Records(path, clock=SystemClock())
    for _ in range(3):
        records.note_event("policy", policy_hash="a")
    records.close()
    assert run(["records", "verify", str(path)]) == 0
    noted = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert run(["records", "verify", "--hash", noted, str(path)]) == 0
    capsys.readouterr()

    path.write_text(path.read_text().replace('"policy_hash":"a"', '"policy_hash":"b"', 1))

    assert run(["records", "verify", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"{path}:3: record 3 was changed", f"gateway: {path}: is not verified: 1 fault",
    ]  # fmt: skip
    assert run(["records", "verify", "--json", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["verified"] is False
    assert run(["records", "verify", "--hash", "f" * 64, str(path)]) == 1
    assert run(["records", "verify", str(tmp_path / "none.jsonl")]) == 2
