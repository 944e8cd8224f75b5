"""What headers say of a request, and of its answer."""

from typing import Any

import pytest

from gateway.domain.answer import Attempt, Outcome, Usage
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.errors import HTTP_STATUS, BackendProtocol, DeadlinePassed, Unauthenticated
from gateway.server.access import Caller, Identity
from gateway.server.http.http_error import http_error_of
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.openai_client import SMART
from tests.support.policies import POLICY
from tests.support.raw_http import CHAT, RawReply, exchanged, said
from tests.support.served import ANY_PORT, served

PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 60}")
USAGE = Usage(prompt_tokens=1_000_000, completion_tokens=0)


async def answered(
    headers: dict[str, str], *, policy: str = PATIENT, step: Step | None = None, **members: Any
) -> tuple[RawReply, dict[str, ScriptedBackend]]:
    """Return the response to a request with headers, and the models."""
    script = reply("hi", usage=USAGE) if step is None else step
    backends = {name: ScriptedBackend(name, lambda _: script) for name in ("edge", "cloud", "smart")}
    named = {name: model for name, model in backends.items() if f"\n  {name}:" in policy}
    async with served(named, http=ANY_PORT, policy=policy) as gateway:
        return await exchanged(gateway.http_address, CHAT, said(**members), headers=headers), backends


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({}, 500, 600),
        ({"x-gateway-deadline-s": "100"}, 50, 100),
        ({"x-gateway-deadline-s": "5000"}, 800, 900),
        ({"x-stainless-read-timeout": "200"}, 150, 200),
        ({"x-stainless-timeout": "200"}, 150, 200),
        ({"x-stainless-timeout": "200", "x-stainless-read-timeout": "100"}, 50, 100),
        ({"x-stainless-timeout": "not given"}, 500, 600),
        ({"x-stainless-timeout": "200", "x-gateway-deadline-s": "300"}, 250, 300),
    ],
)
async def test_the_deadline(headers: dict[str, str], least_s: float, most_s: float) -> None:
    """The caller's own word, else that of its SDK, else the policy's; never above the policy's most."""
    policy = SMART.replace("deadline_s: {default: 60, max: 60}", "deadline_s: {default: 600, max: 900}")
    smart, reports = ScriptedBackend("smart", [reply("hi")]), list[CallReport]()
    async with served({"smart": smart}, http=ANY_PORT, policy=policy, observers=(reports.append,)) as gateway:
        assert (await exchanged(gateway.http_address, CHAT, said(), headers=headers)).status == 200
    (report,) = reports
    assert report.decision is not None
    assert report.decision.state is not None
    assert least_s < report.decision.state.deadline_s <= most_s


async def test_a_deadline_that_passes_is_said_in_time() -> None:
    """As 504, while the caller still listens."""
    told, _ = await answered({"x-gateway-deadline-s": "0.5"}, step=[Delay(3600.0), reply("late")])
    assert (told.status, told.json["error"]["code"]) == (504, "deadline")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-gateway-deadline-s", "soon"),
        ("x-gateway-deadline-s", "0"),
        ("x-gateway-deadline-s", "nan"),
        ("x-gateway-allow-degraded", "perhaps"),
        ("x-gateway-decision", "2"),
        ("x-gateway-privacy-class", "secret"),
        ("x-gateway-max-cost-usd", "-1"),
        ("x-gateway-max-cost-usd", "inf"),
        ("x-gateway-request-id", "a b"),
        ("x-gateway-label-team", "a b"),
        ("x-gateway-colour", "red"),
    ],
)
async def test_a_header_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    """A hint only tightens, so that none may be lost; no model is asked."""
    told, backends = await answered({name: value})
    assert told.status == 400
    assert told.json["error"]["param"] in (name, "labels[team]")
    assert backends["edge"].calls == []


