"""How providers take back what their models thought."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit


class ReasoningForm(StrEnum):
    """How a provider takes back what its model thought."""

    CONTENT = "reasoning_content"
    ALWAYS = "reasoning_content_always"
    """Also in messages that another model wrote, for DeepSeek refuses calls without a thought."""
    PLAIN = "reasoning"
    DETAILS = "reasoning_details"
    PARTS = "thinking_parts"
    """Of the content, as Mistral has it."""
    GOOGLE = "google"
    """Gemini's signatures, in `extra_content`."""
    NONE = "none"


REASONING_FORMS: Final[Mapping[str, ReasoningForm]] = {
    "openai.com": ReasoningForm.NONE,
    "openai.azure.com": ReasoningForm.NONE,
    "deepseek.com": ReasoningForm.ALWAYS,
    "openrouter.ai": ReasoningForm.DETAILS,
    "mistral.ai": ReasoningForm.PARTS,
    "googleapis.com": ReasoningForm.GOOGLE,
    "groq.com": ReasoningForm.PLAIN,
}
"""By the end of the host's name; other servers know `reasoning_content` or pass it over."""


@lru_cache(maxsize=1024)
def is_at(url: str, hosts: tuple[str, ...]) -> bool:
    """Say whether the host of a URL is one of these, or below one."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False  # `loading.checks` reports it.
    return any(host == end or host.endswith(f".{end}") for end in hosts)
