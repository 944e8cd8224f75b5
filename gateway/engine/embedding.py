"""Loads an embedding model with what serves and runs it."""

from collections.abc import Callable, Mapping

from gateway.clock import Clock
from gateway.engine.embedding_runner import EmbeddingRunner
from gateway.engine.embedding_server import EmbeddingService
from gateway.engine.llama_embedder import LlamaEmbedder
from gateway.engine.llama_params import LlamaSettings, embedding_settings
from gateway.engine.loaded import Fact, LoadedEngine
from gateway.engine.models import Progress, check_model_file
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel


def load_embedding(
    name: str,
    spec: LlamaCppModel,
    settings: LlamaSettings,
    *,
    progress: Callable[[str], Progress],
    clock: Clock,
    report: Callable[[str], None],
) -> LoadedEngine:
    """Return the model of a spec with `embeds`; raises StartupError."""
    path = settings.path
    check_model_file(path, sha256=spec.sha256, on_progress=progress("check").update)
    model = LlamaEmbedder(embedding_settings(settings), on_progress=progress("load").update)
    if spec.embeds is not None and model.dimensions != spec.embeds.dimensions:
        raise StartupError(
            f"{path}: its vectors have {model.dimensions} dimensions, but the policy says "
            f"{spec.embeds.dimensions}; correct embeds.dimensions, or choose another file"
        )
    runner = EmbeddingRunner(model, name=name, clock=clock, queue_limit=spec.queue)
    service = EmbeddingService(name=name, model=model, runner=runner, clock=clock, report=report)
    facts: Mapping[str, Fact] = {
        "context_tokens": model.context_tokens,
        "has_gpu": model.has_gpu,
        "is_locked": model.is_locked,
    }
    return LoadedEngine(service=service, runner=runner, facts=facts, close=model.close)
