"""The base class of all parts of a policy."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen part of a policy; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
