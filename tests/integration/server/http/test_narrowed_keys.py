"""API keys that the policy narrows, as OpenAI's own client sees them."""

from pathlib import Path

import openai
import pytest

from tests.support.named_keys import NARROWED, edge_and_cloud, named_keys
from tests.support.openai_client import client_of
from tests.support.served import ANY_PORT, served


async def test_a_key_gets_the_models_that_it_may_use_and_no_others(tmp_path: Path) -> None:
    """The transport does nothing for it: the pipeline knows the key's name, whichever brought the call."""
    keys = named_keys(tmp_path, "acme/ci")
    async with (
        served(edge_and_cloud(), policy=NARROWED, tenant_of=keys.tenant_of, http=ANY_PORT) as gateway,
        client_of(gateway, key=keys.by_caller["acme/ci"]) as client,
    ):
        answer = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hello"}]
        )
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hello"}]
            )

    assert answer.model == "edge"
    assert (refused.value.code, refused.value.type) == ("model_not_allowed", "permission_error")
    assert "keys called ci may not use cloud" in refused.value.message
