"""What operators see of calls over HTTP."""

import json

import pytest
from structlog.testing import capture_logs

from gateway.telemetry.report import CallReport
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.openai_client import SMART
from tests.support.raw_http import CHAT, exchanged, said
from tests.support.served import ANY_PORT, served

SECRET = "the moon is made of basalt"


@pytest.mark.parametrize(
    ("verb", "path", "method", "code"),
    [
        ("POST", CHAT, "ChatCompletions", "OK"),
        ("POST", "/openai/deployments/smart/chat/completions", "ChatCompletions", "OK"),
        ("POST", "/openai/deployments/other/chat/completions", "ChatCompletions", "INVALID_ARGUMENT"),
        ("GET", "/v1/models", "ListModels", "OK"),
        ("GET", "/v1/models/smart", "GetModel", "OK"),
    ],
)
async def test_a_call_is_reported_and_logged_without_what_was_said(
    verb: str, path: str, method: str, code: str
) -> None:
    """By its method, as one line; a question or an answer is in no line."""
    reports = list[CallReport]()
    smart = ScriptedBackend("smart", [reply(SECRET)])
    with capture_logs() as logs:
        async with served(
            {"smart": smart}, http=ANY_PORT, policy=SMART, observers=(reports.append,)
        ) as gateway:
            await exchanged(gateway.http_address, path, said(SECRET) if verb == "POST" else None, method=verb)
    assert [(report.transport, report.method, report.code) for report in reports] == [("http", method, code)]
    lines = [line for line in logs if line["event"] == "request"]
    assert [(line["transport"], line["method"], line["code"]) for line in lines] == [("http", method, code)]
    assert SECRET not in json.dumps(logs, default=str)
