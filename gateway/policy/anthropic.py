"""A model behind Anthropic's Messages API: the kind `anthropic`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import Field

from gateway.domain.capability import Capability
from gateway.policy.provider_access import Auth
from gateway.policy.provider_url import UrlModel
from gateway.policy.spec import Modality

ANTHROPIC_BASE_URL: Final = "https://api.anthropic.com/v1"
"""Where requests go without a `base_url`: Anthropic's own API."""

Thinking = Literal["adaptive", "budget", "none"]
Droppable = Literal["temperature", "top_p", "top_k", "stop"]
DROPPABLE: Final = get_args(Droppable)
"""Parameters that may be left out."""

KEY_HEADER: Final = Auth(header="x-api-key", prefix="")
_FORMS: Final = frozenset({Capability.JSON_SCHEMA, Capability.LARGE_JSON_SCHEMA, Capability.JSON_OBJECT})
FIRST_THINKING: Final = (3, 7)
FIRST_STRICT_TOOLS: Final = (4, 5)
FIRST_ADAPTIVE: Final = (4, 6)
"""Versions of Claude: the first that thinks, that takes `strict` tools, and that has an effort in place of a
budget and continues no message of its own."""
FIRST_WITHOUT_SAMPLING: Final = (4, 7)
"""The first version that refuses temperature, top_p and top_k, and a thinking budget."""

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)")
_NEWEST: Final = (99, 0)


def claude_version(model: str) -> tuple[int, int] | None:
    """Return the version of Claude by a model's name; None: another model. A name without one is new."""
    name = model.lower()
    if found := _VERSION.search(name):
        return int(found[1]), int(found[2] or 0)
    return _NEWEST if "claude" in name else None


def _is_at_least(model: str, version: tuple[int, int]) -> bool:
    return (claude_version(model) or (0, 0)) >= version


def _dropped(keys: Mapping[str, Any]) -> tuple[Droppable, ...]:
    is_new = _is_at_least(keys.get("model", ""), FIRST_WITHOUT_SAMPLING)
    return ("temperature", "top_p", "top_k") if is_new else ()


def _cached(keys: Mapping[str, Any]) -> Literal["auto", "none"]:
    price = keys.get("price_per_million_usd")
    return "auto" if price is None or price.cache_write is not None else "none"


class AnthropicModel(UrlModel):
    """A model behind Anthropic's Messages API."""

    urls: ClassVar[Mapping[str, str | None]] = {"base_url": ANTHROPIC_BASE_URL, "proxy": None}
    neutral_keys: ClassVar[frozenset[str]] = UrlModel.neutral_keys | {
        "drop", "cache", "thinking", "json_output",
    }  # fmt: skip
    path: ClassVar[str] = "/messages"
    vendor: ClassVar[str] = "Anthropic"
    remedies: ClassVar[Mapping[str, str]] = {
        **{each: f"drop: [{each}] in the policy leaves it out" for each in DROPPABLE},
        "stop_sequences": "drop: [stop] in the policy leaves it out",
    }

    kind: Literal["anthropic"] = Field(description="A model behind Anthropic's Messages API.")
    base_url: str = Field(
        ANTHROPIC_BASE_URL,
        pattern="^https?://",
        description="The URL that requests go to; environment variables do not change it.",
    )
    auth: Auth = Field(
        KEY_HEADER, description="The header that carries the key. Default: x-api-key, with nothing before it."
    )
    context: int = Field(
        200_000,
        ge=64,
        le=100_000_000,
        description="Context window, in tokens: prompt and answer together.",
    )
    modalities: tuple[Modality, ...] = Field(
        ("text", "image", "file"),
        strict=False,
        min_length=1,
        description="The forms of content that the model reads: text, image, file. It gets no request with "
        "another one.",
    )
    drop: tuple[Droppable, ...] = Field(
        default_factory=_dropped,
        strict=False,
        description="Parameters that this model refuses, so they are not sent. Without stop it does not end "
        "at the stop strings. Default: temperature, top_p and top_k for Claude 4.7 and later, else none.",
    )
    cache: Literal["auto", "none"] = Field(
        default_factory=_cached,
        description="Whether the provider is asked to keep the prompt for five minutes. auto: up to tools, "
        "system text, and in a conversation up to the last two messages of the user; what is "
        "kept costs cache_write, and cached_input when it is read again. Default: auto, but none where the "
        "policy's own price names no cache_write.",
    )
    thinking: Literal["auto", "adaptive", "budget", "none"] = Field(
        "auto",
        description="How the model is asked to think before it answers: adaptive, by an effort; budget, by a "
        "number of tokens; none, not at all. auto: by its name at the provider.",
    )
    json_output: Literal["tool", "native"] = Field(
        "tool",
        description="How the model is made to answer by a JSON schema: tool, by a call of a tool whose input "
        "is the answer, which leaves thinking out; native, by the API's own output format, which takes fewer "
        "schemas.",
    )

    @property
    def thinks_by(self) -> Thinking:
        """How it is asked to think."""
        if self.thinking != "auto":
            return self.thinking
        if _is_at_least(self.model, FIRST_ADAPTIVE):
            return "adaptive"
        version = claude_version(self.model)
        return "budget" if version is None or version >= FIRST_THINKING else "none"

    @property
    def continues(self) -> bool:
        """Whether it goes on with a last message of its own."""
        return not _is_at_least(self.model, FIRST_ADAPTIVE)

    @property
    def takes_highest_effort(self) -> bool:
        """Whether it knows the effort `xhigh`."""
        return _is_at_least(self.model, FIRST_WITHOUT_SAMPLING)

    @property
    def takes_strict_tools(self) -> bool:
        """Whether arguments can be held to a tool's schema."""
        return _is_at_least(self.model, FIRST_STRICT_TOOLS)

    @property
    def reasons(self) -> bool:
        """Whether it may reason for long before its first text."""
        return self.thinks_by != "none"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond text."""
        found = super().capabilities | _FORMS
        return found | {Capability.CUSTOM_TOOLS} if Capability.TOOLS in found else found

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        yield from super().problems()
        if self.reasoning is True and self.thinking == "none":
            yield "reasoning", "must not be true where thinking is none"
        own = self.price_per_million_usd
        if self.cache == "auto" and own is not None and own.cache_write is None:
            detail = "name cache_write in price_per_million_usd (Anthropic takes 1.25 times input)"
            yield "cache", f"auto makes the provider bill what it keeps; {detail}, or write cache: none"

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield each key whose value is valid and probably a mistake, and why."""
        yield from super().warnings()
        if self.prefill and not self.continues:
            yield "prefill", f"{self.model} continues no message of its own and refuses one; remove prefill"
        for key in self.sampling.values():
            if key in self.drop:
                yield f"sampling.{key}", f"is never sent, because drop names {key}; remove one of the two"
