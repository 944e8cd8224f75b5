"""Sampling parameters of a model for requests that set none."""

from collections.abc import Mapping

from pydantic import Field

from gateway.policy.strict import Share, Strict


class SamplingDefaults(Strict):
    """Parameters that every kind of model takes; a value of the caller wins."""

    temperature: float | None = Field(
        None,
        ge=0.0,
        le=2.0,
        description="For a request that sets none; 0 always picks the likeliest token. "
        "Default: the model's own.",
    )
    top_p: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        description="For a request that sets none: tokens are picked from the likeliest ones whose "
        "probabilities sum up to this. Default: the model's own.",
    )

    def values(self) -> Mapping[str, float]:
        """Return the values that are set, by their names in the APIs."""
        return self.model_dump(exclude_none=True)


class LlamaCppSampling(SamplingDefaults):
    """Further parameters of an engine; unset ones come from the GGUF file, else from llama.cpp."""

    top_k: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Tokens are picked from this many of the likeliest; 0: from all. Default: the file's own "
        "(general.sampling.top_k), else 40.",
    )
    min_p: Share | None = Field(
        None,
        description="Tokens are picked only if they have at least this share of the likeliest one's "
        "probability. Default: the file's own (general.sampling.min_p), else 0.05.",
    )
