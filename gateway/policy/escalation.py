"""When an answer of a local model is dropped for want of confidence: the section `escalate` of a model."""

from typing import Annotated

from pydantic import Field

from gateway.policy.strict import Share, Strict

Coefficient = Annotated[float, Field(ge=-1000.0, le=1000.0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Calibration(Strict):
    """A logistic function from the signals of one model to the probability that its answer is right.

    `gateway calibrate --model NAME --labelled FILE` fits and prints it. It is valid for one model file and
    template; an engine with others does not start.
    """

    model_sha256: Sha256 = Field(description="The SHA-256 of the GGUF file that it was fitted for.")
    template_sha256: Sha256 = Field(description="The SHA-256 of the chat template that it was fitted for.")
    intercept: Coefficient = Field(description="The logit when all signals are 0.")
    mean_logprob: Coefficient = Field(description="For the mean log-probability of the first tokens.")
    least_margin: Coefficient = Field(
        description="For the least margin of the likeliest token over the second, among the first tokens."
    )
    prompt_entropy: Coefficient = Field(description="For the entropy at the end of the prompt, in nats.")
    prompt_margin: Coefficient = Field(
        description="For the margin of the likeliest token over the second at the end of the prompt."
    )


class Agreement(Strict):
    """Draw short samples beside the answer; where they come to something else, try the next model.

    For questions with short answers. They share the prompt of the answer, and cost their own tokens.
    """

    samples: int = Field(
        3, ge=2, le=3, description="How many answers are compared, the one that would be given included."
    )
    max_tokens: int = Field(
        32, ge=1, le=256, description="The most tokens of a sample, and of the answer that are held back."
    )
    min_agreement: Share = Field(
        0.67,
        description="An answer is dropped when a smaller share of them, itself included, comes to the same: "
        "the same option, last number, JSON, calls of tools, or words.",
    )
    temperature: float = Field(
        0.7, gt=0.0, le=2.0, description="With which the samples are drawn, whatever the answer's is."
    )
    sure: Share = Field(
        1.0, description="An answer with at least this confidence by its tokens is not compared."
    )
    window_ms: float = Field(
        2000.0,
        gt=0.0,
        le=60_000.0,
        description="The longest time that the answer is held back for it, in milliseconds. What is not "
        "there by then does not count.",
    )


class Escalate(Strict):
    """Hold back the first tokens of an answer; with low confidence, drop it and try the next model."""

    window_tokens: int = Field(16, ge=1, le=256, description="The most tokens that are held back.")
    window_ms: float = Field(
        500.0,
        gt=0.0,
        le=60_000.0,
        description="The longest time that they are held back, from the first token on, in milliseconds.",
    )
    below: Share = Field(0.35, description="An answer is dropped when its confidence is below this.")
    calibration: Calibration | None = Field(
        None,
        description="Makes the confidence a probability. Default: the confidence is the geometric mean of "
        "the probabilities of the tokens, which only ranks answers.",
    )
    agreement: Agreement | None = Field(
        None,
        description="Whether answers that are sure enough by their tokens are compared with samples, too. "
        "Default: no samples are drawn.",
    )

    @property
    def sample_tokens(self) -> int:
        """The most tokens of the samples beside an answer."""
        return 0 if self.agreement is None else (self.agreement.samples - 1) * self.agreement.max_tokens
