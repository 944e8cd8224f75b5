"""What a second answer may see and cost: clearance, judges, the cap of a day and other budgets."""

import sqlite3
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.policy.mirror import CAP
from gateway.privacy.masking import masker as judge
from gateway.records.writer import Records
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.mirror_made import (
    MAIL,
    TO_CLOUD,
    WORD,
    MirroringGateway,
    costing,
    mirror_policy,
    mirroring,
)
from tests.support.mirror_values import EVERY
from tests.support.operated import operated
from tests.support.waiting import until


@pytest.mark.parametrize("classes", [["public"], ["public", "confidential"], ["confidential"]])
async def test_private_requests_are_not_sent(tmp_path: Path, classes: list[str]) -> None:
    """A class that is not named is not drawn from, and one that is named stays within the clearance."""
    async with mirroring(tmp_path, policy=mirror_policy(classes=classes)) as gateway:
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


async def test_a_masked_answer_is_restored_before_it_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that may see the request only masked is sent it so, and nothing else of it."""
    masking = mirror_policy(classes=["confidential"]).replace(
        "clearance: internal,", "clearance: internal, mask: [EMAIL],"
    )
    monkeypatch.setattr(judge, "new_tag", lambda *_: "BCDFG")
    edge, cloud = reply(f'{{"to": "{MAIL}"}}'), reply('{"to": "<EMAIL_1_BCDFG>"}')
    async with mirroring(tmp_path, policy=masking, edge=[edge], cloud=[cloud]) as gateway:
        await gateway.ask(f"Whom do I write to? To {MAIL}, as JSON")
        await gateway.until_told("json")
    (call,) = gateway.models["cloud"].calls
    assert MAIL not in call.request.messages[0].content
    (line,) = gateway.outcomes()
    assert (line["weak"], "features" in line) == (1.0, False)


async def test_a_judge_compares_what_cannot_be_told(tmp_path: Path) -> None:
    """It sees request and both answers, the cloud's as the reference; its cost is the second answer's."""
    cloud = [costing(f"It is a {WORD}.", 20), costing('{"agreement": 0.75}', 50)]
    async with mirroring(tmp_path, edge=[reply(f"A {WORD}, I think.")], cloud=cloud) as gateway:
        await gateway.ask("What has wooden bars?")
        await gateway.until_told("judge")
        page = await gateway.inner.page()
        assert page.total("gateway_mirror_cost_usd_total", model="cloud") == pytest.approx(7e-5)
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
    async with mirroring(tmp_path, edge=[answers["edge"]], cloud=[answers["cloud"]]) as gateway:
        await gateway.ask("Whom do I ask?")
        await gateway.until_told("forbidden")
    assert [len(call.request.messages) for call in gateway.models["cloud"].calls] == [1]
    (line,) = gateway.outcomes()
    assert (line["how"], line["weak"], line["strong"]) == ("forbidden", None, None)


async def test_a_judge_of_its_own_needs_its_own_clearance(tmp_path: Path) -> None:
    """The policy may name the judge; what it may not see it is not sent, and a local one may see all."""
    outer = '\n  outer: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public, ' \
        "price_per_million_usd: {input: 1, output: 1}}\nrules:"  # fmt: skip
    policy = mirror_policy(judge="outer", classes=["public", "internal"]).replace("\nrules:", outer)
    models = {
        "edge": ScriptedBackend("edge", [reply("It is so.")]),
        "cloud": ScriptedBackend("cloud", [reply("It is not.")]),
        "outer": ScriptedBackend("outer", [reply("0.25"), reply("Hm.")]),
    }
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with operated(models, tmp_path, policy=policy, records=records) as inner:
        gateway = MirroringGateway(inner, models, tmp_path / "d.jsonl")
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
    async with mirroring(
        tmp_path, policy=mirror_policy(max_usd_per_day=0.002), cloud=[costing("42", 900)]
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
    policy = mirror_policy(max_usd_per_day=0.0015)
    for result in ("number", "budget"):
        async with mirroring(tmp_path, policy=policy, cloud=[costing("42", 900)], state_url=state) as gateway:
            await gateway.ask()
            await gateway.until_told(result)
    assert len(gateway.outcomes()) == 1


@pytest.mark.parametrize(
    ("per", "result"), [("tenant", "number"), ("label, label: team", "number"), ("all", "budget")]
)
async def test_no_caller_pays_for_a_second_answer(tmp_path: Path, per: str, result: str) -> None:
    """A caller's budget without room stops none, and is not charged; a cap on all spend binds here too."""
    policy = f"{EVERY}budgets: [{{name: daily, per: {per}, limit_usd: 0.0001, window: day}}]\n"
    state = f"sqlite://{tmp_path / 'ledger.db'}"
    async with mirroring(tmp_path, policy=policy, cloud=[costing("42", 900)], state_url=state) as gateway:
        await gateway.ask(labels={"team": "y"} if "label" in per else {})
        await gateway.until_told(result)
    assert len(gateway.models["cloud"].calls) == (result == "number")
    with sqlite3.connect(tmp_path / "ledger.db") as ledger:
        charged = dict(ledger.execute("SELECT key, charged_usd_nanos FROM account").fetchall())
    assert {key.partition("/")[0]: nanos for key, nanos in charged.items()} == (
        {CAP: 900_000} if result == "number" else {}
    )
