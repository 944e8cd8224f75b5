"""The one seam of the gateway: what every model looks like to dispatch."""

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, Protocol, cast, runtime_checkable

from gateway.clock import Clock, Deadline
from gateway.domain.answer import Chunk, Reply
from gateway.domain.capability import Capability
from gateway.domain.decision import EgressPermit
from gateway.domain.quick_init import quick_init
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.escalation import Escalate
from gateway.policy.kinds import KINDS
from gateway.policy.model import ModelSpec


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt at one model: what to answer, within which bounds."""

    request: Request
    max_tokens: int
    """The bound that was reserved; always sent."""
    deadline: Deadline
    """When this attempt must be over; never later than the caller's deadline."""
    stall_s: float = math.inf
    """For how long a stream may pause before it is taken for cut."""
    traceparent: str | None = None
    """Ids by which a provider joins its trace to ours (W3C Trace Context); made by us, and nothing else."""
    permit: EgressPermit | None = None
    """Routing's leave to send `request` to a cloud model; a local model needs none."""
    continue_final_message: bool = False
    """Whether the last message is the beginning of the answer, of which only what follows is wanted."""
    escalate: Escalate | None = None
    """When the answer may be dropped for the next model's; None: whoever is asked has to answer."""
    sampling: Mapping[str, float] = field(default_factory=dict)
    """What the policy that runs says of temperature and the like: for an engine, which outlives a reload."""


def sampling_parameters(config: GenerationConfig, defaults: Mapping[str, float]) -> dict[str, float]:
    """Return how tokens are to be picked, by the names of the APIs: the caller's values over the policy's.

    What is not there is the model's to choose.
    """
    asked = {"temperature": config.temperature, "top_p": config.top_p, "seed": config.seed}
    return {**defaults, **{name: value for name, value in asked.items() if value is not None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueForecast:
    """What one request more has to reckon with at a model, by the model's own word."""

    wait_s: float
    """Until its turn comes, behind all that wait."""
    prompt_token_s: float
    token_s: float
    answer_tokens: float
    """What all but one in twenty answers had at most lately; 0.0: too few are known."""


@runtime_checkable
class QueueAware(Protocol):
    """A backend that knows its model and its queue."""

    @property
    def lacking(self) -> frozenset[Capability]:
        """What its model turned out not to have when it was loaded."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether its model has nothing to do for this process, as far as that knows."""
        ...

    def forecast(self) -> QueueForecast | None:
        """Return the latest word of the model, immediately; None where there is none that holds."""
        ...

    def refresh_forecast(self) -> None:
        """Have the model asked anew if its latest word is old; returns immediately."""
        ...


@runtime_checkable
class LoadAware(Protocol):
    """A backend that knows how much its model has to do, for whomever."""

    async def has_work(self, *, own: int) -> bool:
        """Say whether more than `own` requests are at work there, or any waits or might have to.

        Raises BackendError.
        """
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """A backend that knows the tokens of its model, and sends no text off this host to count them."""

    async def count_tokens(self, request: Request, deadline: Deadline) -> int:
        """Return how many tokens the prompt has, template included; raises BackendError."""
        ...


def with_extra(extra_body: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Return a body with what the policy adds to it; what the caller says of the same goes before."""
    extra = dict(extra_body)
    for name, value in body.items():
        added = extra.get(name)
        extra[name] = {**added, **value} if isinstance(added, dict) and isinstance(value, dict) else value
    return extra


class Backend(Protocol):
    """Something that turns a call into an answer.

    Both methods raise `errors.BackendError` and nothing else for what goes wrong upstream, and
    let `asyncio.CancelledError` pass after they have stopped the work upstream. Neither retries.
    """

    name: str

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer."""
        ...

    def stream(self, call: Call) -> AsyncIterator[Chunk]:
        """Yield the answer in pieces; the last one has a `finish_reason`, or the answer was cut."""
        ...

    async def aclose(self) -> None:
        """Free what the backend holds."""
        ...


class BackendClass(Protocol):
    """What `gateway.policy.kinds` names for a kind: its instances call one model each."""

    def __call__(self, name: str, spec: Any, *, api_key: str | None, clock: Clock) -> Backend:
        """Return the backend of a model whose spec is of the kind; raises StartupError."""
        ...


def open_backend(name: str, spec: ModelSpec, *, api_key: str | None, clock: Clock) -> Backend:
    """Return the backend of a model that needs no engine; raises StartupError.

    `api_key` is what the variable holds that the spec names.
    """
    where = KINDS[spec.kind].backend
    if where is None:
        raise ValueError(f"{name}: the backend of a {spec.kind} model is made together with its engine")
    return cast(BackendClass, resolve_name(where))(name, spec, api_key=api_key, clock=clock)
