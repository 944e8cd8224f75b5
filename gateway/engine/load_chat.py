"""Loads a model that generates text with what serves and runs it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path

from gateway.clock import Clock
from gateway.domain.capability import Capability
from gateway.domain.model_facts import MemoryNeed
from gateway.engine.calibrated import check_calibration, sha256_of_template
from gateway.engine.calls.calling import tool_calling
from gateway.engine.draft import Draft, Speculation
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.model_file_facts import memory_need
from gateway.engine.llama.params import LlamaSettings, settings_of
from gateway.engine.llama.tuned_model import TunedModel
from gateway.engine.load_draft import draft_file, load_draft
from gateway.engine.loaded import Fact, LoadedEngine
from gateway.engine.models import Progress, check_model_file, resolve_model_path
from gateway.engine.output_router import OutputRouter
from gateway.engine.prompt import PromptMaker
from gateway.engine.requests import sampling_of_file
from gateway.engine.scheduler import Scheduler
from gateway.engine.server import EngineService
from gateway.engine.template.chat_template import PLAIN_TEMPLATE, ChatTemplate, TemplateBroken
from gateway.engine.thinking.loading import thinking_tags
from gateway.engine.threads import ThreadTuner, thread_choices
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel


@dataclass(frozen=True, slots=True)
class _Models:
    """A loaded model, and its draft model with what guesses by it."""

    target: LlamaModel
    draft: Draft | None = None
    draft_model: LlamaModel | None = None

    def close(self) -> None:
        """Free both."""
        if self.draft is not None and self.draft_model is not None:
            self.draft.close()
            self.draft_model.close()
        self.target.close()


def load_chat(
    name: str,
    spec: LlamaCppModel,
    admit: Callable[[MemoryNeed], None],
    *,
    progress: Callable[[str], Progress],
    clock: Clock,
    report: Callable[[str], None],
) -> LoadedEngine:
    """Return a model that generates text; `admit` returns when there is memory for it.

    Called within the event loop. Raises StartupError.
    """
    models, template, folded = _load(spec, admit, progress=progress, clock=clock)
    model = models.target
    tags = thinking_tags(template, model)
    calling = tool_calling(template, model, is_asked=None if spec.tools == "auto" else spec.tools)
    found = {Capability.REASONING: tags, Capability.TOOLS: calling}
    lacking = [capability for capability, has in found.items() if has is None]
    sampling_defaults = sampling_of_file(model.metadata)
    router = OutputRouter(asyncio.get_running_loop())
    scheduler = Scheduler(
        model,
        name=name,
        clock=clock,
        deliver=router.deliver,
        queue_limit=spec.queue,
        kept_bytes=spec.prefix_cache_mb * 1_000_000,
        speculation=Speculation(looks_up=spec.speculation == "prompt_lookup", draft=models.draft),
        report=report,
    )
    service = EngineService(
        name=name,
        model=model,
        prompts=PromptMaker(model, template, tags, calling),
        scheduler=scheduler,
        router=router,
        clock=clock,
        report=report,
        sampling_defaults=sampling_defaults,
    )
    facts: Mapping[str, Fact] = {
        "context_tokens": model.context_tokens,
        "template_sha256": sha256_of_template(template.source, spec.template_kwargs),
        "has_template": template.source != PLAIN_TEMPLATE,
        "folded": folded,
        "template_facts": asdict(template.facts),
        "is_locked": model.is_locked,
        "facts": asdict(model.facts),
        "sampling": sampling_defaults,
        "lacking": tuple(lacking),
    }
    return LoadedEngine(
        service=service,
        runner=scheduler,
        facts=facts,
        close=models.close,
        is_hung=lambda: template.is_hung,
    )


def template_of(spec: LlamaCppModel, model: LlamaModel) -> str:
    """Return the chat template of the policy, else of the file; empty if neither has one."""
    return next((text for text in (spec.template, model.chat_template) if text and text.strip()), "")


def _load(
    spec: LlamaCppModel,
    admit: Callable[[MemoryNeed], None],
    *,
    progress: Callable[[str], Progress],
    clock: Clock,
) -> tuple[_Models, ChatTemplate, tuple[str, ...]]:
    """Check and load the model files and the template; return them, and what the template folds.

    `admit` returns when there is memory for the model. Raises StartupError.
    """
    path = resolve_model_path(spec.path)
    checking = progress("check")
    check_model_file(path, sha256=spec.sha256, on_progress=checking.update)
    for adapter in spec.lora:
        check_model_file(Path(adapter.path).expanduser(), sha256=None)
    settings = settings_of(spec, path)
    file = None if spec.draft is None else draft_file(spec.draft, settings)
    needs = [memory_need(settings), *([] if file is None else [file.need])]
    if known := [need for need in needs if need is not None]:
        admit(reduce(add, known))
    model = _model(spec, settings, on_progress=progress("load").update, clock=clock)
    models = _Models(model) if file is None else _Models(model, *load_draft(file, model, path))
    source = template_of(spec, model) or PLAIN_TEMPLATE
    check_calibration(spec, path, template=source, on_progress=checking.update)
    try:
        template = ChatTemplate(
            source,
            bos=model.bos_text,
            eos=model.eos_text,
            clock=clock,
            variables=spec.template_kwargs,
        )
        return models, template, template.check()
    except TemplateBroken as error:
        whose, hint = "its chat template", "set template in the policy"
        if spec.template is not None:
            whose, hint = "the chat template of the policy", "correct it, or remove template"
        raise StartupError(f"{path}: {whose} {error}; {hint}") from None


def _model(
    spec: LlamaCppModel, settings: LlamaSettings, *, on_progress: Callable[[float], None], clock: Clock
) -> LlamaModel:
    """Load a model with the threads of the policy, or with as many as turn out to be fastest."""
    if spec.threads is not None:
        return LlamaModel(settings, on_progress=on_progress)
    return TunedModel(
        settings,
        tuner=ThreadTuner(thread_choices()),
        clock=clock,
        prefill_threads=spec.prefill_threads,
        on_progress=on_progress,
    )
