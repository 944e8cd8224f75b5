"""What records of decisions hold, and what happens if they cannot be written: the section `records`."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.spec import ClassName, Name
from gateway.policy.strict import Strict

ToolName = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]


class RecordKeeping(Strict):
    """What a line of `gateway serve --decisions FILE` may hold; never text of a prompt or an answer."""

    features_up_to: ClassName = Field(
        "public",
        description="The highest class of requests whose features (the input of the complexity scorer) are "
        "recorded, to learn from.",
    )
    labels: Annotated[tuple[Name, ...], Field(max_length=64)] = Field(
        (),
        strict=False,
        description="Keys of labels that are recorded; of other labels only the number is. A decision can be "
        "replayed only if the labels that rules read are recorded.",
    )
    tool_names: Annotated[tuple[ToolName, ...], Field(max_length=256)] = Field(
        (),
        strict=False,
        description="Names of tools that are recorded when a model calls them; other calls are only "
        "counted. Arguments and results are never recorded.",
    )
    on_error: Literal["refuse", "continue"] = Field(
        "continue",
        description="What happens while records cannot be written, as on a full disk: refuse refuses "
        "requests, continue answers them and counts the lost lines.",
    )
    rotate_mb: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Megabytes after which a new file begins; a new one also begins every day in UTC.",
    )
