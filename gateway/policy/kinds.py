"""The kinds of models that a policy may name: for each its keys and, by name, the class that calls it.

A new kind is one line here. The backend is named and not imported: it is of a layer above this one, and its
SDK is loaded only where a policy has a model of the kind.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Final

from pydantic import Field, PlainValidator, SerializeAsAny
from pydantic_core import PydanticKnownError

from gateway.policy.llama_cpp import LlamaCppModel
from gateway.policy.openai import OpenAIModel
from gateway.policy.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Kind:
    """What there is of one kind of model."""

    spec: type[ModelSpec]
    backend: str | None = None
    """The class of its backends, a `gateway.backends.base.BackendClass`, as `module:name`; None for a kind
    with an engine, whose backend `gateway.app.build` makes together with the engine."""


KINDS: Final[dict[str, Kind]] = {
    "llama_cpp": Kind(LlamaCppModel),
    "openai": Kind(OpenAIModel, "gateway.backends.openai.backend:CloudBackend"),
}


def _of_its_kind(value: object) -> ModelSpec:
    """Return a model of a file by the keys of its kind alone, so that no other kind's are complained of."""
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
