"""The dialects by name."""

from collections.abc import Mapping

from gateway.simulate.dialects.anthropic import ANTHROPIC
from gateway.simulate.dialects.deepseek import DEEPSEEK
from gateway.simulate.dialects.dialect import OPENAI, RESPONSES, Dialect
from gateway.simulate.dialects.google import GEMINI
from gateway.simulate.dialects.mistral import MISTRAL
from gateway.simulate.dialects.openai_like import AZURE, GROQ, OPENROUTER
from gateway.simulate.dialects.servers import OLLAMA, VLLM

DIALECTS: Mapping[str, Dialect] = {
    "openai": OPENAI,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "azure": AZURE,
    "deepseek": DEEPSEEK,
    "gemini": GEMINI,
    "groq": GROQ,
    "mistral": MISTRAL,
    "ollama": OLLAMA,
    "openrouter": OPENROUTER,
    "vllm": VLLM,
}


def find_dialect(name: str) -> Dialect:
    """Return a dialect; raises ValueError for an unknown one."""
    if name not in DIALECTS:
        raise ValueError(f"dialect {name!r} does not exist; choose of {', '.join(DIALECTS)}")
    return DIALECTS[name]
