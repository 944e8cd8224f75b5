"""Detectors of entities beside the built-in ones: they add findings, remove none, and fail closed."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from gateway.clock import Deadline
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.privacy import Entities, Finding, PrivacyClass
from gateway.domain.strings import RequestString
from gateway.errors import EngineDown, PolicyError, StartupError
from gateway.policy.entities import PresidioEntities
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.entities.ask import EntityLookup
from gateway.privacy.entities.model import CONFIDENCE, MAX_TOKENS, ModelDetector, located
from gateway.privacy.entities.presidio import PresidioDetector, open_presidio
from gateway.privacy.masking.masker import Masker
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.entity_doubles import SCORER, Says, desk
from tests.support.fakes import FakeClock
from tests.support.policies import POLICY
from tests.support.requests import request_of
from tests.support.served import ask, served

ODD_NAME = "xiadani quetzalli"


def finding(text: str, word: str, kind: str = "PERSON", confidence: float = 0.9, index: int = 0) -> Finding:
    """Return a finding of a word."""
    start = text.index(word)
    return Finding(type=kind, start=start, end=start + len(word), confidence=confidence, message_index=index)


async def test_what_is_found_is_added() -> None:
    """A name that no built-in detector knows makes the score that its type makes."""
    text = f"the flat of {ODD_NAME} is empty"
    request = request_of(text)
    assert SCORER.score(request).score == 0.0
    entities = await desk([finding(text, ODD_NAME)]).ask(request, Deadline.never())
    privacy = SCORER.score(request, entities)
    assert [(f.type, f.confidence) for f in privacy.findings] == [("PERSON", 0.9)]
    assert privacy.score == 0.27


@pytest.mark.parametrize("added", [[], [("PERSON", "John", 0.1)], [("DATE", "John Smith", 1.0)]])
def test_what_the_built_in_detectors_found_stays(added: list[tuple[str, str, float]]) -> None:
    """Whatever is added, and however unsure, no finding goes and no score sinks."""
    text = "Mail John Smith at jo@example.org"
    request = request_of(text)
    plain = SCORER.score(request)
    more = tuple(finding(text, word, kind, confidence) for kind, word, confidence in added)
    privacy = SCORER.score(request, Entities(findings=more))
    assert set(plain.findings) <= set(privacy.findings)
    assert privacy.score >= plain.score
    assert privacy.privacy_class >= plain.privacy_class


@pytest.mark.parametrize(
    ("said", "reason", "why"),
    [
        (RuntimeError("secret text"), "entities failed", "it raises"),
        (EngineDown("edge", "no engine"), "entities failed", "its engine is down"),
        (7, "entities failed", "it returns a number"),
        (None, "entities failed", "it returns nothing"),
        (["John"], "entities are not of this text", "it returns words"),
        ([Finding(type="SHOE", start=0, end=1, confidence=1.0)], "entities are not of this text", "a type"),
        ([Finding(type="ORG", start=0, end=99, confidence=1.0)], "entities are not of this text", "a place"),
        ([Finding(type="ORG", start=2, end=2, confidence=1.0)], "entities are not of this text", "no place"),
        ([Finding(type="ORG", start=0, end=1, confidence=1.5)], "entities are not of this text", "too sure"),
        (
            [Finding(type="ORG", start=0, end=1, confidence=1.0, message_index=1)],
            "entities are not of this text",
            "another message",
        ),
    ],
)
async def test_whatever_goes_wrong_restricts_the_request(said: object, reason: str, why: str) -> None:
    """A detector that fails closes the verdict, with a reason that holds no word of the text."""
    request = request_of("some text")
    privacy = SCORER.score(request, await desk(said).ask(request, Deadline.never()))
    assert (privacy.score, privacy.privacy_class, privacy.reason) == (1.0, PrivacyClass.RESTRICTED, reason), (
        why
    )


async def test_what_takes_too_long_restricts_the_request() -> None:
    """Neither its own limit nor the caller's deadline is passed."""
    late = desk([], limit_s=0.01, delay_s=60.0)
    assert (await late.ask(request_of("a"), Deadline.never())).failure == "entities over time"
    clock = FakeClock()
    soon = EntityLookup(Says([], delay_s=60.0), limit_s=60.0, clock=clock)
    assert (await soon.ask(request_of("a"), Deadline.after(0.01, clock))).failure == "entities over time"


