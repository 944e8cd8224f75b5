"""Reasoning of real templates and vocabularies ends at its budget, and the process lives."""

import pytest

from gateway.domain.capability import Capability
from tests.support.real_engine import running, spec
from tests.support.thinking_models import think, thinking_model


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", True),
        ("Apriel-1.6-15b-Thinker-fixed", True),
        ("openai-gpt-oss-120b", True),
        ("openai-gpt-oss-120b", False),
        ("ibm-granite-granite-3.3-2B-Instruct", False),
    ],
)
async def test_budget_holds(name: str, opens: bool) -> None:
    """Random weights say anything: no tag reaches the answer, and what follows a schema is valid."""
    async with running(spec(path=thinking_model(name, opens=opens), context=512, slots=8)) as (engine, stub):
        assert Capability.REASONING not in engine.lacking
        found = await think(stub, 16)
        assert engine.generation == 1
    assert (found.answers, found.over_budget, found.leaks) == (16, [], [])
    assert found.valid == found.constrained
    if opens:  # The prompt begins the reasoning of all but those with a budget of 0.
        assert found.reasoned == found.closed == 12
