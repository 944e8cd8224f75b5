"""How a conversation is known from one request to the next: the section `sessions` of a policy."""

from typing import Literal

from pydantic import Field

from gateway.policy.spec import Seconds
from gateway.policy.strict import Share, Strict


class SessionPolicy(Strict):
    """What holds for all turns of a conversation together.

    A turn is never judged below the class of an earlier turn of its conversation.
    """

    idle_s: Seconds = Field(
        1800.0, description="How long a conversation without a request is remembered, in seconds."
    )
    sticky: Literal["tool_loop", "conversation", "none"] = Field(
        "tool_loop",
        description="When the model that answered last comes first among those that may answer: tool_loop "
        "while it waits for results of tools, conversation in every turn, none never.",
    )
    switch_margin: Share = Field(
        0.15,
        description="With sticky: conversation, how far the complexity may move from the turn for which the "
        "model was chosen before the order of the rule counts again.",
    )
    on_error: Literal["restricted", "stateless"] | None = Field(
        None,
        description="What a conversation counts as that cannot be looked up: restricted, or stateless, as if "
        "it were new. Default: stateless with --state memory:, else restricted.",
    )
