"""A gateway opens connections to what `gateway policy egress` lists, and to nothing else."""

import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from gateway.policy.egress import destinations, opened_by_gateway
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from tests.support.served import ask, served

POLICY = """
version: 1
models:
  direct: {{kind: openai, model: sim, clearance: public, base_url: "{direct}", price_per_million_usd: PRICE}}
  second: {{kind: openai, model: sim, clearance: public, base_url: "{second}", price_per_million_usd: PRICE}}
  behind: {{kind: openai, model: sim, clearance: public, base_url: "http://provider.invalid/v1",
           proxy: "{proxy}", price_per_million_usd: PRICE}}
rules: [{{name: all, route: [direct, second, behind]}}]
resilience: {{attempts: 1}}
replies: [{{id: sorry, text: "Sorry."}}]
""".replace("PRICE", "{{input: 1, output: 2}}")
MODELS = ("direct", "second", "behind")
_opened: set[tuple[str, int]] | None = None
"""What this process has connected to since `_connections` began; None: nobody looks."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple):
            _opened.add((str(address[0]), int(address[1])))


@contextmanager
def _connections() -> Iterator[set[tuple[str, int]]]:
    global _opened
    _opened = found = set[tuple[str, int]]()
    try:
        yield found
    finally:
        _opened = None


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    """Watch connections; an audit hook stays for the life of the process, and is quiet without a set."""
    sys.addaudithook(_watch)


@pytest.mark.parametrize("asked", [("direct",), ("second", "behind"), MODELS])
async def test_what_is_opened_is_what_is_listed(asked: tuple[str, ...]) -> None:
    """Each model's own URL, or its proxy in place of it; asking every model opens exactly the list."""
    clouds = {name: SimulatedCloud() for name in MODELS}
    async with AsyncExitStack() as stack:
        for cloud in clouds.values():
            await stack.enter_async_context(cloud.serve())
        text = POLICY.format(
            direct=clouds["direct"].base_url,
            second=clouds["second"].base_url,
            proxy=clouds["behind"].base_url.removesuffix("/v1"),
        )
        listed = {
            name: (each.host, each.port)
            for each in opened_by_gateway(destinations(parse_policy(text, name="p")))
            for name in each.users
        }
        gateway = await stack.enter_async_context(served({}, policy=text))
        with _connections() as opened:
            for name in asked:
                response = await gateway.stub.Generate(ask(model=name))
                assert response.model == name
    assert opened == {listed[name] for name in asked}
