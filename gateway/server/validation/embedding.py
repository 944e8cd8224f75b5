"""Checks the texts of a request for embeddings."""

from gateway.domain.conversation import Message
from gateway.domain.request import EmbeddingConfig
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Steps
from gateway.policy.embeds import MAX_DIMENSIONS
from gateway.server.validation.conversation import PART_CHARS, is_blank

MAX_INPUTS = 2048
"""Texts of one request; OpenAI's own limit. Their bytes are bounded as those of every request."""


def input_steps(messages: tuple[Message, ...]) -> Steps[tuple[Message, ...]]:
    """Return the texts; raises InvalidRequest with the path of a bad one."""
    check_input_count(len(messages))
    for i, message in enumerate(messages):
        yield PART_CHARS
        if is_blank(message.content):
            raise InvalidRequest(f"input[{i}]", "must not be empty, nor hold blank characters alone")
    return messages


def check_input_count(count: int) -> None:
    """Raise InvalidRequest for no text, and for too many."""
    if not 1 <= count <= MAX_INPUTS:
        raise InvalidRequest("input", f"must have 1 to {MAX_INPUTS} texts, has {count}")


def check_dimensions(embedding: EmbeddingConfig) -> None:
    """Raise InvalidRequest for dimensions that no vector has."""
    wanted = embedding.dimensions
    if wanted is not None and not 1 <= wanted <= MAX_DIMENSIONS:
        raise InvalidRequest("dimensions", f"must be 1 to {MAX_DIMENSIONS}, is {wanted}")
