"""What callers over HTTP get that others do not: the section `http` of a policy."""

from typing import Annotated

from pydantic import Field

from gateway.policy.strict import Strict

Origin = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9+.-]{0,31}://[^/\s*]{1,255})$")]
"""A web origin as a browser sends it, that of a desktop program such as app://name, or `*` for any."""


class HttpPolicy(Strict):
    """The doors over HTTP: for clients of OpenAI and Anthropic, which know nothing of a gateway."""

    allow_degraded: bool = Field(
        False,
        description="Whether a caller that says nothing of it gets a canned reply when no model answers. "
        "Such clients take every text for the answer of a model, hence false: they get an error.",
    )
    drop_hosted_tools: bool = Field(
        False,
        description="Whether tools that only a provider can run, such as web_search, are left out of a "
        "request. False: the request is refused, and names the tool.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        (),
        strict=False,
        max_length=64,
        description="Origins of web pages that may call the gateway from a browser; * means any. "
        "Pages of other origins are refused unless they show an API key. Default: none.",
    )
