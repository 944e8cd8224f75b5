"""A model file that runs in an engine process on this host: the kind `llama_cpp`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field

from gateway.domain.capability import Capability
from gateway.domain.conversation import ReasoningEffort
from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits
from gateway.policy.builtin import PREFIX, builtin_problem
from gateway.policy.embeds import Embeds
from gateway.policy.escalation import Escalate
from gateway.policy.sampling import LlamaCppSampling
from gateway.policy.source import path_in
from gateway.policy.spec import ModelSpec, Seconds
from gateway.policy.strict import Strict

_CAPABILITIES: Final = frozenset(
    {
        Capability.TOOLS, Capability.REASONING, Capability.LOGPROBS, Capability.JSON_SCHEMA,
        Capability.JSON_OBJECT, Capability.GRAMMAR,
    }
)  # fmt: skip
"""Beyond text; an engine says when it has loaded the model whether that has tools and reasoning."""
_TEMPLATE_VARIABLES: Final = frozenset(
    {"messages", "add_generation_prompt", "bos_token", "eos_token", "documents", "datetime"}
    | {"tools", "functions", "xml_tools", "custom_tools", "available_tools"}
)
"""Variables of a chat template that the engine sets for each request."""
_OF_CHATS: Final = frozenset(
    {
        "escalate",
        "template",
        "template_kwargs",
        "sampling",
        "prefill",
        "kv_cells",
        "prefix_cache_mb",
        "lora",
        "speculation",
        "draft",
    }
)
"""Keys that an embedding model does not read."""
AUTO: Final = "auto"


class Adapter(Strict):
    """A LoRA adapter that is applied to every request of a model."""

    path: str = Field(
        min_length=1, description="The adapter, a GGUF file made for this model, relative to the policy file."
    )
    scale: float = Field(1.0, ge=-10.0, le=10.0, description="How strongly it is applied.")


class LlamaCppModel(ModelSpec):
    """A GGUF file that runs in an engine process on this host."""

    has_engine: ClassVar[bool] = True
    leaves_host: ClassVar[bool] = False

    kind: Literal["llama_cpp"] = Field(description="A GGUF file, run by llama.cpp on this host.")
    place: Literal["edge", "cloud"] = Field(
        "edge", description="Whether an answer counts as ROUTE_LOCAL or ROUTE_CLOUD."
    )
    prefill: bool = Field(
        True,
        description="Whether the model continues a last message of the assistant. With recovery: resume it "
        "then gets the text that was already sent.",
    )
    path: str = Field(
        min_length=1,
        description='A GGUF file, relative to the policy file; or "builtin:demo", which needs no file; or '
        '"builtin:NAME" of a model that gateway models add NAME brought to this host.',
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="The SHA-256 of the file; another file is refused. Default: any file is accepted.",
    )
    context: int = Field(
        4096,
        ge=64,
        le=10_000_000,
        description="Context window of one sequence, in tokens: prompt and answer together.",
    )
    slots: int = Field(8, ge=1, le=256, description="Sequences that are decoded concurrently.")
    kv_cells: int = Field(
        default_factory=lambda keys: max(keys["context"], keys["slots"] * keys["context"] // 2),
        ge=64,
        le=1_000_000_000,
        description="Cells of the KV cache that the slots share, at least context. "
        "Default: slots x context / 2, at least context.",
    )
    prefix_cache_mb: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="Megabytes of memory for past prompts and answers, for requests that begin alike.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads for decoding. Default: all cores or half of them, whichever is faster.",
    )
    prefill_threads: int | None = Field(
        None, ge=1, le=1024, description="Threads for reading prompts. Default: the same as threads."
    )
    gpu_layers: Literal["auto"] | Annotated[int, Field(ge=-1, le=10_000)] = Field(
        AUTO,
        description="Layers that run on a GPU: a number, -1 for all, or auto: all where llama.cpp was built "
        "with support for a GPU, else none.",
    )
    flash_attention: bool | None = Field(
        None,
        description="Whether to use flash attention. Default: llama.cpp decides; not for an "
        "embedding model, whose vectors it would make less exact.",
    )
    numa: bool = Field(False, description="Spread memory and threads over the nodes of a NUMA machine.")
    mlock: bool = Field(False, description="Lock the model in memory, so that it is never swapped out.")
    lora: tuple[Adapter, ...] = Field(
        (), strict=False, description="LoRA adapters, applied to every request in this order."
    )
    sampling: LlamaCppSampling = Field(
        LlamaCppSampling(),
        description="Sampling parameters for requests that set none. Default: the metadata of the file "
        "(general.sampling), else temperature 0.8, top_k 40, top_p 0.95, min_p 0.05.",
    )
    queue: int = Field(
        32, ge=0, le=10_000, description="Requests that may wait for a slot; further ones are refused."
    )
    watchdog_s: Seconds = Field(
        30.0, description="An engine that makes no step for this many seconds is killed and restarted."
    )
    escalate: Escalate | None = Field(
        None,
        description="Holds back the first tokens of an answer, and tries the next model of the route if "
        "their confidence is low. Default: every answer is sent.",
    )
    template: str | None = Field(
        None, description="A Jinja chat template that replaces the one in the file. Default: the file's own."
    )
    template_kwargs: Mapping[str, bool | int | float | str] = Field(
        {},
        description="Variables for the chat template, by name, such as enable_thinking: false. A request "
        "that says whether to think, or with what effort, wins.",
    )

    speculation: Literal["none", "prompt_lookup"] = Field(
        "none",
        description="Whether the next tokens of an answer are guessed from what was said before, and checked "
        "in one step: faster for summaries, edits, extracts and JSON, and the answer is the same. "
        "prompt_lookup pauses by itself where guesses are wrong, or many answers run.",
    )

    draft: str | None = Field(
        None,
        min_length=1,
        description="A smaller model with the same vocabulary, as path names one: it guesses the next tokens "
        "of an answer, which are checked in one step, and the answer is the same. It pauses by itself where "
        "it does not pay. Default: none.",
    )

    tools: Literal[True, False, "auto"] = Field(
        "auto",
        description="Whether the model is sent tools. auto: if its chat template shows tools and writes "
        "calls, which is known once it is loaded. True: also if not; a system text then tells it how.",
    )

    reasoning_budget_tokens: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="The most tokens that the model thinks for a request that sets no budget; then it is "
        "made to answer. At most three quarters of max_tokens, less the closing words. Default: max_tokens "
        "alone ends it.",
    )
    embeds: Embeds | None = Field(
        None,
        description="The vectors of an embedding model, which answers no chat. Default: it chats, and gives "
        "no vectors.",
    )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond text."""
        if self.embeds is not None:
            return self.embeds.capabilities
        return _CAPABILITIES - {Capability.TOOLS} if self.tools is False else _CAPABILITIES

    @property
    def unpinned_files(self) -> tuple[str, ...]:
        """The files that it answers by, as far as the policy does not say their SHA-256."""
        model = () if self.sha256 is not None or self.path.startswith(PREFIX) else (self.path,)
        return (*model, *(each.path for each in self.lora))

    @property
    def embedding(self) -> Embeds | None:
        """Of which kind its vectors are."""
        return self.embeds

    @property
    def escalation(self) -> Escalate | None:
        """When an answer is dropped for the next model of the route."""
        return self.escalate

    def lowered(self, request: Request, limits: RequestLimits | None) -> Request:
        """Return the request within what a rule allows this model, with the budget of one that sets none."""
        request = super().lowered(request, limits)
        asked = request.config.reasoning
        budget = self.reasoning_budget_tokens
        if budget is None or asked.budget_tokens is not None or asked.effort is ReasoningEffort.NONE:
            return request
        reasoning = replace(asked, budget_tokens=budget)
        return replace(request, config=replace(request.config, reasoning=reasoning))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        if self.embeds is not None:
            for key in sorted(_OF_CHATS & self.model_fields_set):
                yield key, "is for chats; remove it, or remove embeds"
        if self.escalate and self.escalate.agreement and self.slots < self.escalate.agreement.samples:
            yield "slots", f"must be at least escalate.agreement.samples ({self.escalate.agreement.samples})"
        if self.kv_cells < self.context:
            yield "kv_cells", f"must be at least context ({self.context})"
        for key, path in (("path", self.path), ("draft", self.draft or "")):
            if path.startswith(PREFIX) and (problem := builtin_problem(path)):
                yield key, problem
        if (self.template or "").strip() and not re.search(r"\{[{%]", self.template or ""):
            detail = "its text, not a path; write template: | and the text below"
            yield "template", f"must be a Jinja template: {detail}"

        for name in sorted(_TEMPLATE_VARIABLES.intersection(self.template_kwargs)):
            yield "template_kwargs", f"{name} is set by the gateway; remove it"

    def in_folder(self, folder: Path) -> Self:
        """Return the spec with absolute paths; a relative one is relative to the policy's folder."""
        lora = tuple(each.model_copy(update={"path": path_in(folder, each.path)}) for each in self.lora)
        draft = None if self.draft is None else path_in(folder, self.draft)
        return self.model_copy(update={"path": path_in(folder, self.path), "lora": lora, "draft": draft})
