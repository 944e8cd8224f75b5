"""When all is lost: canned replies by reason, label and language, through real gRPC."""

import pytest

from gateway.errors import BackendFailed, PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.server.validation.languages import parse_languages
from gateway.testing.scripted import ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.served import ask, served

REPLIES = """replies:
  - {id: later, text: "Again in {retry_after_s} s."}
  - {id: red, when_label: {team: red}, text: "Ask Kim."}
  - {id: sorry-pl, language: pl, text: "Przepraszamy."}
  - {id: sorry, text: "Sorry."}
"""
CANNED = POLICY[: POLICY.index("replies:")] + REPLIES


@pytest.mark.parametrize(
    ("accepts", "labels", "canned_id"),
    [
        ("", {}, "sorry"),
        ("pl-PL,pl;q=0.9,en;q=0.8", {}, "sorry-pl"),
        ("en", {}, "sorry"),
        ("pl", {"team": "red"}, "red"),
        ("pl;q=0, en", {}, "sorry"),
        ("!!, ;q=pl", {}, "sorry"),
    ],
)
async def test_reply_by_language_and_label(accepts: str, labels: dict[str, str], canned_id: str) -> None:
    """The metadata accept-language and the request's labels choose the reply; nonsense in it chooses none."""
    broken = {name: ScriptedBackend(name, [BackendFailed(name, "500")]) for name in ("edge", "cloud")}
    metadata = (("accept-language", accepts),) if accepts else ()
    async with served(broken, policy=CANNED) as gateway:
        answer = await gateway.stub.Generate(ask(labels=labels), metadata=metadata)
    assert (answer.route, answer.degraded.canned_id) == (pb.ROUTE_CANNED, canned_id)
    assert not answer.degraded.HasField("retry_after_s")


async def test_reply_says_when_to_try_again() -> None:
    """Where breakers know when they let a call through, the field has it, and a text may say it."""
    broken = {name: ScriptedBackend(name, [BackendFailed(name, "500")]) for name in ("edge", "cloud")}
    async with served(broken, policy=CANNED) as gateway:
        for _ in range(6):
            answer = await gateway.stub.Generate(ask())
    assert answer.degraded.canned_id == "later"
    assert 4.0 < answer.degraded.retry_after_s <= 5.0
    assert answer.text == "Again in 5 s."


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("", ()),
        ("pl", ("pl",)),
        ("en;q=0.5, pl", ("pl", "en")),
        ("de-AT, de;q=0.9, *;q=0.1", ("de-AT", "de")),
        ("pl;q=0", ()),
        ("x" * 5000, ()),
        (",".join(["pl"] * 50), ("pl",) * 8),
    ],
)
def test_languages(header: str, languages: tuple[str, ...]) -> None:
    """Tags come by weight, the dearest first; what makes no sense is left out, and so is too much."""
    assert parse_languages(header) == languages


@pytest.mark.parametrize(
    ("last", "key"),
    [
        ('{id: sorry, language: pl, text: "x"}', "replies[3].language"),
        ('{id: sorry, when_label: {team: red}, text: "x"}', "replies[3].when_label"),
        ('{id: sorry, text: "In {retry_after_s} s."}', "replies[3].text"),
    ],
)
def test_last_reply_always_fits(last: str, key: str) -> None:
    """A policy whose last reply may not fit is refused with its line."""
    text = CANNED.replace('{id: sorry, text: "Sorry."}', last)
    with pytest.raises(PolicyError) as refused:
        parse_policy(text, name="p.yaml")
    assert len(refused.value.problems) == 1
    assert f": {key}: the last reply must " in refused.value.problems[0]
