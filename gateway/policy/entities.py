"""The finders of named entities that a policy adds to the built-in detectors: `privacy.entities`."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.strict import Share, Strict

_LIMIT = "Time in milliseconds; a request that takes longer is restricted."


class PresidioEntities(Strict):
    """Microsoft Presidio with a spaCy model that is installed."""

    kind: Literal["presidio"] = Field(description="Presidio, the extra `presidio` of the package.")
    spacy_model: str = Field(
        "en_core_web_sm",
        pattern="^[A-Za-z][A-Za-z0-9_]*$",
        description="The package of the spaCy model; it is not downloaded.",
    )
    language: str = Field("en", pattern="^[a-z]{2}$", description="The language of spacy_model.")
    threshold: Share = Field(0.4, description="The least confidence of a finding that it adds.")
    limit_ms: float = Field(1000.0, gt=0, le=60_000, description=_LIMIT)


class ModelEntities(Strict):
    """A llama_cpp model of this policy that lists the entities of every message."""

    kind: Literal["model"] = Field(description="A model of this policy that runs on this host.")
    model: str = Field(description="The model's name; it must be of kind llama_cpp.")
    limit_ms: float = Field(10_000.0, gt=0, le=60_000, description=_LIMIT)


EntitySource = Annotated[PresidioEntities | ModelEntities, Field(discriminator="kind")]
