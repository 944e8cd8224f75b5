"""A real engine process of an embedding model: its vectors are those of llama.cpp's own, however batched."""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import numpy as np
import pytest
from llama_cpp import Llama
from numpy.typing import NDArray

from gateway.engine.threads import default_threads
from gateway.engine.v1 import engine_pb2
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel
from tests.support import real_engine
from tests.support.constructed_model import constructed
from tests.support.embedding_models import BERT, Pooling, write_bert, write_causal

TEXTS = (
    "the cat sits on the mat",
    "a",
    "a much longer text, which has more tokens than the others: 0123456789 and so on",
    "<s>[SEP] is plain text",
)
ALONE = 1e-7
"""Largest difference of a number of a vector of length 1, from that of the same batch."""
WITHIN = 1e-4
"""The same for batches of other sizes, which round otherwise: by 5.5e-5, as far as was seen."""


def spec(path: Path, **keys: object) -> LlamaCppModel:
    """Return the policy's entry for a model with 32 dimensions."""
    embeds = {"space": "s", "dimensions": BERT.width, "shortens": True}
    entry = {"kind": "llama_cpp", "path": str(path), "clearance": "restricted", "context": BERT.context}
    return LlamaCppModel.model_validate(entry | {"slots": 4, "embeds": embeds} | keys)


async def vectors_of(
    stub: real_engine.Stub, *texts: str, dimensions: int | None = None
) -> NDArray[np.float32]:
    """Return the vectors of texts, and check that only the last response counts tokens."""
    request = engine_pb2.EmbedRequest(request_id="r", texts=texts, dimensions=dimensions)
    responses = [response async for response in stub.Embed(request)]
    assert [bool(each.prompt_tokens) for each in responses] == [False] * (len(responses) - 1) + [True]
    return np.stack([np.frombuffer(each, "<f4") for response in responses for each in response.vectors])


@functools.cache
def expected(path: Path, text: str) -> NDArray[np.float64]:
    """Return the vector of one text by llama-cpp-python, scaled to length 1."""
    model = Llama(str(path), embedding=True, verbose=False, n_ctx=BERT.context, n_batch=512, n_threads=1)
    vector = np.array(model.embed(text, truncate=False), dtype=np.float64)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("pooling", [Pooling.MEAN, Pooling.CLS, Pooling.LAST])
async def test_vectors_are_those_of_llama_cpp_python(tmp_path: Path, pooling: Pooling) -> None:
    """Alone they are equal, for every pooling that a file may name."""
    path = tmp_path / "bert.gguf"
    write_bert(path, pooling=pooling)
    async with real_engine.running(spec(path)) as (_, stub):
        alone = [(await vectors_of(stub, text))[0] for text in TEXTS]
        together = await vectors_of(stub, *TEXTS)
    assert together.shape == (len(TEXTS), BERT.width)
    for text, vector, batched in zip(TEXTS, alone, together, strict=True):
        np.testing.assert_allclose(vector, expected(path, text), rtol=0, atol=ALONE)
        np.testing.assert_allclose(batched, vector, rtol=0, atol=WITHIN)
        assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1.0, abs=1e-6)


async def test_a_causal_model_has_the_vectors_of_llama_cpp_python(tmp_path: Path) -> None:
    """It has a KV cache, which holds nothing of the batch before."""
    path = tmp_path / "causal.gguf"
    write_causal(path, pooling=Pooling.LAST)
    embeds = {"space": "s", "dimensions": 64}
    async with real_engine.running(spec(path, embeds=embeds)) as (_, stub):
        found = await vectors_of(stub, *TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, expected(path, text), rtol=0, atol=WITHIN)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[real_engine.Stub]:
    """An engine of a BERT with mean pooling."""
    path = tmp_path / "bert.gguf"
    write_bert(path)
    async with real_engine.running(spec(path)) as (_, stub):
        yield stub


async def test_a_text_has_the_same_vector_in_every_batch(engine: real_engine.Stub) -> None:
    """Wherever it stands, and whatever is beside it."""
    alone = [(await vectors_of(engine, text))[0] for text in TEXTS]
    together = await vectors_of(engine, *TEXTS, *reversed(TEXTS), *TEXTS)
    wanted = [*alone, *reversed(alone), *alone]
    np.testing.assert_allclose(together, np.stack(wanted), rtol=0, atol=WITHIN)


