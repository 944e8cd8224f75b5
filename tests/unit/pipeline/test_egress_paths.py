"""The class of a request on its ways, and the disguises that the manual claims to undo."""

import contextlib
import dataclasses
import json
import re

import pytest

from gateway import defects
from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import Chunk
from gateway.domain.decision import Decision
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Hints, Request
from gateway.errors import BackendFailed, DeadlinePassed, EngineDied, EngineQueueFull
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.server.grpc.wire import parse_request
from gateway.testing.scripted import Delay, Step, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.dispatch_doubles import Bench
from tests.support.egress_bench import captured_logs
from tests.support.egress_cases import TEXT
from tests.support.masking_requests import MAIL, POLICY, decided
from tests.support.repository import ROOT
from tests.support.requests import request_of
from tests.support.virtual_time import virtual_time

PAGE = (ROOT / "docs" / "explanations" / "egress.md").read_text(encoding="utf-8")
CARD = "card 4111 1111 1111 1111"
SCORER = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())


@pytest.mark.parametrize(
    "request_",
    [
        request_of(CARD, "hello"),
        request_of("hello", CARD),
        request_of("hello", config=GenerationConfig(stop=(CARD,))),
        request_of("hello", config=GenerationConfig(json_schema=json.dumps({"title": CARD}))),
        request_of("hello", hint=PrivacyClass.RESTRICTED),
        request_of(CARD, hint=PrivacyClass.PUBLIC),
    ],
    ids=["first message", "last message", "stop", "schema", "hint", "a lower hint"],
)
def test_the_class_is_the_highest_of_all_that_is_sent(request_: Request) -> None:
    """Wherever it stands, and a hint cannot lower it."""
    assert decided(request_).privacy_class is PrivacyClass.RESTRICTED


FAILURES: dict[str, Step] = {
    "retry": BackendFailed("cloud", "500"),
    "fallback": EngineDied("edge", "x"),
    "queue": EngineQueueFull("edge", "x", retry_after_s=0.1),
    "restart": (Chunk(text="half "),),
    "silence": Delay(1e6),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("hint", list(PrivacyClass), ids=lambda hint: hint.name)
@virtual_time
async def test_no_way_lowers_the_class(failure: Step, hint: PrivacyClass) -> None:
    """On a retry, fallback, restart, full queue or replay every cloud call has the class of the decision."""
    request = dataclasses.replace(request_of("hello"), hints=Hints(privacy_class=hint))
    decision = decided(request)
    bench = Bench(
        {name: [failure, failure, reply("fine")] for name in POLICY.models},
        specs=POLICY.models,
    )
    for _ in range(3):
        stream = bench.dispatcher.stream(
            request, decision, policy=POLICY, deadline=Deadline.after(60.0, bench.clock)
        )
        with contextlib.suppress(DeadlinePassed):  # Silence everywhere uses up the caller's time.
            async for _event in stream:
                pass
    calls = [(name, call) for name, backend in bench.backends.items() for call in backend.calls]
    assert calls
    for name, call in calls:
        assert call.request is request
        if name != "edge":
            assert call.permit is decision.permits[name]
            assert call.permit.privacy_class is decision.privacy_class
    assert {name for name, _ in calls} <= set(decision.chain)


def test_a_decision_cannot_be_changed() -> None:
    """It is frozen: who comes later can read the class, and not write it."""
    decision: Decision = decided(request_of(CARD))
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.privacy_class = PrivacyClass.PUBLIC  # type: ignore[misc]  # What is tested.


ROWS = [
    (name, example, said)
    for name, example, said in re.findall(r"^\| ([^|]+) \| `([^`]+)`[^|]* \| ([^|]+) \|$", PAGE, re.MULTILINE)
]


@pytest.mark.parametrize(("name", "example", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_each_disguise_is_undone_as_the_manual_says(name: str, example: str, said: str) -> None:
    """`yes`: private all the same. `not claimed`: not found today; when it is, the manual has to say so."""
    if name == "escapes in a JSON schema":
        message = pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content="hello")],
            config=pb.GenerationConfig(json_schema=f'{{"title": "{example}"}}'),
        )
        found = SCORER.score(parse_request(message, tenant="t", new_id="r")).privacy_class
    else:
        found = SCORER.score_text(f"my card or mail: {example}").privacy_class
    assert (found >= PrivacyClass.CONFIDENTIAL) == (said == "yes"), name


def test_the_manual_has_its_rows() -> None:
    """The table is read: fourteen rows with an example, and one that has none."""
    assert len(ROWS) == 14
    assert SCORER.score_text("hello \ud800").privacy_class is PrivacyClass.RESTRICTED


def test_a_schema_has_no_escapes_to_hide_behind() -> None:
    """What a provider would read is what is scored and kept."""
    message = pb.GenerateRequest(
        messages=[pb.Message(role=pb.ROLE_USER, content="hello")],
        config=pb.GenerationConfig(json_schema='{"title": "jane.roe\\u0040example.org"}'),
    )
    request = parse_request(message, tenant="t", new_id="r")
    assert request.config.json_schema == f'{{"title": "{MAIL}"}}'


def test_a_defects_message_stays_out_of_the_log() -> None:
    """An exception that nobody foresaw may quote a prompt: its type and places are logged."""
    with captured_logs() as logs:
        try:
            raise ValueError(TEXT)
        except ValueError as error:
            defects.log_defect(error, request_id="r")
    assert "ValueError" in logs.getvalue()
    assert TEXT not in logs.getvalue()
