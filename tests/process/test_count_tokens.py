"""How long a prompt is, by the engine that would read it."""

import grpc
import pytest

from gateway.app.build import running_gateway
from gateway.backends.local import LocalBackend
from gateway.clock import Deadline, SystemClock
from gateway.domain.address import ListenSettings
from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request
from gateway.engine.server import LONG_BYTES
from gateway.engine.v1 import engine_pb2
from gateway.errors import EngineDown
from gateway.policy.loading.load import parse_policy
from gateway.server.access import Access, anyone
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.policies import POLICY
from tests.support.real_engine import ask, request, running, spec
from tests.support.served import ANY_PORT

CLOCK = SystemClock()
TEXTS = ["Hello", "Grüße aus 東京 🙂", "", "<|end|> is text here", "word " * LONG_BYTES]


def request_of(text: str) -> Request:
    """Return a request of one message."""
    return Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content=text),))


async def test_a_count_is_that_of_the_answer() -> None:
    """The engine counts as it does when it reads the prompt; a long one, which it would refuse, too."""
    async with running(spec(context=2048)) as (supervisor, stub):
        backend = LocalBackend("edge", supervisor, clock=CLOCK)
        counts = [await backend.count_tokens(request_of(text), Deadline.after(20, CLOCK)) for text in TEXTS]
        read = [(await ask(stub, request(text, max_tokens=1)))[-1].finished for text in TEXTS[:-1]]
        with pytest.raises(grpc.aio.AioRpcError) as nothing:
            await stub.CountTokens(engine_pb2.CountTokensRequest())
        wrong = engine_pb2.Message(role="robot", content="x")
        with pytest.raises(grpc.aio.AioRpcError) as nobody:
            await stub.CountTokens(engine_pb2.CountTokensRequest(messages=[wrong]))
        status = await backend.status(9.0)
    with pytest.raises(EngineDown):
        await backend.count_tokens(request_of("Hello"), Deadline.after(20, CLOCK))
    await backend.aclose()

    assert counts[:-1] == [each.prompt_tokens for each in read]
    assert counts[-1] > LONG_BYTES
    assert "messages are required" in str(nothing.value.details())
    assert "messages: each role" in str(nobody.value.details())
    assert status.requests["STOP"] + status.requests["LENGTH"] == len(read), "to count generates nothing"


async def test_the_gateway_asks_the_engine_of_the_model_it_would_use() -> None:
    """Exact at the edge; an estimate for a cloud model, and for what the engine is not sent."""
    policy = parse_policy(POLICY, name="policy.yaml")
    hello = [pb.Message(role=pb.ROLE_USER, content="Hello")]
    async with (
        running_gateway(
            policy,
            listen=ListenSettings(address=ANY_PORT, max_request_bytes=1024 * 1024, drain_s=0.0, grace_s=5.0),
            access=Access(tenant_of=anyone, tls=None, guards_health=False),
            state_url="memory:",
            environ={},
        ) as gateway,
        grpc.aio.insecure_channel(gateway.target) as channel,
    ):
        stub: pb_grpc.GatewayServiceAsyncStub = pb_grpc.GatewayServiceStub(channel)
        exact = await stub.CountTokens(pb.CountTokensRequest(messages=hello))
        answer = await stub.Generate(pb.GenerateRequest(messages=hello))
        cloud = await stub.CountTokens(pb.CountTokensRequest(messages=hello, model="cloud"))
        tools = pb.GenerationConfig(tools=[pb.Tool(name="look")])
        with_tools = await stub.CountTokens(pb.CountTokensRequest(messages=hello, model="edge", config=tools))

    assert (exact.model, exact.is_estimate) == ("edge", False)
    assert exact.prompt_tokens == answer.usage.prompt_tokens
    assert (cloud.model, cloud.is_estimate, cloud.prompt_tokens) == ("cloud", True, 2)
    assert (with_tools.model, with_tools.is_estimate) == ("edge", True)
