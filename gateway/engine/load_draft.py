"""Loads the draft model of a model, and checks that it can guess for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.model_facts import MemoryNeed
from gateway.engine.draft import Draft
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.model_file_facts import memory_need
from gateway.engine.llama.params import LlamaSettings, draft_settings
from gateway.engine.models import check_model_file, resolve_model_path
from gateway.errors import StartupError

MAX_UNUSED = 128
"""By how many tokens vocabularies may differ: files of a family are padded differently. llama.cpp's."""


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A checked draft model, before it is loaded."""

    path: Path
    settings: LlamaSettings

    @property
    def need(self) -> MemoryNeed | None:
        """What loading it takes; None if it is unknown."""
        return memory_need(self.settings)


def draft_file(draft: str, settings: LlamaSettings) -> DraftFile:
    """Return the draft model of a model with these settings; raises StartupError for a file that is none."""
    path = resolve_model_path(draft)
    check_model_file(path, sha256=None)
    return DraftFile(path, draft_settings(settings, path))


def shares_vocabulary(ours: Sequence[bytes], theirs: Sequence[bytes]) -> bool:
    """Whether two vocabularies, as the texts of their tokens, differ at most by unused tokens at the end."""
    both = min(len(ours), len(theirs))
    return abs(len(ours) - len(theirs)) <= MAX_UNUSED and ours[:both] == theirs[:both]


def load_draft(file: DraftFile, target: LlamaModel, target_path: Path) -> tuple[Draft, LlamaModel]:
    """Return what guesses, and its model; raises StartupError if it cannot guess for the target."""
    model = LlamaModel(file.settings)
    if not (target.can_share and model.can_share):
        path = file.path if target.can_share else target_path
        raise StartupError(f"draft: {path}: is recurrent, and cannot take back a wrong guess; remove draft")
    if not shares_vocabulary(target.token_texts(), model.token_texts()):
        raise StartupError(
            f"draft: {file.path}: has another vocabulary than {target_path}; "
            "choose a smaller model of the same family"
        )
    return Draft(model, vocabulary_size=target.vocabulary_size), model
