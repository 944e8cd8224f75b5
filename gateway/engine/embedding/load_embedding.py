"""Loads an embedding model with what serves and runs it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from gateway.clock import Clock
from gateway.domain.model_facts import MemoryNeed
from gateway.engine.embedding.embedding_server import EmbeddingService
from gateway.engine.embedding.runner import EmbeddingRunner
from gateway.engine.llama.embedder import LlamaEmbedder
from gateway.engine.llama.model_file_facts import memory_need
from gateway.engine.llama.params import embedding_settings, settings_of
from gateway.engine.loaded import Fact, LoadedEngine
from gateway.engine.models import Progress, check_model_file, resolve_model_path
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel


def load_embedding(
    name: str,
    spec: LlamaCppModel,
    admit: Callable[[MemoryNeed], None],
    *,
    progress: Callable[[str], Progress],
    clock: Clock,
    report: Callable[[str], None],
) -> LoadedEngine:
    """Return the model of a spec with `embeds`; `admit` returns when there is memory for it.

    Raises StartupError.
    """
    path = resolve_model_path(spec.path)
    check_model_file(path, sha256=spec.sha256, on_progress=progress("check").update)
    settings = embedding_settings(settings_of(spec, path))
    if (need := memory_need(settings)) is not None:
        admit(need)
    model = LlamaEmbedder(settings, on_progress=progress("load").update)
    if spec.embeds is not None and model.dimensions != spec.embeds.dimensions:
        raise StartupError(
            f"{path}: its vectors have {model.dimensions} dimensions, but the policy says "
            f"{spec.embeds.dimensions}; correct embeds.dimensions, or choose another file"
        )
    runner = EmbeddingRunner(model, name=name, clock=clock, queue_limit=spec.queue)
    service = EmbeddingService(name=name, model=model, runner=runner, clock=clock, report=report)
    facts: Mapping[str, Fact] = {
        "context_tokens": model.context_tokens,
        "is_locked": model.is_locked,
        "facts": asdict(model.facts),
    }
    return LoadedEngine(service=service, runner=runner, facts=facts, close=model.close)
