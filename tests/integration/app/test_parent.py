"""The parent of several workers: what it cannot do without ends it in order, what may pass is tried again."""

import tempfile
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.app.settings import (
    AuthSettings,
    PolicySettings,
    ServeSettings,
    StateSettings,
    TelemetrySettings,
    TlsSettings,
)
from gateway.app.workers import parent as parents
from gateway.domain.address import Address, ListenSettings

PRIVATE = "a word that is nobody's business"
POLICY = """
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud]}]
replies: [{id: sorry, text: "no"}]
"""
ADDRESS = Address("127.0.0.1", 50051)


async def test_a_worker_that_cannot_be_kept_ends_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that the system refuses is tried again; a defect ends all with status 1, and is logged."""
    errors = [BlockingIOError(11, "Resource temporarily unavailable"), KeyError(PRIVATE)]

    async def spawn(parent: parents.Parent, number: int) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(parents, "share_numbers", lambda *_, **__: None)  # It binds this process for good.
    monkeypatch.setattr(parents, "AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(parents.Parent, "_spawn", spawn)
    (tmp_path / "policy.yaml").write_text(POLICY)
    settings = ServeSettings(
        listen=ListenSettings(address=ADDRESS),
        tls=TlsSettings(),
        auth=AuthSettings(),
        policy=PolicySettings(path=tmp_path / "policy.yaml"),
        state=StateSettings(url="sqlite:///ledger.db"),
        telemetry=TelemetrySettings(),
        workers=1,
    )
    # A path under pytest's folder is too long for a socket.
    with tempfile.TemporaryDirectory() as folder, capture_logs() as logs:
        parent = parents.Parent(settings, {"--listen": ADDRESS}, Path(folder))
        await parent.run()

    said = [(each["event"], each.get("task", each.get("worker"))) for each in logs]
    assert said == [("worker.start_failed", 0), ("defect", "worker 0"), ("gateway.failed", "worker 0")]
    assert parent.status == 1
    assert PRIVATE not in str(logs)
