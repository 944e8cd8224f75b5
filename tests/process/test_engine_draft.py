"""A draft model in a real engine: the same answers, counted guesses, and files that cannot guess refused."""

from pathlib import Path

import pytest

from gateway.engine.load_draft import shares_vocabulary
from gateway.engine.v1 import engine_pb2
from gateway.errors import StartupError
from tests.support.constructed_model import constructed
from tests.support.real_engine import ask, request, running, spec, text_of
from tests.support.smollm2 import smollm2
from tests.support.synthetic_models import write_slow


async def _said(**keys: object) -> tuple[str, engine_pb2.GetStatusResponse]:
    async with running(spec(**keys)) as (_, stub):
        said = text_of(await ask(stub, request("Tell me of the sea", max_tokens=64)))
        return said, await stub.GetStatus(engine_pb2.GetStatusRequest())


async def test_a_draft_changes_no_answer() -> None:
    """A model as its own draft is right nearly always, so that an answer takes few steps."""
    plain, before = await _said()
    drafted, after = await _said(draft=constructed())

    assert drafted == plain
    assert before.guessed_tokens == 0
    assert after.right_tokens >= 0.9 * after.guessed_tokens > 0
    assert after.steps < before.steps


async def test_a_real_model_is_its_own_draft() -> None:
    """Nearly all guesses of trained weights are right; what differs is between equally likely tokens."""
    path = smollm2()
    _, status = await _said(path=path, draft=path, context=512, slots=2)
    assert status.right_tokens >= 0.9 * status.guessed_tokens > 0


@pytest.mark.parametrize(("more", "is_shared"), [([], True), ([b"c"] * 128, True), ([b"c"] * 129, False)])
def test_a_family_pads_its_vocabulary(more: list[bytes], is_shared: bool) -> None:
    """Tokens at the end that only one of the files has are those that nobody uses."""
    assert shares_vocabulary([b"a", b"b"], [b"a", b"b", *more]) is is_shared
    assert shares_vocabulary([b"a", b"b", *more], [b"a", b"b"]) is is_shared
    assert not shares_vocabulary([b"a", b"b", *more], [b"b", b"a", *more])


async def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    """At the start, with both files and the way out."""
    path = tmp_path / "other.gguf"
    write_slow(path)
    said = rf"draft: {path}: has another vocabulary than .*; choose a smaller model of the same family"
    with pytest.raises(StartupError, match=said):
        await _said(draft=str(path))


async def test_a_draft_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A path without a file is said before anything is loaded."""
    with pytest.raises(StartupError, match=r"none\.gguf: no such file"):
        await _said(draft=str(tmp_path / "none.gguf"))
