"""Requests that nobody thought of, made by schemathesis from the OpenAPI document: `make test-http`.

Not a part of `make test`: it takes minutes. That a request which follows its schema is taken is not tested,
since a schema cannot say what makes a conversation.
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.decision import Reason
from gateway.records.writer import Records
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.openai_client import SMART, USAGE
from tests.support.served import ANY_PORT, served

ANY_NAME = SMART + 'aliases: {"*": auto}\n'
EXAMPLES = os.environ.get("GATEWAY_HTTP_EXAMPLES", "100")
"""Per endpoint and phase."""
TIMEOUT_S = 1800.0
LEAST_TAKEN = 0.02
"""Of the requests that are made, as a share: where fewer are taken, answers are hardly tested."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)


async def test_every_answer_is_as_described(tmp_path: Path) -> None:
    """No 5xx, no status, header or body that the document does not have, and no defect."""
    smart = ScriptedBackend("smart", lambda _: reply("fine", usage=USAGE))
    records, reports = Records(tmp_path / "d.jsonl", clock=SystemClock()), list[CallReport]()
    async with served(
        {"smart": smart}, http=ANY_PORT, policy=ANY_NAME, records=records, observers=(reports.append,)
    ) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.http_url}/openapi.json"),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color"),
            # A generated deadline may be shorter than any answer takes.
            *("--header", "x-gateway-deadline-s: 60", "--request-timeout", "60"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(TIMEOUT_S):
            said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-20_000:]
    assert sum(report.code == "OK" for report in reports) > LEAST_TAKEN * len(reports)
    assert [report for report in reports if report.reason is Reason.INTERNAL] == []
