"""How a model picks its tokens where a caller does not say, by what the policy says of the model."""

from collections.abc import Mapping

from pydantic import Field

from gateway.policy.strict import Strict


class SamplingDefaults(Strict):
    """What every kind of model can be told; the caller's own value wins."""

    temperature: float | None = Field(
        None,
        ge=0.0,
        le=2.0,
        allow_inf_nan=False,
        description="For a request that sets none; 0 always takes the likeliest token. "
        "Default: the model's own.",
    )
    top_p: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="For a request that sets none: only the likeliest tokens whose probabilities sum up to "
        "this are picked from. Default: the model's own.",
    )

    def values(self) -> Mapping[str, float]:
        """Return what is set, by its name in the APIs."""
        return self.model_dump(exclude_none=True)


class LlamaCppSampling(SamplingDefaults):
    """What an engine can be told besides. What is not set comes from the GGUF file, else from llama.cpp."""

    top_k: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Only so many of the likeliest tokens are picked from; 0: all. Default: the file's own "
        "(general.sampling.top_k), else 40.",
    )
    min_p: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Only tokens are picked from that have this share of the likeliest one's probability. "
        "Default: the file's own (general.sampling.min_p), else 0.05.",
    )
