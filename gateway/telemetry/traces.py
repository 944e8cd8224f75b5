"""The interface to tracing of calls and attempts; by default nothing is traced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gateway.domain.answer import Attempt, FinishReason
from gateway.domain.decision import Reason
from gateway.domain.request import GenerationConfig
from gateway.errors import StartupError
from gateway.policy.loading.air_gap import AIR_GAP_HINT
from gateway.policy.model import ModelSpec
from gateway.policy.spec import is_on_this_host
from gateway.telemetry.report import CallReport, Operation

FLAG = "--otlp"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStart:
    """An attempt at a model that starts now."""

    model: str
    spec: ModelSpec
    config: GenerationConfig
    max_tokens: int
    is_streamed: bool


class AttemptSpan(Protocol):
    """The span of one attempt at one model."""

    @property
    def traceparent(self) -> str | None:
        """The `traceparent` header for the provider, with ids only, to join its trace."""
        ...

    def end(self, attempt: Attempt, finish_reason: FinishReason | None) -> None:
        """End the span with the result."""
        ...


class CallSpan(Protocol):
    """The span of one call of a transport."""

    def attempt(self, start: AttemptStart) -> AttemptSpan:
        """Start the span of an attempt."""
        ...

    def passed_over(self, model: str, reason: Reason) -> None:
        """Record that a model was skipped."""
        ...

    def end(self, report: CallReport) -> None:
        """End the span with the result."""
        ...


class Tracer(Protocol):
    """Makes the traces of one process."""

    def call(self, operation: Operation, headers: Mapping[str, str]) -> CallSpan:
        """Start the span of a call, in the caller's trace if its headers name one."""
        ...


class NoSpan:
    """Traces nothing; implements the three protocols of this module."""

    traceparent: str | None = None

    def call(self, operation: Operation, headers: Mapping[str, str]) -> "NoSpan":
        """Return this object."""
        return self

    def attempt(self, start: AttemptStart) -> "NoSpan":
        """Return this object."""
        return self

    def passed_over(self, model: str, reason: Reason) -> None:
        """Do nothing."""

    def end(self, *_: object) -> None:
        """Do nothing."""


NO_SPAN = NoSpan()


def check_endpoint(endpoint: str, *, air_gap: bool) -> None:
    """Raise StartupError unless `endpoint` is the URL of a permitted collector."""
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
