"""Embeddings of OpenAI's API: what is sent, and which answers are believed."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.openai.embeddings import read_embeddings

BOUNDS = AnswerBounds(prompt_tokens=100, fewest_prompt_tokens=1, max_tokens=0)


def item(index: int, *values: float) -> dict[str, Any]:
    """Return one embedding of an answer."""
    return {"object": "embedding", "index": index, "embedding": list(values)}


def read(body: object) -> list[list[float]]:
    """Return the vectors of an answer for two texts of two dimensions."""
    raw = json.dumps(body).encode()
    answer = read_embeddings(raw, BOUNDS, list[str]().append, count=2, dimensions=2)
    return [np.frombuffer(each, "<f4").tolist() for each in answer.vectors]


def test_vectors_are_put_in_order_and_scaled() -> None:
    """By index, as numbers or base64; whole numbers are numbers."""
    packed = base64.b64encode(np.array([0.0, 2.0], "<f4").tobytes()).decode()
    data = [item(1, 1, 0), {"index": 0, "embedding": packed}]
    assert read({"data": data}) == [[0.0, 1.0], [1.0, 0.0]]


def test_an_answer_without_indexes_is_in_order() -> None:
    """Some servers write none."""
    assert read({"data": [{"embedding": [1, 0]}, {"embedding": [0, 1]}]}) == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"data": [item(0, 1, 0)]},
        {"data": [item(0, 1, 0), item(0, 1, 0)]},
        {"data": [item(0, 1, 0), item(2, 1, 0)]},
        {"data": [item(0, 1, 0), item(1, 1, 0, 0)]},
        {"data": [item(0, 1, 0), {"index": 1, "embedding": ["1", "0"]}]},
        {"data": [item(0, 1, 0), {"index": 1, "embedding": [True, 0]}]},
        {"data": [item(0, 1, 0), {"index": 1, "embedding": "no base64!"}]},
        {"data": [item(0, 1, 0), {"index": 1, "embedding": "AAAA"}]},
        {"data": [item(0, 1, 0), item(1, 1e39, 0)]},
        {"data": [item(0, 1, 0), 7]},
    ],
)
def test_what_is_no_vector_for_each_text_is_unreadable(body: object) -> None:
    """Another model of the space is asked then."""
    with pytest.raises(UnreadableAnswer):
        read(body)


def test_an_error_in_its_place_is_one() -> None:
    """With what the provider said."""
    with pytest.raises(ErrorEvent):
        read({"error": {"message": "no"}})


@pytest.mark.parametrize(
    ("usage", "tokens", "notes"),
    [
        ({"prompt_tokens": 7, "total_tokens": 7}, 7, []),
        ({"prompt_tokens": 101, "total_tokens": 101}, None, ["usage_impossible"]),
        ({"prompt_tokens": 0}, None, ["usage_impossible"]),
        (None, None, []),
    ],
)
def test_tokens_are_believed_where_they_can_be_true(
    usage: object, tokens: int | None, notes: list[str]
) -> None:
    """Else the worst case is charged."""
    noted: list[str] = []
    body = json.dumps({"data": [item(0, 1, 0), item(1, 0, 1)], "usage": usage}).encode()
    answer = read_embeddings(body, BOUNDS, noted.append, count=2, dimensions=2)
    assert (None if answer.usage is None else answer.usage.prompt_tokens) == tokens
    assert noted == notes
