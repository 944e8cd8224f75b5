"""Which requests get a second answer, to learn from: the section `mirror` of a policy."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from gateway.policy.spec import ClassName, Name, Usd
from gateway.policy.strict import Share, Strict

CAP = "mirror"
"""The name of the budget that holds `max_usd_per_day`, in the ledger and in errors."""


class MirrorPolicy(Strict):
    """A share of requests gets a second answer from the other side (edge or cloud), after the caller's.

    Only a model of the request's own chain answers, within its clearance. The agreement of both answers is
    recorded for `gateway learn`. Needs `gateway serve --decisions`.
    """

    share: Share = Field(0.01, description="The share of requests, selected at random.")
    classes: Annotated[tuple[ClassName, ...], Field(min_length=1)] = Field(
        ("public",),
        strict=False,
        description="The privacy classes of requests that may be selected. Above records.features_up_to "
        "the agreement is recorded, but gateway learn cannot use it.",
    )
    max_usd_per_day: Annotated[Usd, Field(decimal_places=9)] = Field(
        Decimal(1),
        description="The budget for second answers and their judge in a day (UTC), in US dollars. Budgets "
        "per tenant and per label are not charged; those per model and per all are.",
        json_schema_extra={"default": 1},
    )
    judge: Name | None = Field(
        None,
        description="The model that compares answers that are not JSON, numbers or choices. Default: the "
        "cloud model of the two.",
    )