async def test_cancelling_is_no_failure() -> None:
    """A caller who leaves is not judged."""
    task = asyncio.create_task(desk([], delay_s=60.0).ask(request_of("a"), Deadline.never()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def listed(*entities: tuple[str, str]) -> str:
    """Return what a model answers."""
    return json.dumps({"entities": [{"type": kind, "text": text} for kind, text in entities]})


class TestModel:
    """A model lists entities; where they stand is looked up."""

    def test_every_place_of_what_the_text_holds(self) -> None:
        """Whole words only, each entity once, and nothing that the text does not say."""
        text = "Ann met Annabel; Ann left Oslo."
        answer = listed(
            ("PERSON", "Ann"), ("PERSON", "Ann"), ("LOCATION", "Oslo"), ("PERSON", "Zoe"), ("ORG", " ")
        )
        found = [(f.type, f.start, f.end) for f in located(RequestString(0, "content", text), answer)]
        assert found == [("PERSON", 0, 3), ("PERSON", 17, 20), ("LOCATION", 26, 30)]

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "[]",
            '{"entities": 3}',
            '{"entities": ["Ann"]}',
            '{"entities": [{"type": "CAT", "text": "Ann"}]}',
        ],
    )
    def test_another_answer_is_an_error(self, answer: str) -> None:
        """What is no list of entities says nothing, and nothing is not "none"."""
        with pytest.raises(ValueError):  # noqa: PT011 - json raises its own kind of it.
            list(located(RequestString(0, "content", "Ann"), answer))

    async def test_each_message_is_asked_about_with_a_schema(self) -> None:
        """The text goes as a message of its own, bounded, and an empty one is not sent."""
        backend = ScriptedBackend("edge", [reply(listed(("PERSON", "Ann"))), reply(listed())])
        found = await ModelDetector(backend).find(request_of("Ann is here", " ", "nobody"), Deadline.never())
        assert [(f.message_index, f.confidence) for f in found] == [(0, CONFIDENCE)]
        assert [call.request.messages[-1].content for call in backend.calls] == ["Ann is here", "nobody"]
        assert all(
            call.request.config.json_schema and call.max_tokens == MAX_TOKENS for call in backend.calls
        )

    async def test_a_list_that_is_cut_is_an_error(self) -> None:
        """Half a list may lack the one name that matters."""
        cut = Reply(text=listed(), finish_reason=FinishReason.LENGTH, usage=None)
        with pytest.raises(ValueError, match="not complete"):
            await ModelDetector(ScriptedBackend("edge", [cut])).find(request_of("a"), Deadline.never())


@dataclass
class Result:
    """One place, as Presidio says it."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer:
    """The part of `AnalyzerEngine` that is used."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []

    def get_supported_entities(self, language: str) -> Sequence[str]:
        """Return what it knows."""
        return ["EMAIL_ADDRESS", "LOCATION", "ORGANIZATION", "PERSON", "URL"]

    def analyze(
        self, text: str, language: str, *, entities: Sequence[str], score_threshold: float
    ) -> Sequence[Result]:
        """Find one firm."""
        self.asked.append(entities)
        at = text.find("Acme")
        return [Result("ORGANIZATION", at, at + 4, 0.85)] if at >= 0 and score_threshold <= 0.85 else []


async def test_presidio_is_asked_for_entities_alone() -> None:
    """Its names become ours, and its patterns, some of which ask the network, are not run."""
    analyzer = Analyzer()
    detector = PresidioDetector(analyzer, PresidioEntities(kind="presidio"))
    found = await detector.find(request_of("no", "at Acme"), Deadline.never())
    assert found == [Finding(type="ORG", start=3, end=7, confidence=0.85, message_index=1)]
    assert analyzer.asked == [["PERSON", "LOCATION", "ORGANIZATION"]] * 2


def test_what_is_not_installed_is_said_at_the_start() -> None:
    """Nothing is downloaded: the way out is named."""
    with pytest.raises(StartupError, match=r"install (it with|edge-cloud-gateway\[presidio\])"):
        open_presidio(PresidioEntities(kind="presidio", spacy_model="no_such_model"))


