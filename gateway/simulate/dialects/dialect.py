"""What a provider does differently from OpenAI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.simulate.billing import PromptTokens
from gateway.simulate.chat_error import ChatError

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledTokens:
    """The tokens of one answer; those of `completion` include those of `reasoning`."""

    prompt: PromptTokens
    completion: int
    reasoning: int = 0


def openai_usage(counts: BilledTokens) -> Json:
    """Return token counts in OpenAI's form; those written to a cache only where some were."""
    prompt = counts.prompt
    written = {"cache_write_tokens": prompt.written} if prompt.written else {}
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": counts.completion,
        "total_tokens": prompt.total + counts.completion,
        "prompt_tokens_details": {"cached_tokens": prompt.cached, **written},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A provider's form of requests, answers and errors; the defaults are OpenAI's."""

    prefix: str = "/v1"
    """The path of its base URL."""
    apis: tuple[Literal["chat", "responses", "messages"], ...] = ("chat",)
    """The APIs that it has. What follows of requests and answers is of `chat`."""
    has_deployments: bool = False
    """Whether models also have paths of their own, which want an `api-version`, as at Azure."""
    key_headers: tuple[str, ...] = ()
    """The headers of which one has to carry a key; empty: none is looked for."""
    version_header: str = ""
    """The header that every request must have; empty: none."""
    comment: str = ""
    """A comment that a stream begins with."""
    has_filter_results: bool = False
    """Whether answers tell what a filter of content found, as at Azure."""
    thoughts: Literal["hidden", "reasoning_content", "reasoning", "reasoning_details", "parts"] = "hidden"
    """Where the text of a thought is; `parts`: in parts of the content, as Mistral has it."""
    call_index: Literal["own", "none", "zero"] = "own"
    """The index of a call in a stream: its own, none, or 0 for every call."""
    call_id: tuple[str, int] = ("call_", 24)
    """The prefix of a call's id, and the characters behind it."""
    has_whole_calls: bool = False
    """Whether a stream has each call in one event."""
    has_signatures: bool = False
    """Whether calls have signatures of Gemini, which have to be given back."""
    checks_call_ids: bool = False
    """Whether the ids of calls have to be Mistral's."""
    wants_thoughts_back: bool = False
    """Whether thoughts before calls have to be given back."""
    takes_names: bool = True
    """Whether messages may have a name."""
    streamed_finish_words: Mapping[str, str] = field(default_factory=dict)
    """Its own words for OpenAI's, in streams."""
    default_effort: str = "none"
    """How hard its models think unless they are told."""
    usage_place: Literal["own_event", "finish_event", "x_groq"] = "own_event"
    """Where the counts of a stream are: in an event behind the answer, or in the one with the finish.

    At `x_groq` the first event has that object too, with an id alone.
    """
    is_usage_unasked: bool = False
    """Whether a stream has counts without `stream_options`."""
    usage: Callable[[BilledTokens], Json] = openai_usage
    error: Callable[[ChatError], object] = ChatError.body
    failure: tuple[int, str] = (500, "The server had an error while processing your request.")
    """The status that stands for an error in the middle of a stream, and what is said of it."""
    failure_finish: str = ""
    """The finish reason that a stream has with an error; empty: it has no choice then."""
    refusals: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Statuses and words for faults that are refusals, where they are not OpenAI's."""
    fields: frozenset[str] = frozenset()
    """Fields of a request that OpenAI does not know."""
    refused_fields: frozenset[str] = frozenset()
    """Fields of a request that OpenAI knows and this provider refuses."""
    ignored_fields: frozenset[str] = frozenset()
    """Fields of a request without effect."""
    takes_unknown_fields: bool = False
    """Whether fields that it does not know are passed over."""
    unknown_field_status: int = 400
    """The HTTP status for a field that it does not know."""


OPENAI = Dialect(apis=("chat", "responses"))
RESPONSES = Dialect(apis=("responses",))
