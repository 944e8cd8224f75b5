"""How events leave the process."""

import io
import json
import subprocess
import sys

import pytest
import structlog

from gateway.telemetry.logs import configure_logs

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