async def test_hints_tighten_the_policy() -> None:
    """Class, cost and labels reach the decision."""
    headers = {
        "x-gateway-privacy-class": "confidential",
        "x-gateway-max-cost-usd": "0.25",
        "x-gateway-label-team": "x",
        "x-session-id": "s-1",
        "x-gateway-request-id": "r-1",
    }
    told, backends = await answered(headers, model="edge")
    assert told.status == 400, "the rule for this label routes to the cloud alone"
    assert told.json["error"]["code"] == "not_in_route"
    told, backends = await answered({name: headers[name] for name in headers if "label" not in name})
    (call,) = backends["edge"].calls
    assert call.request.hints.privacy_class is PrivacyClass.CONFIDENTIAL
    assert call.request.hints.max_cost_usd_nanos == 250_000_000
    assert call.request.session_id == "s-1"
    assert (call.request.request_id, told.json["id"]) == ("r-1", "chatcmpl-r-1")


async def test_what_an_answer_says_of_itself() -> None:
    """Where it comes from, why, and what it cost; under the ids that SDKs look for."""
    told, _ = await answered({"x-gateway-decision": "true"}, policy=SMART)
    shown = {
        name.removeprefix("x-gateway-"): told.headers[name] for name in told.headers if "gateway" in name
    }
    assert shown["model"] == "smart"
    assert (shown["route"], shown["rule"], shown["privacy-class"]) == ("cloud", "default", "public")
    assert float(shown["cost-usd"]) == 1.0
    assert "degraded" not in shown
    assert told.headers["x-request-id"] == told.headers["request-id"] == shown["request-id"]
    gateway = told.json["gateway"]
    assert gateway["decision"]["policy_hash"].startswith(shown["policy"])
    assert (gateway["cost_usd"], gateway["decision"]["chain"]) == (1.0, ["smart"])
    told, _ = await answered({}, policy=SMART)
    assert "gateway" not in told.json


async def test_a_stream_says_what_is_known_when_it_begins() -> None:
    """In headers; the rest is in its last chunk, where it is asked for."""
    told, _ = await answered({"x-gateway-decision": "true"}, policy=SMART, stream=True)
    assert (told.headers["x-gateway-model"], told.headers["x-gateway-route"]) == ("smart", "cloud")
    assert told.headers["content-type"] == "text/event-stream; charset=utf-8"
    shown = [event["gateway"]["cost_usd"] for event in told.events if "gateway" in event]
    assert shown == [1.0]


@pytest.mark.parametrize("cost_usd_nanos", [0, 1])
def test_nothing_that_was_paid_for_is_tried_again_by_itself(cost_usd_nanos: int) -> None:
    """An SDK would ask, and pay, up to twice more."""
    error = BackendProtocol("cloud", "its answer cannot be read")
    error.attempts = (
        Attempt(
            model="cloud",
            outcome=Outcome.FAILED,
            reason=Reason.UPSTREAM_PROTOCOL,
            start_ms=0.0,
            duration_ms=1.0,
            cost_usd_nanos=cost_usd_nanos,
        ),
    )
    shown = http_error_of(error, request_id="r", place=str)
    assert shown.status == 502
    assert shown.headers == ({"x-should-retry": "false"} if cost_usd_nanos else {})


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_status_and_a_code(reason: Reason) -> None:
    """None is left to chance."""
    error: Any = DeadlinePassed("a message")
    error.reason = reason
    shown = http_error_of(error, request_id="r", place=str)
    assert shown.status == HTTP_STATUS[reason]
    assert shown.code == shown.code.lower()


async def test_of_a_stranger_no_header_is_judged() -> None:
    """It is told that it is one, when it is its turn."""

    def nobody(_: Caller) -> Identity:
        raise Unauthenticated("an API key is needed")

    backends = {name: ScriptedBackend(name, [reply("-")]) for name in ("edge", "cloud")}
    async with served(backends, http=ANY_PORT, tenant_of=nobody) as gateway:
        wrong = {"x-gateway-deadline-s": "soon", "x-gateway-colour": "red"}
        told = await exchanged(gateway.http_address, CHAT, said(), headers=wrong)
    assert told.status == 401