async def test_concurrent_requests_get_their_own_vectors_in_shared_batches(engine: real_engine.Stub) -> None:
    """Nobody gets the vector of another one."""
    asked = [[f"text {number} of {caller}" for number in range(caller)] for caller in range(1, 9)]
    alone = [await vectors_of(engine, *texts) for texts in asked]
    before = (await engine.GetStatus(engine_pb2.GetStatusRequest())).steps
    together = await asyncio.gather(*(vectors_of(engine, *texts) for texts in asked))
    status = await engine.GetStatus(engine_pb2.GetStatusRequest())
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=WITHIN)
    assert status.steps - before < sum(map(len, asked)), "no two texts were in one batch"
    assert status.requests["STOP"] == 2 * len(asked)


async def test_fewer_dimensions_are_the_first_ones_scaled_to_length_1(engine: real_engine.Stub) -> None:
    """As OpenAI shortens."""
    whole, shorter = await vectors_of(engine, TEXTS[0]), await vectors_of(engine, TEXTS[0], dimensions=8)
    assert shorter.shape == (1, 8)
    np.testing.assert_allclose(shorter[0], whole[0, :8] / np.linalg.norm(whole[0, :8]), rtol=0, atol=WITHIN)


async def test_a_text_that_is_too_long_is_refused_with_its_tokens(engine: real_engine.Stub) -> None:
    """The limit itself fits."""
    fits = "x" * (BERT.context - 2)  # Each letter is a token; two stand around every text.
    assert len(await vectors_of(engine, fits)) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await vectors_of(engine, "a", fits + "x")
    message = f"text 2 of 2 has {BERT.context + 1} tokens, and the model takes {BERT.context}"
    assert message in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (engine_pb2.EmbedRequest(texts=[]), "texts are required"),
        (engine_pb2.EmbedRequest(texts=["a"], dimensions=33), "dimensions: must be from 1 to 32"),
        (engine_pb2.EmbedRequest(texts=["a"], dimensions=0), "dimensions: must be from 1 to 32"),
    ],
)
async def test_invalid_requests_are_refused(
    engine: real_engine.Stub, request_: engine_pb2.EmbedRequest, message: str
) -> None:
    """With the field."""
    with pytest.raises(grpc.aio.AioRpcError, match=message):
        _ = [response async for response in engine.Embed(request_)]


async def test_each_sort_of_engine_refuses_the_work_of_the_other(engine: real_engine.Stub) -> None:
    """With words."""
    with pytest.raises(grpc.aio.AioRpcError, match="edge: is an embedding model: it generates no text"):
        await real_engine.ask(engine, real_engine.request("hello"))
    with pytest.raises(grpc.aio.AioRpcError, match="edge: is an embedding model"):
        await engine.CountTokens(engine_pb2.CountTokensRequest())
    async with real_engine.running(real_engine.spec()) as (_, chat):
        with pytest.raises(grpc.aio.AioRpcError, match="edge: generates text: it gives no embeddings"):
            await vectors_of(chat, "a")


async def refusal(model: LlamaCppModel) -> str:
    """Return why an engine does not start."""
    with pytest.raises(StartupError) as caught:
        async with real_engine.running(model):
            raise AssertionError("it started")
    return str(caught.value)


async def test_files_of_the_wrong_sort_are_refused_with_words(tmp_path: Path) -> None:
    """Before the engine serves."""
    path = tmp_path / "bert.gguf"
    write_bert(path)
    chat_file = spec(Path(constructed()))
    assert "gives no vector of a text" in await refusal(chat_file)
    assert "is an embedding model; write embeds" in await refusal(
        real_engine.spec(path=str(path), context=64)
    )
    narrow = spec(path, embeds={"space": "s", "dimensions": 31})
    assert "its vectors have 32 dimensions, but the policy says 31" in await refusal(narrow)


async def test_a_cancelled_request_leaves_the_engine_idle(tmp_path: Path) -> None:
    """The rest of its texts is not read."""
    path = tmp_path / "bert.gguf"
    write_bert(path)
    async with real_engine.running(spec(path, slots=1)) as (_, stub):
        call = stub.Embed(engine_pb2.EmbedRequest(texts=["a b c d e f g h"] * 2000))
        assert await anext(aiter(call))
        call.cancel()
        status = await real_engine.until_status(stub, lambda status: status.slots_busy == 0)
        assert status.requests["CANCELLED"] == 1
        assert status.steps < 2000
        assert status.threads == default_threads()


def test_the_supervisor_is_told_what_it_is(tmp_path: Path) -> None:
    """An embedding model has no template."""
    path = tmp_path / "bert.gguf"
    write_bert(path)
    model = spec(path)

    async def template_of() -> str | None:
        async with real_engine.running(model) as (supervisor, _):
            assert isinstance(supervisor, EngineSupervisor)
            return supervisor.template_sha256

    assert asyncio.run(template_of()) == ""
