"""Calls of tools with real vocabularies and the templates of known families: all parse and are valid."""

import random

import pytest

from tests.support.edge_calls import FAMILIES, EdgeFamily, measured

SMALL = {
    "Qwen3-Coder",
    "mistralai-Mistral-Nemo-Instruct-2407",
    "openai-gpt-oss-120b",
    "google-gemma-4-31B-it",
}


@pytest.mark.parametrize(
    "family", [each for each in FAMILIES if each.template in SMALL], ids=lambda family: family.template
)
async def test_drawn_calls_of_a_family(family: EdgeFamily) -> None:
    """Whatever random weights say under the grammar; the engine is never started again."""
    found = await measured(family, count=8, dice=random.Random(family.template))
    assert found.problems == []
    assert found.calls
    assert found.counts["valid"] + found.counts["cut"] == found.asked == 8
    assert found.starts == 1
