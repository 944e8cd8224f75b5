"""What is attributes of a call and its tries while they run, for those who draw traces; by default to nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gateway.errors import StartupError
from gateway.policy.loading.air_gap import AIR_GAP_HINT, is_on_this_host
from gateway.policy.model import ModelSpec
from gateway.telemetry.report import CallReport
from gateway.types import Attempt, FinishReason, GenerationConfig, Reason

FLAG = "--otlp"
Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStart:
    """A try at a model that begins now."""

    model: str
    spec: ModelSpec
    config: GenerationConfig
    max_tokens: int
    is_streamed: bool


class AttemptSpan(Protocol):
    """One try at one model."""

    @property
    def traceparent(self) -> str | None:
        """What the provider is sent, so that its trace and ours are one; ids only."""
        ...

    def end(self, attempt: Attempt, finish_reason: FinishReason | None) -> None:
        """Take what came of it."""
        ...


class CallSpan(Protocol):
    """One call of the public service."""

    def attempt(self, start: AttemptStart) -> AttemptSpan:
        """Begin a try."""
        ...

    def passed_over(self, model: str, reason: Reason) -> None:
        """Take that a model was not tried."""
        ...

    def end(self, report: CallReport) -> None:
        """Take what came of it."""
        ...


class Tracer(Protocol):
    """Draws traces of one process."""

    def call(self, method: str, metadata: Metadata) -> CallSpan:
        """Begin a call, as part of the caller's trace if its metadata names one."""
        ...


class NoSpan:
    """Nobody is attributes: fits all three of a tracer's protocols."""

    traceparent: str | None = None

    def call(self, method: str, metadata: Metadata) -> "NoSpan":
        """Begin nothing."""
        return self

    def attempt(self, start: AttemptStart) -> "NoSpan":
        """Begin nothing."""
        return self

    def passed_over(self, model: str, reason: Reason) -> None:
        """Take no notice."""

    def end(self, *_: object) -> None:
        """Take no notice."""


NO_SPAN = NoSpan()


def check_endpoint(endpoint: str, *, air_gap: bool) -> None:
    """Raise StartupError unless `endpoint` is the URL of a collector that may be sent to."""
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_url = False
    if not is_url:
        raise StartupError(
            f"{FLAG}: must be http://HOST:PORT or https://HOST:PORT, for example :4317 for gRPC"
        )
    if air_gap and not is_on_this_host(parts.hostname):
        raise StartupError(f"{FLAG} {parts.hostname}: is not an address of this host; {AIR_GAP_HINT}")
