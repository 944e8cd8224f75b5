"""What API keys of a name may do, beyond what their tenant may: the section `keys`."""

from pydantic import Field

from gateway.policy.aliases import AliasName
from gateway.policy.strict import Strict

MAX_KEYS = 1000
"""Names of keys that a policy has something to say of."""


class KeyPolicy(Strict):
    """What the keys of one name, whatever their tenant, are narrowed to."""

    models: tuple[AliasName, ...] = Field(
        strict=False,
        min_length=1,
        description="The models, by name or alias, that alone may answer requests with such a key; a rule's "
        "route is narrowed to them.",
    )
