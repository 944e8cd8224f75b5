"""A kind of model that the package does not know: a spec class, a backend class, one line in the registry."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pydantic import Field

from gateway.backends.base import Call
from gateway.backends.permit import permitted
from gateway.clock import Clock
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.errors import PolicyError, StartupError
from gateway.policy.diff.loosening import loosened
from gateway.policy.diff.restart import needs_restart
from gateway.policy.kinds import KINDS, Kind
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import privacy_class
from gateway.policy.priced import Price
from gateway.policy.spec import ModelSpec
from gateway.v1 import gateway_pb2 as pb
from tests.support.served import served

POLICY = """
version: 1
models:
  parrot: {kind: parrot, greeting: "Hi,", clearance: internal, key: PARROT_KEY}
budgets:
  - {name: all, per: all, limit_usd: 1, window: day}
rules:
  - {name: default, route: [parrot]}
replies:
  - {id: sorry, text: "Sorry."}
"""
EMAIL = "write to jan.kowalski@firma-example.pl"


class ParrotModel(ModelSpec):
    """A model far away that repeats what it is told, for a dollar a million tokens."""

    kind: Literal["parrot"] = Field()
    context: int = 1000
    greeting: str
    key: str

    @property
    def token_price(self) -> Price:
        """What its tokens cost."""
        return Price.model_validate({"input": 1, "output": 1})

    @property
    def key_variable(self) -> str:
        """The environment variable that holds the key that it is called with."""
        return self.key


class Parrot:
    """Says the last message again, and which key it has."""

    def __init__(self, name: str, spec: ParrotModel, *, api_key: str | None, clock: Clock) -> None:
        self.name = name
        self._spec = spec
        self._api_key = api_key

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer."""
        text = "".join([chunk.text async for chunk in self.stream(call)])
        usage = Usage(prompt_tokens=2, completion_tokens=3)
        return Reply(text=text, finish_reason=FinishReason.STOP, usage=usage)

    async def stream(self, call: Call) -> AsyncIterator[Chunk]:
        """Yield the answer, for which routing's permit is needed."""
        permit = permitted(call, model=self.name, clearance=privacy_class(self._spec.clearance))
        yield Chunk(text=f"{self._spec.greeting} {self._api_key}: ")
        usage = Usage(prompt_tokens=2, completion_tokens=3)
        yield Chunk(text=permit.request.messages[-1].content, finish_reason=FinishReason.STOP, usage=usage)

    async def aclose(self) -> None:
        """Free nothing."""


@pytest.fixture(autouse=True)
def parrots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the kind, which is one line."""
    monkeypatch.setitem(KINDS, "parrot", Kind(ParrotModel, f"{__name__}:Parrot"))


def request(content: str) -> pb.GenerateRequest:
    """Return a request of one message."""
    return pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=content)])


def test_a_gateway_answers_with_it() -> None:
    """Its key comes from the environment, its answer counts as the cloud's, and its tokens are charged."""

    async def body() -> None:
        async with served({}, policy=POLICY, environ={"PARROT_KEY": "k"}) as gateway:
            answer = await gateway.stub.Generate(request("hello"))
            assert (answer.text, answer.model, answer.route) == ("Hi, k: hello", "parrot", pb.ROUTE_CLOUD)
            assert answer.cost_usd == pytest.approx(5 / 1_000_000)
            assert [attempt.outcome for attempt in answer.attempts] == [pb.OUTCOME_ANSWERED]

    asyncio.run(body())


def test_it_is_sent_nothing_above_its_clearance() -> None:
    """What holds for every kind holds for it: it leaves this host, so private text does not reach it."""

    async def body() -> None:
        async with served({}, policy=POLICY, environ={"PARROT_KEY": "k"}) as gateway:
            answer = await gateway.stub.Generate(request(EMAIL))
            assert answer.HasField("degraded")
            assert answer.degraded.reason == pb.REASON_CLEARANCE
            assert not answer.attempts

    asyncio.run(body())


def test_a_policy_is_refused_for_the_keys_of_this_kind_alone() -> None:
    """The message names the wrong key, what it may have meant, and no key of another kind."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(POLICY.replace("greeting:", "greting:"), name="p.yaml")
    assert caught.value.problems == (
        "p.yaml:4: models.parrot.greeting: is missing",
        "p.yaml:4: models.parrot.greting: unknown key (did you mean 'greeting'?)",
    )


def test_an_unknown_kind_is_told_which_there_are() -> None:
    """The kinds are those of the registry."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(POLICY.replace("kind: parrot", "kind: cockatoo"), name="p.yaml")
    assert caught.value.problems == (
        "p.yaml:4: models.parrot.kind: unknown value 'cockatoo'; one of llama_cpp, openai, anthropic, parrot",
    )


def test_an_air_gap_refuses_a_kind_that_does_not_say_where_its_requests_go() -> None:
    """What leaves the host must name an address that is on it."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(POLICY, name="p.yaml", air_gap=True)
    assert "models.parrot.kind: has no key for the address of requests" in str(caught.value)


def test_a_changed_key_may_be_looser_until_a_person_says_otherwise() -> None:
    """A reload takes it up without a restart, and a key that nobody compares counts as looser."""
    before = parse_policy(POLICY, name="p.yaml")
    after = parse_policy(POLICY.replace('"Hi,"', '"Hello,"'), name="p.yaml")
    assert list(needs_restart(before, after)) == []
    assert loosened(before, after) == [
        (("models", "parrot", "greeting"), "changed; whether it is looser is not known")
    ]


def test_a_gateway_does_not_start_without_its_key() -> None:
    """The variable that the spec names must be set."""

    async def body() -> None:
        async with served({}, policy=POLICY):
            raise AssertionError("it started")

    with pytest.raises(StartupError, match="the variable PARROT_KEY is not set"):
        asyncio.run(body())
