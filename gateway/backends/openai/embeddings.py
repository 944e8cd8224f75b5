"""Embeddings over OpenAI's API: what is sent, and how the vectors are read."""

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from gateway.backends.base import with_extra
from gateway.backends.http.backend import AnswerReader, HttpExchange
from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.events import parse_json
from gateway.backends.http.reading import USAGE_IMPOSSIBLE, ErrorEvent, Note
from gateway.backends.http.refusal_body import is_error
from gateway.backends.openai.usage import has_usage, read_usage
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.decision import EgressPermit
from gateway.domain.vectors import scaled
from gateway.policy.embeds import Embeds
from gateway.policy.openai import OpenAIModel

PATH = "/embeddings"
NUMBER_BYTES = 32
"""More than a number takes in JSON, with its comma."""


def embeddings_exchange(spec: OpenAIModel, embeds: Embeds, permit: EgressPermit, note: Note) -> HttpExchange:
    """Return the request for the vectors of the texts of a permit, and how they are read."""
    request = permit.request
    shorter = None if request.embedding is None else request.embedding.dimensions
    body: dict[str, object] = {
        "model": spec.model,
        "input": [message.text for message in request.messages],
        "encoding_format": "base64" if spec.is_openai else "float",
    }
    if shorter is not None:
        body["dimensions"] = shorter
    count, dimensions = len(request.messages), shorter or embeds.dimensions
    return HttpExchange(
        body=with_extra(spec.extra_body, body),
        read=lambda raw, bounds: read_embeddings(raw, bounds, note, count=count, dimensions=dimensions),
        reader=_no_events,
        more_bytes=count * dimensions * NUMBER_BYTES,
    )


def read_embeddings(raw: bytes, bounds: AnswerBounds, note: Note, *, count: int, dimensions: int) -> Reply:
    """Return the vectors of an answer, scaled to length 1; raises UnreadableAnswer."""
    body = parse_json(raw)
    if is_error(body):
        raise ErrorEvent(body)
    if not isinstance(body, dict) or not isinstance(data := body.get("data"), list):
        raise UnreadableAnswer("data is not a list")
    if len(data) != count:
        raise UnreadableAnswer("data has not one embedding for each text")
    vectors: list[bytes | None] = [None] * count
    for at, item in enumerate(data):
        index, values = (
            (item.get("index", at), item.get("embedding")) if isinstance(item, dict) else (at, None)
        )
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
            raise UnreadableAnswer("index is not that of a text")
        vectors[index] = scaled(_numbers(values, dimensions))
    found = tuple(each for each in vectors if each is not None)
    if len(found) != count:
        raise UnreadableAnswer("index appears twice")
    usage = read_usage({"usage": _counted(body)}, None, bounds=bounds, fewest_tokens=0)
    if usage is None and has_usage(body, None):
        note(USAGE_IMPOSSIBLE)
    return Reply(text="", finish_reason=FinishReason.STOP, usage=usage, vectors=found)


def _counted(body: dict[str, object]) -> dict[str, object]:
    """Return the counts of a body; there is no completion that could have any."""
    usage = body.get("usage")
    return {**usage, "completion_tokens": 0} if isinstance(usage, dict) and usage else {}


def _numbers(values: object, dimensions: int) -> NDArray[np.float32]:
    """Return the numbers of an embedding, written as a list or in base64; raises UnreadableAnswer."""
    try:
        if isinstance(values, str):
            numbers = np.frombuffer(base64.b64decode(values, validate=True), dtype="<f4")
        else:
            is_list = isinstance(values, list) and all(type(each) in (int, float) for each in values)
            with np.errstate(over="ignore"):  # What is too large is infinite, and refused below.
                numbers = np.array(values if is_list else (), dtype=np.float32)
    except (binascii.Error, ValueError, OverflowError):
        raise UnreadableAnswer("embedding is neither numbers nor base64 of them") from None
    if len(numbers) != dimensions or not np.isfinite(numbers).all():
        raise UnreadableAnswer("embedding has not the dimensions of its vector space")
    return numbers.astype(np.float32)


def _no_events(_: AnswerBounds) -> AnswerReader:
    raise UnreadableAnswer("it is not JSON")
