"""Which answers are kept and given again: the section `cache` of a policy."""

from typing import Literal

from pydantic import Field

from gateway.policy.spec import ClassName, Seconds
from gateway.policy.strict import Strict


class CachePolicy(Strict):
    """The answer to the same request of the same tenant is given again, where it would be the same.

    Only requests with temperature 0 or a seed, and whole answers of a model without calls of tools.
    """

    ttl_s: Seconds = Field(3600.0, description="How long an answer is kept, in seconds.")
    max_class: ClassName = Field(
        "public", description="The highest privacy class of a request whose answer is kept."
    )
    max_mb: int = Field(
        64,
        ge=1,
        le=1_000_000,
        description="With store: memory, megabytes of answers that a process keeps; the least recently used "
        "go first.",
    )
    store: Literal["memory", "redis"] = Field(
        "memory",
        description="Where answers are kept: in the memory of each process, or in the Redis of --state, as "
        "text that is not encrypted.",
    )
    coalesce: bool = Field(
        False,
        description="Whether identical requests that are in flight together are answered by one call, "
        "whatever their class.",
    )
