"""When a local model is sure enough of its answer to give it: the section `escalate` of a model."""

from typing import Annotated

from pydantic import Field

from gateway.policy.strict import Strict

Coefficient = Annotated[float, Field(ge=-1000.0, le=1000.0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Calibration(Strict):
    """From the signals of one model to the probability that its answer is right; a logistic function.

    `gateway calibrate --model NAME --labelled FILE` fits and prints it. It holds for the file and the
    template that it was made for; an engine that has others does not start.
    """

    model_sha256: Sha256 = Field(description="The SHA-256 of the GGUF file that it was made for.")
    template_sha256: Sha256 = Field(description="The SHA-256 of the chat template that it was made for.")
    intercept: Coefficient = Field(description="The logit where all signals are 0.")
    mean_logprob: Coefficient = Field(description="For the mean log-probability of the first tokens.")
    least_margin: Coefficient = Field(
        description="For the least margin of the likeliest token over the second, among the first tokens."
    )
    prompt_entropy: Coefficient = Field(description="For the entropy at the end of the prompt, in nats.")
    prompt_margin: Coefficient = Field(
        description="For the margin of the likeliest token over the second at the end of the prompt."
    )


class Escalate(Strict):
    """Hold back the first tokens of an answer; drop it for the next model where this one is not sure."""

    window_tokens: int = Field(16, ge=1, le=256, description="How many tokens are looked at, at most.")
    window_ms: float = Field(
        500.0,
        gt=0.0,
        le=60_000.0,
        allow_inf_nan=False,
        description="How long they are held back at most, from the first one on, in milliseconds.",
    )
    below: float = Field(
        0.35,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="An answer is dropped when the confidence in it is below this.",
    )
    calibration: Calibration | None = Field(
        None,
        description="What makes the confidence a probability. Default: it is the geometric mean of the "
        "probabilities of the tokens, which ranks answers.",
    )
