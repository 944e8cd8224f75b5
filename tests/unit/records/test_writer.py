"""The writer of records: everything arrives, in order, across rotation, a restart and a full disk."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from gateway.domain.request import Feedback, Request
from gateway.errors import RecordsUnavailable, StartupError
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.records.chain import chained, faults
from gateway.records.files import chains_of, end_path, files_of, full, of_worker, read_end
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.telemetry.report import CallReport
from tests.support.fakes import FakeClock
from tests.support.records_made import POLICY, ended


def lines_of(path: Path) -> list[dict[str, object]]:
    """Return every line of a chain, in its order."""
    lines = [json.loads(line) for each in files_of(path) for line in each.read_text().splitlines()]
    return sorted(lines, key=lambda line: line["seq"])


def wrong_with(path: Path) -> list[str]:
    """Return what the check of a chain finds."""
    files = ((each.name, each.read_bytes()) for each in files_of(path))
    return list(faults(chained(files), end=read_end(path)))


def written(records: Records, lines: int) -> None:
    """Return when so many lines are in the file: what is noted later is then a write of its own."""
    while records.written < lines:
        records._thread.join(0.01)


@pytest.fixture
def policy() -> Policy:
    """The policy of the records."""
    return parse_policy(POLICY, name="p")


REQUEST = Request(request_id="r", tenant="t", messages=())
FEEDBACK = Feedback(request_id="r", tenant="t", score=0.5, labels={})


def in_session(policy: Policy, session_id: str, *, tenant: str = "acme") -> CallReport:
    """Return a call of a conversation."""
    report = ended(policy)
    assert report.decision is not None
    routing_input = report.decision.routing_input
    assert routing_input is not None
    assert routing_input.texts is not None
    request = replace(routing_input.texts.request, session_id=session_id)
    routing_input = replace(routing_input, texts=replace(routing_input.texts, request=request))
    return replace(report, decision=replace(report.decision, routing_input=routing_input), tenant=tenant)


def test_lines_of_a_conversation_share_a_hash_of_its_id(tmp_path: Path, policy: Policy) -> None:
    """Within a tenant, and until the next start; the id itself is in no line, and no hash of it alone."""
    path, session_id = tmp_path / "decisions.jsonl", "jane.roe-1"
    for _ in range(2):
        records = Records(path, clock=FakeClock())
        for report in (
            in_session(policy, session_id),
            in_session(policy, session_id),
            in_session(policy, "another"),
            in_session(policy, session_id, tenant="other"),
            ended(policy),
        ):
            records.note(report)
        records.close()

    first, second, another, other, *rest = [line for line in lines_of(path) if line["kind"] == "request"]
    assert first["session"] == second["session"]
    assert len({first["session"], another["session"], other["session"]}) == 3
    assert "session" not in rest[0]
    assert rest[1]["session"] != first["session"], "the key is the process's own"
    assert session_id not in path.read_text()
    assert blake2b(f"acme\0{session_id}".encode(), digest_size=16).hexdigest() not in path.read_text()


def test_nothing_is_lost_at_the_end(tmp_path: Path, policy: Policy) -> None:
    """Close waits for everything that was noted before."""
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=FakeClock())
    for number in range(1000):
        records.note(ended(policy, request_id=f"r-{number}"))
    records.close()

    noted = [line["request_id"] for line in lines_of(path) if line["kind"] == "request"]
    assert noted == [f"r-{number}" for number in range(1000)]
    assert wrong_with(path) == []
    assert records.written == 1001


def test_the_chain_goes_on_after_a_restart_and_a_torn_line(tmp_path: Path, policy: Policy) -> None:
    """Half of a line, as kill -9 may leave it, is cut off and told; the chain stays whole."""
    path = tmp_path / "decisions.jsonl"
    for torn in (b"", b'{"v":1,"seq":4,"pre'):
        records = Records(path, clock=FakeClock())
        records.note(ended(policy))
        records.close()
        with path.open("ab") as file:
            file.write(torn)
    Records(path, clock=FakeClock()).close()

    starts = [line["torn_bytes"] for line in lines_of(path) if line["kind"] == "start"]
    assert starts == [0, 0, 19]
    assert wrong_with(path) == []


@pytest.mark.slow
def test_a_new_file_by_size_and_by_day(tmp_path: Path) -> None:
    """Full files keep their records under a name of their own, and the chain runs through them all."""
    small = parse_policy(POLICY.replace("rotate_mb: 256", "rotate_mb: 1"), name="p")
    clock = FakeClock()
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=clock)
    for _ in range(1500):
        records.note(ended(small))
    written(records, 1501)
    records.note(ended(small))
    written(records, 1502)
    clock.advance(86_400.0)
    records.note(ended(small))
    records.close()

    names = [each.name for each in files_of(path)]
    assert len(names) >= 3
    assert len({name.split(".")[1] for name in names[:-1]}) == 1
    assert wrong_with(path) == []
    kinds = [line["kind"] for line in lines_of(path)]
    assert (kinds.count("file"), len(kinds)) == (len(names), 1503 + len(names))
    assert {each.stat().st_mode & 0o777 for each in [*files_of(path), end_path(path)]} == {0o600}


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    """A second writer is refused, with the way out."""
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=FakeClock())
    with pytest.raises(StartupError, match="another process writes it; give each process its own file"):
        Records(path, clock=FakeClock())
    records.close()


def test_a_file_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    """Somebody else's file is not written on."""
    path = tmp_path / "decisions.jsonl"
    path.write_text("hello\n")
    with pytest.raises(StartupError, match="its last line is no record; move it away"):
        Records(path, clock=FakeClock())
    with pytest.raises(StartupError, match="No such file or directory"):
        Records(tmp_path / "no" / "decisions.jsonl", clock=FakeClock())


