"""Files that a policy names: a relative path is relative to the policy's own file, whoever reads it."""

from pathlib import Path

from gateway.policy.spec import LlamaCppModel


def beside(folder: Path, path: str) -> str:
    """Return the whole path of what a policy in `folder` names; a built-in and `~` are left alone."""
    return path if path.startswith(("builtin:", "~")) else str(folder.absolute() / path)


def with_whole_paths(spec: LlamaCppModel, folder: Path) -> dict[str, object]:
    """Return the keys of a model that name files, with whole paths."""
    return {
        "path": beside(folder, spec.path),
        "lora": tuple(each.model_copy(update={"path": beside(folder, each.path)}) for each in spec.lora),
    }
