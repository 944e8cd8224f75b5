"""What a policy says of a model that gives vectors: the section `embeds` of a model."""

from typing import Annotated

from pydantic import Field

from gateway.domain.capability import Capability
from gateway.policy.strict import Strict

MAX_DIMENSIONS = 65_536

SpaceName = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,64}$")]


class Embeds(Strict):
    """The vectors of a model; one that has this section gives embeddings, and answers no chat."""

    space: SpaceName = Field(
        description="The name of its vector space. Vectors of one space compare with each other, so only "
        "models with an equal space may answer one request; name it by model and version."
    )
    dimensions: int = Field(ge=1, le=MAX_DIMENSIONS, description="How many numbers a vector has.")
    shortens: bool = Field(
        False,
        description="Whether the model was trained so that the first numbers of a vector are a vector too "
        "(Matryoshka); only then a request may ask for fewer dimensions.",
    )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the model can do."""
        shorter = {Capability.DIMENSIONS} if self.shortens else set()
        return frozenset({Capability.EMBEDDINGS, *shorter})