def test_every_worker_has_a_chain(tmp_path: Path) -> None:
    """The chains of workers are found by the name that the flag gave."""
    path = tmp_path / "decisions.jsonl"
    for worker in range(2):
        Records(of_worker(path, worker), clock=FakeClock()).close()
    assert [each.name for each in chains_of(path)] == ["decisions.w0.jsonl", "decisions.w1.jsonl"]


def test_a_file_that_is_full_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    """Whoever reads for minutes reads what there was, under whatever name, each line once."""
    path = tmp_path / "decisions.jsonl"
    for worker in range(2):
        Records(of_worker(path, worker), clock=FakeClock()).close()
        of_worker(path, worker).rename(full(of_worker(path, worker), "2026-11-25"))
        Records(of_worker(path, worker), clock=FakeClock()).close()
    seen: list[tuple[str, object]] = []
    for place, fields in read_lines(path):
        if not seen:
            for worker in range(2):
                of_worker(path, worker).rename(full(of_worker(path, worker), "2026-11-26"))
        seen.append((place.split(".")[1], fields["seq"]))
    assert seen == [(worker, seq) for worker in ("w0", "w1") for seq in (1, 2, 3, 4)]


@contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: writing more is an error of the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("on_error", ["refuse", "continue"])
def test_a_full_disk(tmp_path: Path, on_error: str) -> None:
    """Requests are turned away or answered, as the policy says; what waited is written when there is room.

    Feedback is always refused: its caller would take for taken down what may be lost.
    """
    policy = parse_policy(POLICY.replace("on_error: continue", f"on_error: {on_error}"), name="p")
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=FakeClock())
    with full_disk(path.stat().st_size + 100):
        records.note(ended(policy, request_id="waits"))
        while not records.is_failing:
            records._thread.join(0.01)
        if on_error == "refuse":
            with pytest.raises(RecordsUnavailable):
                records.gate("acme", 1, policy)
        else:
            records.gate("acme", 1, policy)
        with pytest.raises(RecordsUnavailable):
            records.take_feedback(FEEDBACK, policy)
    while records.is_failing:
        records._thread.join(0.01)
    records.gate("acme", 1, policy)
    records.take_feedback(FEEDBACK, policy)
    records.close()

    assert [line["score"] for line in lines_of(path) if line["kind"] == "feedback"] == [0.5]
    assert [line["request_id"] for line in lines_of(path) if line["kind"] == "request"] == ["waits"]
    assert wrong_with(path) == []
    assert records.lost == 0


def test_what_does_not_fit_in_memory_is_counted_and_told(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is full only so many lines wait; the gap stands in the chain."""
    monkeypatch.setattr("gateway.records.writer.MOST_WAITING", 5)
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=FakeClock())
    with full_disk(path.stat().st_size + 100):
        for _ in range(20):
            records.note(ended(policy))
            records._thread.join(0.01)
    records.close()

    told = sum(int(str(line["records"])) for line in lines_of(path) if line["kind"] == "lost")
    noted = sum(line["kind"] == "request" for line in lines_of(path))
    assert records.lost > 0
    assert (told, told + noted) == (records.lost, 20)
