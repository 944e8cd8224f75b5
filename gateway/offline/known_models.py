"""Small instruct models that `gateway models pull` knows by a short name, each pinned to one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.policy.builtin import ModelFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One GGUF file of Hugging Face, of a revision that cannot change, and what to expect of it."""

    repository: str
    revision: str
    """The commit of the repository."""
    file: str
    sha256: str
    figures: ModelFigures


KNOWN: Final[Mapping[str, KnownModel]] = {
    "qwen3-0.6b": KnownModel(
        repository="Qwen/Qwen3-0.6B-GGUF",
        revision="23749fefcc72300e3a2ad315e1317431b06b590a",
        file="Qwen3-0.6B-Q8_0.gguf",
        sha256="9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031",
        figures=ModelFigures(
            size_bytes=639_446_688,
            license="Apache-2.0",
            template="ChatML",
            context_tokens=40_960,
            tokens_per_s=28.3,
        ),
    ),
    "llama-3.2-1b": KnownModel(
        repository="bartowski/Llama-3.2-1B-Instruct-GGUF",
        revision="067b946cf014b7c697f3654f621d577a3e3afd1c",
        file="Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        sha256="6f85a640a97cf2bf5b8e764087b1e83da0fdb51d7c9fab7d0fece9385611df83",
        figures=ModelFigures(
            size_bytes=807_694_464,
            license="llama3.2",
            template="Llama 3",
            context_tokens=131_072,
            tokens_per_s=24.9,
        ),
    ),
    "granite-4.0-1b": KnownModel(
        repository="ibm-granite/granite-4.0-1b-GGUF",
        revision="b27c2fe3f211b7f44e80fa620177aea371099aaa",
        file="granite-4.0-1b-Q4_K_M.gguf",
        sha256="22ec0f9cc99a90185312de3c882c84e7bd6789bdd050389844380a01a831d7f1",
        figures=ModelFigures(
            size_bytes=1_023_645_440,
            license="Apache-2.0",
            template="Granite 4",
            context_tokens=131_072,
            tokens_per_s=19.3,
        ),
    ),
    "qwen2.5-1.5b": KnownModel(
        repository="Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        revision="91cad51170dc346986eccefdc2dd33a9da36ead9",
        file="qwen2.5-1.5b-instruct-q4_k_m.gguf",
        sha256="6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        figures=ModelFigures(
            size_bytes=1_117_320_736,
            license="Apache-2.0",
            template="ChatML",
            context_tokens=32_768,
            tokens_per_s=20.2,
        ),
    ),
    "smollm3-3b": KnownModel(
        repository="ggml-org/SmolLM3-3B-GGUF",
        revision="4965cb60b150737b68a0408c36aeefb65078f894",
        file="SmolLM3-Q4_K_M.gguf",
        sha256="8334b850b7bd46238c16b0c550df2138f0889bf433809008cc17a8b05761863e",
        figures=ModelFigures(
            size_bytes=1_915_305_312,
            license="Apache-2.0",
            template="ChatML",
            context_tokens=65_536,
            tokens_per_s=10.5,
        ),
    ),
}
"""By short name, the smallest first."""
