"""Keys that all models behind an API share: what the model can do beyond text."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import Field

from gateway.domain.capability import Capability
from gateway.policy.priced import PricedModel
from gateway.policy.spec import Modality

Choice = Literal[True, False, "auto"]

_NEEDED_FOR: Final[Mapping[Modality, Capability]] = {
    "image": Capability.IMAGES,
    "file": Capability.FILES,
}


class HostedModel(PricedModel):
    """A model behind an API; a kind is a subclass."""

    neutral_keys: ClassVar[frozenset[str]] = PricedModel.neutral_keys | {"tools", "reasoning"}

    compared_keys: ClassVar[frozenset[str]] = PricedModel.compared_keys | {"modalities"}

    tools: Choice = Field(
        "auto",
        description="Whether the model is sent tools; one that is not gets no request with tools, or with "
        "their calls and results. auto: it is.",
    )
    modalities: tuple[Modality, ...] = Field(
        ("text",),
        strict=False,
        min_length=1,
        description="The forms of content that the model reads: text, image, file. It gets no request with "
        "another one.",
    )
    reasoning: Choice = Field(
        "auto",
        description="Whether the model takes a reasoning effort or budget; one that does not gets no request "
        "that sets one, except to none. auto: by its name at the provider.",
    )

    @property
    def reads(self) -> tuple[Modality, ...]:
        """The forms of content that it reads."""
        return self.modalities

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond text."""
        found = {_NEEDED_FOR[each] for each in self.modalities if each in _NEEDED_FOR}
        if self.tools:
            found.add(Capability.TOOLS)
        if self.reasons if self.reasoning == "auto" else self.reasoning:
            found.add(Capability.REASONING)
        return frozenset(found)

    def looser_than(self, old: Self) -> Iterator[tuple[str, str]]:
        """Yield each key of its kind that is looser than in `old`, and how."""
        if more := sorted(set(self.modalities) - set(old.modalities)):
            yield "modalities", f"added {', '.join(more)}: requests with them may go there"
        yield from super().looser_than(old)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        if "text" not in self.modalities:
            yield "modalities", "must include text"
        yield from super().problems()
