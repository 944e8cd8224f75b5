"""Any vocabulary: a text may have more tokens than bytes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.real_engine import Stub, ask, request, running, spec
from tests.support.synthetic_models import write_spelling


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose spaces are three tokens each."""
    path = tmp_path_factory.mktemp("models") / "spelling.gguf"
    write_spelling(path)
    return path


@pytest.fixture
async def stub(spelling: Path) -> AsyncIterator[Stub]:
    """An engine of it."""
    async with running(spec(path=str(spelling))) as (_, connection):
        yield connection


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a", 1),
        ("a b", 5),
        (" " * 300, 900),
        ("a " * 200, 800),
        ("é" * 100, 200),
        ("\N{ZERO WIDTH SPACE} " * 50, 300),
    ],
    ids=["a letter", "a space", "spaces", "words", "letters of two bytes", "odd spaces"],
)
async def test_a_space_of_three_tokens(stub: Stub, text: str, tokens: int) -> None:
    """A prompt whose text has three tokens a space is counted and answered."""
    last = (await ask(stub, request(text, max_tokens=3)))[-1]

    assert last.finished.prompt_tokens == len("<s>user:") - len("<s>") + 1 + 3 + tokens
    assert 1 <= last.finished.completion_tokens <= 3
