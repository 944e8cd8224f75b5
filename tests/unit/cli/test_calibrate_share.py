"""`gateway calibrate --input`: a share or a spend becomes a threshold, which holds on the next day."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.domain.answer import Answer, FinishReason, Route, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.errors import WorkRefused
from gateway.offline.rewriting import replace_file
from gateway.policy.loading.load import load_policy
from gateway.records.decoding import DecisionRecord
from gateway.records.reading import read_decisions
from gateway.telemetry.report import CallReport
from tests.support.calibration import calibrated, recorded
from tests.support.days_of_traffic import POLICY as DAYS_POLICY
from tests.support.days_of_traffic import lived
from tests.support.records_made import POLICY

TENTHS = [at / 10 + 0.05 for at in range(10)]


def test_a_share_is_a_quantile(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of ten requests are above the threshold; the curve has every step, with its cost a day."""
    said = calibrated(capsys, policy, recorded(tmp_path, TENTHS), "--target-cloud-share", "0.2")

    assert (said["threshold"], said["cloud_share"], said["bound_by"]) == (0.8, 0.2, "share")
    assert (said["threshold_before"], said["cloud_share_before"], said["days"]) == (0.6, 0.4, 2.0)
    # 11 tokens for 1 USD and 7 for 2 USD a million are 25 millionths; two of them, in two days.
    assert said["usd_per_day"] == pytest.approx(25e-6)
    curve = said["curve"]
    assert isinstance(curve, list)
    assert [(each["cloud_share"], each["threshold"]) for each in curve] == [
        (0.0, 1.1), (0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6), (0.5, 0.5), (0.6, 0.4), (0.7, 0.3),
        (0.8, 0.2), (0.9, 0.1), (1.0, 0.0),
    ]  # fmt: skip
    assert policy.read_text() == POLICY


