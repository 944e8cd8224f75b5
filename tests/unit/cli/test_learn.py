"""`gateway learn`, and what its file does in a policy and in `gateway score`."""

import json
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.complexity.complexity import complexity_of, features_of
from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request
from gateway.errors import PolicyError
from gateway.offline.batch import StillClock
from gateway.offline.chat_messages import read_messages
from gateway.pipeline.assessor import Assessor
from gateway.policy.loading.load import default_policy_path, load_policy

MANUAL = default_policy_path().read_text("utf-8")


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    """Sixty outcomes: sums need the strong model, poems do not; some rows hold features, not text."""
    rows: list[dict[str, object]] = []
    for n in range(30):
        rows.append({"id": n, "text": f"Write a poem about tree number {n}", "weak": 1, "strong": 1.0})
        sum_ = f"What is {n} plus {n * 7} times {n + 3}?"
        if n % 2:
            features = features_of([Message(role=Role.USER, content=sum_)])
            rows.append({"id": -n, "features": list(features), "weak": 0.0})
        else:
            rows.append({"id": -n, "text": sum_, "weak": 0.0, "strong": 1})
    path = tmp_path / "outcomes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_learn_score_and_route_by_it(
    outcomes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The learned scorer tells sums from poems, in a batch and in a policy, whose hash it changes."""
    scorer = tmp_path / "scorer.json"
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(scorer), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["outcomes"], said["weights"]) == (60, "moved")
    assert said["apgr_after"][0] > said["apgr_before"][0]
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        '{"id": "poem", "text": "Write a poem about the sea"}\n{"id": "sum", "text": "What is 5 plus 6?"}\n'
    )
    scores = tmp_path / "scores.jsonl"
    assert run(["score", "--input", str(texts), "--output", str(scores), "--scorer", str(scorer)]) == 0
    poem, sum_ = (json.loads(line)["complexity"] for line in scores.read_text().splitlines())
    assert poem < 0.3 < 0.7 < sum_

    policy = tmp_path / "policy.yaml"
    policy.write_text(MANUAL.replace("scorer: shipped", "scorer: scorer.json"))
    loaded = load_policy(policy)
    assert loaded.scorer is not None
    before = loaded.hash
    scorer.write_text(scorer.read_text().replace('"made_by"', '"made_by_": 0, "made_by"'))
    assert load_policy(policy).hash != before


def test_every_command_reads_a_scorer_beside_the_policy(
    outcomes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, with a policy named by a relative path, the scorer is still found."""
    folder, elsewhere = tmp_path / "team", tmp_path / "elsewhere"
    (folder / "scorers").mkdir(parents=True)
    elsewhere.mkdir()
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(folder / "scorers/own.json")]) == 0
    (folder / "policy.yaml").write_text(MANUAL.replace("scorer: shipped", "scorer: scorers/own.json"))
    (elsewhere / "texts.jsonl").write_text('{"id": "a", "text": "What is 5 plus 6?"}\n')
    monkeypatch.chdir(elsewhere)
    policy = "../team/policy.yaml"
    assert run(["policy", "check", policy]) == 0
    assert run(["policy", "show", policy]) == 0
    assert run(["explain", "--policy", policy, "What is 5 plus 6?"]) == 0
    assert run(["score", "--policy", policy, "--input", "texts.jsonl", "--output", "scores.jsonl"]) == 0
    assert json.loads(Path("scores.jsonl").read_text())["complexity"] > 0.7


def test_a_scorer_for_other_features_is_refused(tmp_path: Path, outcomes: Path) -> None:
    """The policy names file, line and key; the command names the file."""
    scorer = tmp_path / "scorer.json"
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(scorer)]) == 0
    scorer.write_text(scorer.read_text().replace('"features": "', '"features": "0'))
    policy = tmp_path / "policy.yaml"
    policy.write_text(MANUAL.replace("scorer: shipped", "scorer: scorer.json"))
    with pytest.raises(
        PolicyError,
        match=r"policy.yaml:\d+: complexity.scorer: scorer.json: was made for the features of another",
    ):
        load_policy(policy)
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(scorer), "--base", str(scorer)]) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "is not JSON"),
        ('{"text": "a"}', '"weak" or "strong" must be present'),
        ('{"text": "a", "weak": 2}', '"weak" must be a number from 0 to 1'),
        ('{"weak": 1}', '"text" must be present'),
        ('{"features": [1, 2], "weak": 1}', '"features" must be 85 numbers'),
    ],
)
def test_a_bad_line_is_named(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message has file and line, and nothing is written."""
    path = tmp_path / "o.jsonl"
    path.write_text(f"\n{line}\n")
    assert run(["learn", "--outcomes", str(path), "--output", str(tmp_path / "s.json")]) == 2
    assert f"{path}:2: {said}" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(("count", "said"), [(1, "1 outcome; at least"), (3, "3 outcomes; at least")])
def test_too_few_are_counted(
    count: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One outcome is one outcome."""
    path = tmp_path / "outcomes.jsonl"
    path.write_text("".join(f'{{"id": "{n}", "text": "hi", "weak": 0.5}}\n' for n in range(count)))
    assert run(["learn", "--outcomes", str(path), "--output", str(tmp_path / "s.json")]) == 2
    assert f": {said}" in capsys.readouterr().err


def conversation(number: int, *, words: int) -> list[dict[str, str]]:
    """Return a conversation of three turns, in which each answer has so many words."""
    turns = []
    for turn in range(3):
        turns.append({"role": "user", "content": f"Request {number} {turn}, please"})
        turns.append({"role": "assistant", "content": "moment " * words})
    return turns


def test_conversations_teach_a_second_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where long conversations fail at the edge, their later turns are scored higher, in a policy too."""
    outcomes, path = tmp_path / "conversations.jsonl", tmp_path / "scorer.json"
    rows = [
        {"messages": conversation(n, words=300 if n % 2 else 3), "weak": 1.0 - n % 2, "strong": 1.0}
        for n in range(60)
    ]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(path)]) == 0
    said = capsys.readouterr().out
    assert "second head         kept" in said
    assert "conversations       60, of 120 turns" in said
    assert json.loads(path.read_text())["notes"]["conversation"]["is_kept"] is True

    policy_file = tmp_path / "policy.yaml"
    policy_file.write_text(MANUAL.replace("scorer: shipped", "scorer: scorer.json"))
    policy = load_policy(policy_file)
    assessor = Assessor(policy, clock=StillClock())
    short, long = (
        assessor.assess(
            Request(request_id="r", tenant="t", messages=read_messages(conversation(0, words=words)[:-1]))
        )
        for words in (3, 300)
    )
    assert short.complexity < 0.5 < long.complexity
    assert policy.scorer is not None
    assert long.complexity == complexity_of(long.features, policy.scorer, long.signals)


def test_without_conversations_there_is_no_second_head(
    outcomes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outcomes of lone prompts teach none, and the command says so."""
    path = tmp_path / "scorer.json"
    assert run(["learn", "--outcomes", str(outcomes), "--output", str(path)]) == 0
    assert "second head         none; of conversations that go on: 0 outcomes" in capsys.readouterr().out
    assert "conversation" not in json.loads(path.read_text())
