"""How events leave the process."""

import io
import json
import subprocess
import sys

import pytest
import structlog

from gateway.backends.http.errors import refused
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.answer import Attempt, Outcome
from gateway.policy.openai import OpenAIModel
from gateway.telemetry.logs import configure_logs, refusal_fields
from tests.support.fakes import FakeClock

SPEAKER = (
    "import structlog, gateway.telemetry.logs as logs; logs.configure_logs('json');"
    "[structlog.get_logger().info('spoken', number=n, filler='x' * 500) for n in range(500)]"
)


@pytest.fixture(autouse=True)
def _defaults() -> None:
    """Each test configures the logs anew."""
    structlog.reset_defaults()


class _Counting(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        """Count, and keep the text."""
        self.writes += 1
        return super().write(text)


def test_a_line_is_one_write() -> None:
    """An event is written whole with its line break, so that nothing can come in between."""
    stream = _Counting()
    configure_logs("json", stream=stream)
    structlog.get_logger().info("spoken", number=1)
    structlog.reset_defaults()

    assert stream.writes == 1
    assert stream.getvalue().endswith("\n")
    assert json.loads(stream.getvalue())["number"] == 1


def test_processes_that_share_a_pipe_do_not_mix_their_lines() -> None:
    """Workers log to one standard error; every line of it is one event."""
    command = f'{sys.executable} -c "{SPEAKER}"'
    both = subprocess.run(
        ["/bin/sh", "-c", f"{command} & {command} & wait"], stderr=subprocess.PIPE, check=True, timeout=60
    )

    lines = both.stderr.splitlines()
    assert len(lines) == 1000
    assert all(json.loads(line)["event"] == "spoken" for line in lines)


def test_a_refusal_is_told_by_status_and_code() -> None:
    """What a provider refused with stands in the line, for those attempts that have it, without its words."""
    attempts = (
        attempt("cloud", http_status=413, upstream_code="rate_limit_exceeded"),
        attempt("cloud", http_status=400),
        attempt("other", upstream_code="server_error"),
        attempt("edge"),
    )
    told = ["cloud=413 rate_limit_exceeded", "cloud=400", "other=server_error"]
    assert refusal_fields(attempts) == {"refusals": told}
    assert refusal_fields(attempts[3:]) == {}


def test_a_parameter_that_a_provider_refuses_is_told_to_the_operator() -> None:
    """Only the policy can leave it out, so the log names it and the key."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    error = refused(
        "cloud",
        status=422,
        body=b'{"detail": "stream_options: extra inputs"}',
        headers={},
        unix_s=0.0,
        remedies=OpenAIModel.remedies,
    )
    AttemptLog(FakeClock()).add("cloud", Outcome.FAILED, error.reason, started_s=0.0, failure=error)
    structlog.reset_defaults()
    (line,) = [json.loads(each) for each in stream.getvalue().splitlines()]
    assert (line["event"], line["level"], line["model"]) == ("model.misfit", "warning", "cloud")
    assert "drop: [stream_options]" in line["said"]


def attempt(model: str, *, http_status: int | None = None, upstream_code: str | None = None) -> Attempt:
    """Return a try that failed."""
    return Attempt(
        model=model,
        outcome=Outcome.FAILED,
        reason=None,
        start_ms=0.0,
        duration_ms=0.0,
        http_status=http_status,
        upstream_code=upstream_code,
    )
