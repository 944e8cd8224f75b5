"""Which requests are answered a second time, to learn from: the section `mirror` of a policy."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from gateway.policy.spec import ClassName, Name, Usd
from gateway.policy.strict import Strict

CAP = "mirror"
"""The name of the budget that holds `max_usd_per_day`, in the ledger and in errors."""


class MirrorPolicy(Strict):
    """A share of requests is answered by the other side, too, after the caller has its answer.

    Only by a model of the request's own chain, within its clearance; how far both agree is recorded for
    `gateway learn`. It needs `gateway serve --decisions`.
    """

    share: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Which share of the requests, drawn at random.",
    )
    classes: Annotated[tuple[ClassName, ...], Field(min_length=1)] = Field(
        ("public",),
        strict=False,
        description="The privacy classes of requests that are drawn from. Of one above "
        "records.features_up_to the agreement is recorded, and gateway learn has nothing to join it to.",
    )
    max_usd_per_day: Annotated[Usd, Field(decimal_places=9)] = Field(
        Decimal(1),
        description="What second answers and their judge may cost in a day (UTC), in US dollars: a budget of "
        "their own. No budget per tenant or per label is charged; those per model and per all hold besides.",
        json_schema_extra={"default": 1},
    )
    judge: Name | None = Field(
        None,
        description="The model that compares answers which are not JSON, numbers or choices. Default: the "
        "cloud model of the two.",
    )
