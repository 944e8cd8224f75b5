"""Every kind of token that ends a generation ends it, on a real model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.engine.v1 import engine_pb2
from tests.support.real_engine import Stub, ask, request, running, spec, text_of
from tests.support.synthetic_models import token_of, write_with_ends

ENDS = ("<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "</s>")
"""How the ends of text, turn and message are called in families of models; llama.cpp knows the names."""
OWN = ("<|eos|>", "<|end|>")
"""The ends that the constructed model names by number: of text, of turn."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The constructed model with the ends of all families."""
    path = tmp_path_factory.mktemp("models") / "ends.gguf"
    write_with_ends(path, ENDS)
    return path


@pytest.fixture
async def stub(path: Path) -> AsyncIterator[Stub]:
    """An engine of that model."""
    async with running(spec(path=str(path))) as (_, stub):
        yield stub


@pytest.mark.parametrize("is_limit", [False, True], ids=["early", "with the last token"])
async def test_every_end_is_a_stop(path: Path, stub: Stub, is_limit: bool) -> None:
    """The answer ends there as STOP and not as LENGTH, shows nothing of the token, and counts it."""
    for name in (*OWN, *ENDS):
        wanted = request("Hello", max_tokens=1 if is_limit else 9, logit_bias={token_of(path, name): 1e5})
        responses = await ask(stub, wanted)

        assert text_of(responses) == "", name
        assert responses[-1].finished.reason == engine_pb2.FINISH_REASON_STOP, name
        assert responses[-1].finished.completion_tokens == 1, name


async def test_no_other_token_is_one(path: Path, stub: Stub) -> None:
    """A control token that ends nothing, and a word, go on to the limit."""
    for name in ("<|system|>", "!"):
        wanted = request("Hello", max_tokens=3, logit_bias={token_of(path, name): 1e5})
        responses = await ask(stub, wanted)

        assert responses[-1].finished.reason == engine_pb2.FINISH_REASON_LENGTH, name
        assert responses[-1].finished.completion_tokens == 3, name