class TestMasking:
    """What entities found is masked, and what is not masked counts in the verdict on what is left."""

    POLICY = parse_policy(
        POLICY.replace("clearance: internal,", "clearance: public, mask: [PERSON],"), name="policy.yaml"
    )

    def masked(self, text: str, *findings: Finding, weights: dict[str, float] | None = None) -> str | None:
        """Return what the cloud would be sent; None where nothing may go."""
        privacy_policy = PrivacyPolicy.model_validate({"weights": weights or {}})
        policy = self.POLICY.__class__(
            **{
                **{field: getattr(self.POLICY, field) for field in self.POLICY.__dataclass_fields__},
                "privacy": privacy_policy,
            }
        )
        entities = Entities(findings=findings)
        privacy = PrivacyScorer(privacy_policy, clock=FakeClock()).score(request_of(text), entities)
        masks = Masker(policy, clock=FakeClock()).masked(request_of(text), privacy, entities)
        mask = masks.get("cloud")
        if mask is None or mask.privacy_class > PrivacyClass.PUBLIC:
            return None
        return mask.request.messages[0].content

    def test_a_name_goes_as_a_placeholder(self) -> None:
        """Also where a firm, which weighs nothing, stands behind it at another place than before."""
        text = f"the flat of {ODD_NAME} at acme is empty"
        found = (finding(text, ODD_NAME), finding(text, "acme", "ORG"))
        assert re.fullmatch(
            "the flat of <PERSON_1_[A-Z]{5}> at acme is empty", self.masked(text, *found) or ""
        )

    def test_what_is_not_masked_keeps_it_home(self) -> None:
        """A place that the policy gives a weight is still there, so the class is still too high."""
        text = f"the flat of {ODD_NAME} at acme is empty"
        found = (finding(text, ODD_NAME), finding(text, "acme", "ORG"))
        assert self.masked(text, *found, weights={"ORG": 0.5}) is None


ASKED = POLICY.replace(
    "rules:",
    "privacy: {weights: {PERSON: 1.0}, entities: [{kind: model, model: edge, limit_ms: 200}]}\nrules:",
    1,
).replace("route: [edge, cloud]", "route: [cloud, edge]")


class TestServed:
    """A whole gateway that asks a local model before it decides."""

    @pytest.mark.parametrize(
        ("entities", "privacy_class", "reason"),
        [
            (reply(listed()), pb.PRIVACY_CLASS_PUBLIC, "nothing found"),
            (reply(listed(("PERSON", ODD_NAME))), pb.PRIVACY_CLASS_CONFIDENTIAL, "score"),
            (reply("I cannot do that."), pb.PRIVACY_CLASS_RESTRICTED, "entities failed"),
            (EngineDown("edge", "no engine"), pb.PRIVACY_CLASS_RESTRICTED, "entities failed"),
            ((Delay(30.0), reply(listed())), pb.PRIVACY_CLASS_RESTRICTED, "entities over time"),
        ],
        ids=["nobody", "somebody", "no list", "no engine", "too late"],
    )
    async def test_what_the_model_says_decides(
        self, entities: object, privacy_class: int, reason: str
    ) -> None:
        """A name that it finds keeps the request home, and so does anything that goes wrong with it."""
        edge = ScriptedBackend("edge", [entities, reply("at home")])  # type: ignore[list-item]
        cloud = ScriptedBackend("cloud", [reply("away")])
        async with served({"edge": edge, "cloud": cloud}, policy=ASKED) as running:
            answer = await running.stub.Generate(ask(f"the flat of {ODD_NAME} is empty"))
        assert answer.decision.privacy_class == privacy_class
        assert answer.decision.privacy_reason == reason
        assert bool(cloud.calls) == (privacy_class == pb.PRIVACY_CLASS_PUBLIC)
        assert ODD_NAME not in str(answer.decision)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("egde", "no model is called 'egde'"),
        ("cloud", "must be of kind llama_cpp"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused(model: str, message: str) -> None:
    """The model must be there, and on this host: the text has not been judged yet."""
    with pytest.raises(PolicyError, match=message):
        parse_policy(ASKED.replace("model: edge", f"model: {model}"), name="policy.yaml")
