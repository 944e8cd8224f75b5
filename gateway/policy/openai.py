"""A model behind an API that speaks OpenAI's chat completions: the kind `openai`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.domain.capability import Capability
from gateway.policy.embeds import Embeds
from gateway.policy.hosted import Choice
from gateway.policy.provider_url import UrlModel
from gateway.policy.reasoning_forms import REASONING_FORMS, ReasoningForm, is_at

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
"""Where requests go without a `base_url`: OpenAI's own API, as its SDK has it."""

Droppable = Literal[
    "temperature", "top_p", "top_k", "min_p", "seed", "stop", "frequency_penalty", "presence_penalty",
    "logit_bias", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning_effort", "reasoning_summary", "stream_options", "name",
]  # fmt: skip
DROPPABLE: Final = get_args(Droppable)
"""Parameters that may be left out; those that name the model, hold the request or bound its cost may not."""

_OF_CHATS: Final = frozenset({
    "api", "custom_tools", "drop", "logprobs", "max_output_tokens", "max_tokens_field", "modalities",
    "prefill", "reasoning", "reasoning_field", "sampling", "tools",
})  # fmt: skip
"""Keys that an embedding model does not read."""
_FORMS: Final = frozenset({Capability.JSON_SCHEMA, Capability.LARGE_JSON_SCHEMA, Capability.JSON_OBJECT})
_OPENAI_HOSTS: Final = ("openai.com", "openai.azure.com", "services.ai.azure.com")

_REASONING = re.compile(
    r"(?:^|[/:_-])(?:o[1-9]|gpt-(?:[5-9]|oss)|r1|qwq|qvq|magistral|grok-(?:3-mini|[4-9])|gemini-(?:2\.5|[3-9])"
    r"|deepseek-(?:v[4-9]|flash))(?![a-z0-9])|(?<!non-)(?:reason|think)"
)
"""Names of models that reason before they answer; for a model that is missing here, set `first_token_s`."""
_REASONING_AT_OPENAI = re.compile(r"(?:.*/)?(?:ft:)?(?:o[1-9]|gpt-5(?!.*chat))(?:[-.:@].*)?")
"""Names of OpenAI's reasoning models, also with a prefix (openai/o3-mini); gpt-5-chat does not reason."""
_REFUSED_BY_REASONING = ("temperature", "top_p")


def _normalise_url(base_url: str) -> str:
    """Return a URL, or `OPENAI_BASE_URL` for another spelling of it."""
    try:
        parts = urlsplit(base_url)
        endpoint = parts.scheme.lower(), parts.hostname, parts.port or 443, parts.path.rstrip("/")
    except ValueError:
        return base_url  # `loading.checks` reports it.
    return OPENAI_BASE_URL if endpoint == ("https", "api.openai.com", 443, "/v1") else base_url


