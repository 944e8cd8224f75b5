"""Whether a calibrated share comes out: on the same day exactly, and on the next one nearly."""

from pathlib import Path

import pytest

from gateway.policy.loading.load import load_policy, parse_policy
from tests.support.calibration import calibrated
from tests.support.days_of_traffic import POLICY, lived


@pytest.mark.parametrize(
    "rules",
    [
        ("complexity > 0.6", "[cloud, edge]", "[edge, cloud]"),
        ("complexity < 0.6", "[edge, cloud]", "[cloud, edge]"),
        ("!(0.6 <= complexity)", "[edge]", "[cloud, edge]"),
        ("complexity <= 0.6 && prompt_tokens > 9", "[cloud]", "[edge]"),  # The easy ones, if long enough.
    ],
)
def test_rules_of_every_form_come_out_as_said(
    rules: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In whatever direction a rule sends requests, the same day has the share that was told."""
    when, then, otherwise = rules
    text = POLICY.replace("complexity >= 0.6", when).replace("[cloud, edge]", then)
    policy, records = tmp_path / "policy.yaml", tmp_path / "decisions.jsonl"
    policy.write_text(text.replace("default,      route: [edge, cloud]", f"default, route: {otherwise}"))
    lived(load_policy(policy), seed=7, requests=300, records=records)
    said = calibrated(capsys, policy, records, "--target-cloud-share", "0.3", "--write")

    assert said["threshold"] != 0.6
    assert said["cloud_share"] == pytest.approx(0.3, abs=0.02)
    assert lived(load_policy(policy), seed=7, requests=300).cloud_share == said["cloud_share"]


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a day."""
    folder = tmp_path_factory.mktemp("monday")
    lived(parse_policy(POLICY, name="p"), seed=100, requests=2500, records=folder / "decisions.jsonl")
    return folder / "decisions.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [0.1, 0.2, 0.5])
def test_the_share_holds_on_the_next_day(
    wanted: float, monday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same day comes out exactly as said, other requests of the same kinds within 3 points."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    said = calibrated(capsys, policy, monday, "--target-cloud-share", str(wanted), "--write")

    again = lived(load_policy(policy), seed=100, requests=2500)
    tuesday = lived(load_policy(policy), seed=101, requests=2500, day=1)

    assert again.cloud_share == said["cloud_share"]
    assert abs(tuesday.cloud_share - wanted) <= 0.03
