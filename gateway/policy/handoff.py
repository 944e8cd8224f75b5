"""Which requests are handed to a person when no model answers: the section `handoff` of a policy."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.domain.decision import Reason
from gateway.policy.spec import ClassName
from gateway.policy.strict import Strict


class Handoff(Strict):
    """Which requests wait for a person after a canned reply, how many, and how long."""

    queue: Literal["sqlite", "redis"] = Field(
        description="The store of the requests; --state must be of the same kind and gives its address."
    )
    when_reason: tuple[Annotated[Reason, Field(strict=False)], ...] = Field(
        (), strict=False, description="The reasons for which a request is handed to a person; none means any."
    )
    store_up_to: ClassName = Field(
        "public",
        description="The highest privacy class of a request that may be stored; it is encrypted at rest.",
    )
    keep_days: int = Field(
        7,
        ge=1,
        le=90,
        description="How long a request waits for a person, and then an answer for its caller, in days; "
        "after that it is deleted.",
    )
    max_waiting: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Requests of one tenant that may wait; further ones get the canned reply only.",
    )
    max_bytes: int = Field(
        262_144,
        ge=1_024,
        le=16_777_216,
        description="A request with more bytes of text gets the canned reply only.",
    )
