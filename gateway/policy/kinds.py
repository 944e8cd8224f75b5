"""The registry of model kinds: for each its spec class, and the name of the class that calls it.

A new kind is one line here. The backend is named and not imported: it is in a higher layer, and its client is
loaded only if a policy has a model of the kind.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Final

from pydantic import Field, PlainValidator, SerializeAsAny
from pydantic_core import PydanticKnownError

from gateway.policy.anthropic import AnthropicModel
from gateway.policy.llama_cpp import LlamaCppModel
from gateway.policy.openai import OpenAIModel
from gateway.policy.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Kind:
    """The classes of one kind of model."""

    spec: type[ModelSpec]
    backend: str | None = None
    """The backend class, a `gateway.backends.base.BackendClass`, as `module:name`; None for a kind with an
    engine, whose backend `gateway.app.build` creates together with the engine."""


KINDS: Final[dict[str, Kind]] = {
    "llama_cpp": Kind(LlamaCppModel),
    "openai": Kind(OpenAIModel, "gateway.backends.openai.backend:CloudBackend"),
    "anthropic": Kind(AnthropicModel, "gateway.backends.anthropic.backend:MessagesBackend"),
}


def _of_its_kind(value: object) -> ModelSpec:
    """Validate a model by the keys of its kind alone, so that errors name no keys of other kinds."""
    if isinstance(value, ModelSpec):
        return value
    if not isinstance(value, dict):
        raise PydanticKnownError("model_type", {"class_name": "ModelSpec"})
    name = value.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise PydanticKnownError(
            "union_tag_invalid",
            {"discriminator": "kind", "tag": str(name), "expected_tags": ", ".join(KINDS)},
        )
    return kind.spec.model_validate(value)


AnyModel = Annotated[
    ModelSpec,
    SerializeAsAny(),
    PlainValidator(
        _of_its_kind,
        json_schema_input_type=Annotated[
            reduce(or_, (kind.spec for kind in KINDS.values())), Field(discriminator="kind")
        ],
    ),
]
"""A model of any kind, as a policy file writes it."""