class OpenAIModel(UrlModel):
    """A model behind an API that speaks OpenAI's chat completions."""

    urls: ClassVar[Mapping[str, str | None]] = {"base_url": OPENAI_BASE_URL, "proxy": None}
    neutral_keys: ClassVar[frozenset[str]] = UrlModel.neutral_keys | {
        "organization", "project", "max_tokens_field", "drop", "custom_tools", "logprobs",
        "reasoning_field", "api", "embeds",
    }  # fmt: skip
    path: ClassVar[str] = "/chat/completions"
    vendor: ClassVar[str] = "OpenAI"
    remedies: ClassVar[Mapping[str, str]] = {
        **{each: f"drop: [{each}] in the policy leaves it out" for each in DROPPABLE},
        "max_tokens": "max_tokens_field in the policy names another one",
        "max_completion_tokens": "max_tokens_field in the policy names another one",
    }

    kind: Literal["openai"] = Field(
        description="A model behind an API that speaks OpenAI's chat completions."
    )
    base_url: Annotated[str, AfterValidator(_normalise_url)] = Field(
        OPENAI_BASE_URL,
        pattern="^https?://",
        description="The URL that requests go to; environment variables do not change it.",
    )
    organization: str | None = Field(
        None, min_length=1, description="The organisation at the provider. Default: none is sent."
    )
    project: str | None = Field(
        None, min_length=1, description="The project at the provider. Default: none is sent."
    )
    context: int = Field(
        128_000,
        ge=64,
        le=100_000_000,
        description="Context window, in tokens: prompt and answer together.",
    )
    api: Literal["chat", "responses"] = Field(
        "chat",
        description="The API of the provider: chat completions, or responses, which are not stored there.",
    )
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = Field(
        default_factory=lambda keys: (
            "max_completion_tokens" if keys["base_url"] == OPENAI_BASE_URL else "max_tokens"
        ),
        description="The name of the token limit in the provider's API. "
        "Default: max_completion_tokens without base_url, else max_tokens.",
    )
    drop: tuple[Droppable, ...] = Field(
        (),
        strict=False,
        description="Parameters that this model refuses, so they are not sent. Without stop it does not end "
        "at the stop strings; without stream_options it may not count tokens, and the worst case is charged; "
        "without response_format it gets no request with a JSON schema, without tools none with tools, and "
        "likewise without logit_bias and logprobs. name is that of messages; reasoning_summary is sent with "
        "api: responses alone.",
    )
    reasoning_field: Literal[
        "auto",
        "reasoning_content",
        "reasoning_content_always",
        "reasoning",
        "reasoning_details",
        "thinking_parts",
        "google",
        "none",
    ] = Field(
        "auto",
        description="In which form this model gets back what it thought itself: a field of its messages, "
        "reasoning_content_always (DeepSeek: in a conversation with calls of tools no message lacks it), "
        "thinking_parts of the content (Mistral), google (signatures of Gemini), or none. "
        "Default: by the host of base_url; reasoning_content for hosts that are not known.",
    )
    custom_tools: Choice = Field(
        "auto",
        description="Whether the model is sent tools that take free text. auto: where it is sent tools and "
        "base_url is OpenAI's.",
    )
    logprobs: Choice = Field(
        "auto",
        description="Whether the model gives log probabilities. auto: if it does not reason, by its name at "
        "the provider.",
    )
    embeds: Embeds | None = Field(
        None,
        description="The vectors of an embedding model, which answers no chat. Default: it chats, and gives "
        "no vectors.",
    )

    @property
    def embedding(self) -> Embeds | None:
        """Of which kind its vectors are."""
        return self.embeds

    @property
    def masked_types(self) -> frozenset[str]:
        """The types of findings that are replaced; none for vectors, which would be those of another text."""
        return super().masked_types if self.embeds is None else frozenset()

    @property
    def is_openai(self) -> bool:
        """Whether it is at OpenAI or Azure, whose API takes nothing that it does not know."""
        return is_at(self.base_url, _OPENAI_HOSTS)

    @property
    def reasoning_form(self) -> ReasoningForm:
        """How it takes back what it thought."""
        if self.reasoning_field != "auto":
            return ReasoningForm(self.reasoning_field)
        forms = (form for end, form in REASONING_FORMS.items() if is_at(self.base_url, (end,)))
        return next(forms, ReasoningForm.CONTENT)

    @property
    def reasons(self) -> bool:
        """Whether it may reason for long before its first text, by its name at the provider."""
        return _REASONING.search(self.model.lower()) is not None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond text."""
        if self.embeds is not None:
            return self.embeds.capabilities
        found = set(super().capabilities)
        takes_text = self.base_url == OPENAI_BASE_URL if self.custom_tools == "auto" else self.custom_tools
        if "tools" in self.drop:
            found.discard(Capability.TOOLS)
        elif self.tools and takes_text:
            found.add(Capability.CUSTOM_TOOLS)
        gives_logprobs = not self.reasons if self.logprobs == "auto" else self.logprobs
        if gives_logprobs and "logprobs" not in self.drop:
            found.add(Capability.LOGPROBS)
        if "response_format" not in self.drop:
            found |= _FORMS
        return frozenset(found)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        yield from super().problems()
        if self.embeds is not None:
            yield from self._embedding_problems()
        if self.custom_tools is True and not self.tools:
            yield "custom_tools", "must not be true where tools is false"
        if self.place == "edge" and "base_url" not in self.model_fields_set:
            yield "base_url", "is missing; an edge model needs one, or requests go to OpenAI"

    def _embedding_problems(self) -> Iterator[tuple[str, str]]:
        if self.mask:
            yield "mask", "does not go with embeds: the vector of a masked text is another one; remove mask"
        for key in sorted(_OF_CHATS & self.model_fields_set):
            yield key, "is for chats; remove it, or remove embeds"

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield each key whose value is valid and probably a mistake, and why."""
        yield from super().warnings()
        for key in self.sampling.values():
            if key in self.drop:
                yield f"sampling.{key}", f"is never sent, because drop names {key}; remove one of the two"
        lacking = [each for each in refused_by(self.model) if each not in self.drop]
        if lacking:
            wanted = ", ".join([*self.drop, *lacking])
            detail = f"{self.model} reasons and refuses {' and '.join(lacking)}; write drop: [{wanted}]"
            yield "drop", detail


def refused_by(model: str) -> tuple[str, ...]:
    """Return the parameters that a model is known to refuse, by its name at the provider."""
    return _REFUSED_BY_REASONING if _REASONING_AT_OPENAI.fullmatch(model) else ()
