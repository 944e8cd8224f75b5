"""A whole gateway with a real engine of an embedding model, asked by OpenAI's own client."""

from pathlib import Path

import numpy as np
import openai
import pytest
from llama_cpp import Llama

from tests.support.embedding_models import BERT, write_bert
from tests.support.openai_client import client_of
from tests.support.served import ANY_PORT, served

POLICY = """
version: 1
models:
  near: {{kind: llama_cpp, path: {path}, clearance: restricted, context: {context},
         embeds: {{space: bert, dimensions: {width}, shortens: true}}}}
rules: [{{name: default, route: [near]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""
TEXTS = ["the cat sits on the mat", "my card is 4111 1111 1111 1111", "a"]


async def test_the_client_gets_the_vectors_of_the_file(tmp_path: Path) -> None:
    """Also of a private text, which does not leave; one that is too long is refused with its tokens."""
    path = tmp_path / "bert.gguf"
    write_bert(path)
    policy = POLICY.format(path=path, context=BERT.context, width=BERT.width)
    async with served({}, policy=policy, http=ANY_PORT) as gateway, client_of(gateway) as client:
        found = await client.embeddings.create(model="auto", input=TEXTS)
        shorter = await client.embeddings.create(model="near", input=TEXTS[0], dimensions=8)
        with pytest.raises(
            openai.BadRequestError, match=f"has 202 tokens, and the model takes {BERT.context}"
        ):
            await client.embeddings.create(model="bert", input="x" * 200)
        with pytest.raises(openai.APIStatusError, match="near: no chat"):
            await client.chat.completions.create(model="near", messages=[{"role": "user", "content": "hi"}])
    model = Llama(str(path), embedding=True, verbose=False, n_ctx=BERT.context, n_batch=512)
    for text, each in zip(TEXTS, found.data, strict=True):
        wanted = np.array(model.embed(text, normalize=True, truncate=False))
        np.testing.assert_allclose(each.embedding, wanted, rtol=0, atol=1e-5)
    assert len(shorter.data[0].embedding) == 8
    assert found.usage.prompt_tokens == sum(len(model.tokenize(text.encode())) for text in TEXTS)