@pytest.mark.parametrize(("share", "threshold"), [("0", 1.1), ("1", 0.0)])
def test_nothing_and_everything(
    share: str, threshold: float, tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ends are numbers that hold for every score, not only for those that were seen."""
    said = calibrated(capsys, policy, recorded(tmp_path, TENTHS), "--target-cloud-share", share)
    assert (said["threshold"], said["cloud_share"]) == (threshold, float(share))


def test_a_spend_a_day(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not passed; with a share beside it the smaller one wins, and that is said."""
    records = recorded(tmp_path, TENTHS)
    spend = ("--max-usd-per-day", "0.00004")  # Three answers in two days.

    alone = calibrated(capsys, policy, records, *spend)
    less = calibrated(capsys, policy, records, *spend, "--target-cloud-share", "0.2")
    more = calibrated(capsys, policy, records, *spend, "--target-cloud-share", "0.7")

    assert [(each["cloud_share"], each["bound_by"]) for each in (alone, less, more)] == [
        (0.3, "spend"),
        (0.2, "share"),
        (0.3, "spend"),
    ]


def test_a_spend_that_no_threshold_keeps(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a rule sends to the cloud whatever the threshold is costs what it costs."""
    policy.write_text(POLICY.replace("has(labels.team) && labels.team", "complexity - 0.9 > 0.0 || tenant"))
    records = recorded(tmp_path, TENTHS)
    asked = ["calibrate", "--policy", str(policy), "--input", str(records), "--max-usd-per-day", "0.00001"]
    assert run(asked) == 1
    assert "costs 0.000013 USD a day" in capsys.readouterr().err
    assert run([*asked[:-1], "1"]) == 0


def test_what_is_written_is_one_number(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comments, layout, mode and a link to the file stay; the policy is checked and its tests run."""
    text = POLICY.replace("\n", "\r\n").replace("rules:", "rules:   # é 0.6, in order")
    real = tmp_path / "real.yaml"
    real.write_bytes(text.encode())
    real.chmod(0o640)
    policy.unlink()
    policy.symlink_to(real)

    said = calibrated(capsys, policy, recorded(tmp_path, TENTHS), "--target-cloud-share", ".3", "--write")

    assert real.read_bytes() == text.replace("complexity >= 0.6", "complexity >= 0.7").encode()
    assert policy.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert said["written_policy_hash"] == load_policy(policy).hash != said["policy_hash"]
    assert sorted(each.name for each in tmp_path.glob("*.yaml*")) == ["policy.yaml", "real.yaml"]
    again = calibrated(capsys, policy, tmp_path / "decisions.jsonl", "--target-cloud-share", ".3", "--write")
    assert (again["threshold_before"], again["cloud_share_before"]) == (0.7, 0.3)
    assert again["of_other_policies"] == 10


def test_a_test_of_the_policy_that_would_fail_keeps_the_file(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an operator promised holds, or a person changes it."""
    policy.write_text(
        f"{POLICY}tests:\n  - {{prompt: x, state: {{complexity: 0.65}}, expect: {{rule: hard}}}}\n"
        "  - {prompt: x, state: {complexity: 0.65}, expect: {rule: default}}\n"  # Fails before, too.
    )
    before = policy.read_text()
    records = str(recorded(tmp_path, TENTHS))
    flags = ["--policy", str(policy), "--input", records, "--write", "--target-cloud-share"]

    assert run(["calibrate", *flags, "0.2"]) == 1
    assert (
        f"a test of the policy would fail: {policy}:16: tests[0]: rule is default" in capsys.readouterr().err
    )
    assert policy.read_text() == before
    assert run(["calibrate", *flags, "0.5"]) == 0
    assert "complexity >= 0.5'" in policy.read_text()


def test_ties_are_told(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six of ten requests have one score: there is nothing between a tenth and seven."""
    records = recorded(tmp_path, [0.1, 0.2, 0.3, *[0.5] * 6, 0.9])
    said = calibrated(capsys, policy, records, "--target-cloud-share", "0.3")

    assert (said["cloud_share"], said["threshold"]) == (0.1, 0.7)
    notes = said["notes"]
    assert isinstance(notes, list)
    assert "the next shares are 70.0% or 0.0%" in notes[0]


def test_private_requests_are_of_no_threshold(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They count as traffic that stays; a file of them alone has nothing to set, and is said to."""
    records = recorded(tmp_path, TENTHS, privacy_class=PrivacyClass.CONFIDENTIAL)
    asked = ["calibrate", "--policy", str(policy), "--input", str(records), "--target-cloud-share", "0.2"]

    assert run([*asked, "--write"]) == 1
    said = "rule hard decides none of 10 requests by their complexity: 0 go to the cloud at any threshold"
    assert said in capsys.readouterr().err
    assert policy.read_text() == POLICY

    recorded(tmp_path, TENTHS)  # Appended: now half of the traffic may go.
    mixed = calibrated(capsys, policy, records, "--target-cloud-share", "0.6")
    assert (mixed["requests"], mixed["never_cloud"], mixed["cloud_share"]) == (20, 10, 0.5)
    said = "no threshold of this rule sends more than 50.0% to the cloud: it does not decide the others"
    assert isinstance(mixed["notes"], list)
    assert mixed["notes"][0] == said


def test_what_cannot_be_relied_on_is_counted(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Explain, local answers, answers without tokens, labels that are not there, and a short time."""

    def change(at: int, report: CallReport) -> CallReport:
        if at == 0:
            return replace(report, method="Explain", answer=None)
        if at == 1:
            return replace(report, code="UNAVAILABLE", answer=None)
        assert report.answer is not None
        canned = Answer(
            decision=report.answer.decision, message=Message(role=Role.ASSISTANT),
            finish_reason=FinishReason.STOP, usage=Usage(prompt_tokens=0, completion_tokens=0),
            route=Route.CANNED, model="", degraded=None, cost_usd_nanos=0, attempts=(),
        )  # fmt: skip
        return replace(report, answer=canned) if at == 2 else report

    records = recorded(tmp_path, TENTHS, change=change, hours=12.0)
    other = POLICY.replace("complexity >= 0.6", "complexity >= 0.7")
    policy.write_text(other)
    said = calibrated(capsys, policy, records, "--target-cloud-share", "0.5")

    counted = ("requests", "explained", "without_usage", "answered_at_edge", "of_other_policies")
    assert [said[key] for key in counted] == [9, 1, 2, 7, 9]
    notes = said["notes"]
    assert isinstance(notes, list)
    text = "\n".join(notes)
    assert "the records span 10.7 hours; a day's cost is extrapolated from them" in text
    assert "7 requests that may go to the cloud, answered at the edge" in text
    assert "2 requests without counted tokens" in text
    assert "9 requests of another policy" in text
    assert "1 request left out: calls of Explain" in text


def test_embeddings_are_left_out(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No threshold decides a call of Embed, and its complexity says nothing."""

    def change(at: int, report: CallReport) -> CallReport:
        decision = report.decision
        assert decision is not None
        assert decision.routing_input is not None
        signals = replace(decision.routing_input.signals, is_embedding=at < 3)
        routing_input = replace(decision.routing_input, signals=signals)
        return replace(report, decision=replace(decision, routing_input=routing_input))

    records = recorded(tmp_path, TENTHS, change=change)
    said = calibrated(capsys, policy, records, "--target-cloud-share", "0.5")
    assert (said["requests"], said["embedded"]) == (7, 3)
    assert "3 requests left out: calls of Embed, whose vectors no threshold decides" in str(said["notes"])


def test_no_budget_is_used_up_where_none_was_touched(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day that cost nothing says nothing of budgets, and a policy may have none."""
    policy.write_text(
        POLICY.replace("budgets:\n  - {name: daily, per: tenant, limit_usd: 5, window: day}\n", "")
    )
    records = recorded(tmp_path, [each / 2 for each in TENTHS], policy=policy.read_text())
    said = calibrated(capsys, policy, records, "--target-cloud-share", "0.5")
    assert (said["cloud_share_before"], said["cloud_share"], said["uses_up_a_budget"]) == (0.0, 0.5, False)
    assert "budget" not in " ".join(said["notes"])  # type: ignore[arg-type]


def test_records_of_another_scorer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With features they are scored again; of the others those are left out for which the score decides."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(DAYS_POLICY)
    lived(load_policy(policy), seed=5, requests=300, records=tmp_path / "d.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    for line in lines[2:32]:
        line.pop("features", None)
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    same = calibrated(capsys, policy, tmp_path / "d.jsonl", "--target-cloud-share", "0.2")
    outcomes = tmp_path / "o.jsonl"
    outcomes.write_text(
        "".join(
            json.dumps(
                {"id": at, "text": f"What is {at} plus {at}?" if at % 2 else f"Poem {at}", "weak": at % 2}
            )
            + "\n"
            for at in range(60)
        )
    )
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(tmp_path / "scorer.json")]) == 0
    policy.write_text(DAYS_POLICY + "complexity: {scorer: scorer.json}\n")

    said = calibrated(capsys, policy, tmp_path / "d.jsonl", "--target-cloud-share", "0.2", "--write")

    assert same["scored_otherwise"] == 0
    private = sum(line["decision"]["rule"] == "stays-home" for line in lines[2:32])
    assert (said["scored_otherwise"], said["requests"]) == (30 - private, 270 + private)
    assert private > 0
    assert said["threshold"] != same["threshold"]
    assert said["never_cloud"] == same["never_cloud"]


def test_a_record_without_a_score_is_refused(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its line: what is no number is not taken for one."""
    path = recorded(tmp_path, TENTHS)
    path.write_text(path.read_text().replace('"complexity":0.65', '"complexity":NaN'))
    assert (
        run(["calibrate", "--policy", str(policy), "--input", str(path), "--target-cloud-share", "0.2"]) == 2
    )
    assert "decisions.jsonl:9: is not a whole record" in capsys.readouterr().err


def test_the_tables_for_people(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule and place, what it is and would be, the curve, and what to do next."""
    asked = ["calibrate", "--policy", str(policy), "--input", str(recorded(tmp_path, TENTHS))]
    assert run([*asked, "--target-cloud-share", "0.2"]) == 0
    shown = capsys.readouterr().out

    assert f"hard({policy}:10:rules[2].when)" in "".join(shown.split())
    assert "0.8: 20.0% to the cloud" in shown
    assert "Nothing was written" in shown
    assert run([*asked, "--target-cloud-share", "0.2", "--write"]) == 0
    assert "gateway reload --allow-loosening" in " ".join(capsys.readouterr().out.split())


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path) -> None:
    """What somebody else wrote is not overwritten, and no draft is left."""
    path = tmp_path / "p.yaml"
    path.write_text("theirs")
    with pytest.raises(WorkRefused, match="has changed meanwhile"):
        replace_file(path, b"read", b"new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("p.yaml", "theirs")]


@pytest.mark.parametrize(
    "changed",
    [
        POLICY.replace("input: 1", "input: 2").encode(),
        POLICY[: POLICY.index("rules:")].encode(),
        b"nonsense",
        b"\xff" + POLICY.encode(),
    ],
    ids=["price", "rules", "yaml", "bytes"],
)
def test_a_policy_that_changed_while_records_were_read_stays(
    changed: bytes, tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The number was found for another one: it is not put into this."""
    records = recorded(tmp_path, TENTHS)

    def meanwhile(path: Path) -> Iterator[tuple[str, DecisionRecord]]:
        policy.write_bytes(changed)
        return read_decisions(path)

    monkeypatch.setattr("gateway.cli.calibrate_share.read_decisions", meanwhile)
    flags = ["--policy", str(policy), "--input", str(records), "--target-cloud-share", "0.2", "--write"]
    assert run(["calibrate", *flags]) == 1
    assert "has changed meanwhile; nothing was written, run the command again" in capsys.readouterr().err
    assert policy.read_bytes() == changed
