"""What every part of the policy is."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of the policy: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
