"""Who counts the tokens of a prompt, and what comes of a model that cannot."""

from dataclasses import replace

import pytest

from gateway.clock import Deadline
from gateway.dispatch.token_count import TokenCounts
from gateway.domain.conversation import Image, Message, Role, Tool
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendError, EngineDown
from gateway.policy.loading.load import parse_policy
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.policies import POLICY

REQUEST = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content="hello"),))
WITH_TOOLS = replace(REQUEST, config=GenerationConfig(tools=(Tool(name="look"),)))

WITH_IMAGE = replace(
    REQUEST,
    messages=(Message(role=Role.USER, parts=(Image(data=b"x", media_type="image/png"),)),),
)


class Counting(ScriptedBackend):
    """A model that counts, or fails to."""

    failure: BackendError | None = None

    async def count_tokens(self, request: Request, deadline: Deadline) -> int:
        """Return a number, or fail."""
        if self.failure is not None:
            raise self.failure
        return 42


@pytest.mark.parametrize(
    ("request_", "model", "failure", "tokens"),
    [
        (REQUEST, "edge", None, 42),
        (REQUEST, "edge", EngineDown("edge", "is down"), None),
        (WITH_TOOLS, "edge", None, 42),
        (WITH_IMAGE, "edge", None, None),
        (REQUEST, "cloud", None, None),
    ],
)
async def test_a_model_s_own_count(
    request_: Request, model: str, failure: BackendError | None, tokens: int | None
) -> None:
    """None: the caller gets an estimate; a model that is down, or not sent all of it, cannot say."""
    edge = Counting("edge", [reply("x")])
    edge.failure = failure
    counts = TokenCounts({"edge": edge, "cloud": ScriptedBackend("cloud", [reply("x")])})
    spec = parse_policy(POLICY, name="p").models[model]
    assert await counts.of(request_, model, spec, Deadline.never()) == tokens
