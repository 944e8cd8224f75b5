"""What the records of decisions hold, and what happens when they cannot be written."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.spec import ClassName, Name
from gateway.policy.strict import Strict


class RecordKeeping(Strict):
    """What a line of `gateway serve --decisions FILE` may hold; never a word of a prompt or an answer."""

    features_up_to: ClassName = Field(
        "public",
        description="The highest class of requests whose features (the counts that the complexity scorer "
        "works on) are kept, to learn from.",
    )
    labels: Annotated[tuple[Name, ...], Field(max_length=64)] = Field(
        (),
        strict=False,
        description="Keys of labels that are kept; of the others only their number. What rules read has to "
        "be kept, or their decisions cannot be replayed.",
    )
    on_error: Literal["refuse", "continue"] = Field(
        "continue",
        description="What happens while records cannot be written, on a full disk for example: refuse "
        "turns requests away, continue answers them and counts the lines that are lost.",
    )
    rotate_mb: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Megabytes after which a new file is begun; one is begun every day in UTC, too.",
    )
