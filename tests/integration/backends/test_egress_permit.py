"""Nothing leaves for a cloud model without routing's leave, and nobody else can give it."""

import ast
import dataclasses
import pickle
from collections.abc import Callable

import pytest

from gateway.backends.base import Call
from gateway.clock import Deadline
from gateway.domain.decision import EgressPermit, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.errors import NotPermitted
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from gateway.testing.scripted import reply
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, backend_at, streamed, whole
from tests.support.decisions import decide
from tests.support.dispatch_doubles import Bench, a_decision, a_request
from tests.support.permits import WRONG, permit_for
from tests.support.repository import ROOT
from tests.support.virtual_time import virtual_time

PACKAGE = ROOT / "gateway"
CLASSES = list(PrivacyClass)


class TestMint:
    """Routing alone makes permits."""

    @pytest.mark.parametrize("seal", [None, object(), "seal", True])
    def test_without_the_seal_there_is_none(self, seal: object) -> None:
        """Whoever has no seal cannot construct one."""
        with pytest.raises(TypeError, match=r"gateway\.routing alone"):
            EgressPermit(
                request_id="r1",
                model="cloud",
                privacy_class=PrivacyClass.PUBLIC,
                clearance=PrivacyClass.PUBLIC,
                policy_hash="0" * 64,
                request=a_request(),
                seal=seal,
            )

    def test_a_permit_cannot_be_altered(self) -> None:
        """It is frozen, and a changed copy would need the seal again."""
        permit = permit_for(a_request())
        with pytest.raises(dataclasses.FrozenInstanceError):
            permit.model = "other"  # type: ignore[misc]  # What is tested.
        with pytest.raises(ValueError, match="seal"):
            dataclasses.replace(permit, model="other")  # type: ignore[call-arg]  # What is tested.

    def test_no_other_module_names_the_seal_or_makes_a_permit(self) -> None:
        """In the whole package the seal stands in two files, and one call makes permits."""
        seals, makers = set(), []
        for path in PACKAGE.rglob("*.py"):
            where = path.relative_to(PACKAGE).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "value", "")} | {
                    alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)
                }
                if "_ROUTING_SEAL" in {name for name in names if isinstance(name, str)}:
                    seals.add(where)
                if isinstance(node, ast.Call) and "EgressPermit" in ast.unparse(node.func):
                    makers.append(where)
        assert seals == {"domain/decision.py", "routing.py"}
        assert makers == ["routing.py"]

    def test_a_permit_shows_no_text(self) -> None:
        """Its repr names no word of the request."""
        assert "prompt" not in repr(permit_for(a_request()))


POLICY = """\
version: 1
models:
  edge:     {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  top:      {kind: openai, model: a, clearance: restricted, price_per_million_usd: {input: 1, output: 1}}
  middle:   {kind: openai, model: a, clearance: confidential, price_per_million_usd: {input: 1, output: 1}}
  low:      {kind: openai, model: a, clearance: internal, price_per_million_usd: {input: 1, output: 1}}
  lowest:   {kind: openai, model: a, clearance: public, price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [lowest, low, middle, top, edge]}]
replies: [{id: sorry, text: x}]
"""


@pytest.mark.parametrize("privacy_class", CLASSES)
def test_routing_permits_the_cloud_models_of_the_chain_and_no_other(privacy_class: PrivacyClass) -> None:
    """A permit for each cloud model that is cleared, with its class, clearance, hash and request."""
    policy = parse_policy(POLICY, name="p")
    request = a_request()
    decision = decide(
        request,
        scores=Scores(complexity=0.0, privacy=0.0, budget=0.0),
        privacy=PrivacyAssessment(score=0.0, privacy_class=privacy_class, reason="test"),
        policy=policy,
        state=RoutingState(deadline_s=60.0),
    )
    cleared = ["lowest", "low", "middle", "top"][privacy_class - 1 :]
    assert decision.chain == (*cleared, "edge")
    assert list(decision.permits) == cleared
    for name, permit in decision.permits.items():
        assert (permit.model, permit.request_id, permit.policy_hash) == (name, "r1", policy.hash)
        assert permit.privacy_class is privacy_class
        assert permit.clearance >= privacy_class
        assert permit.request is request


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_no_permit_that_fits_no_byte(ask: Ask, wrong: Callable[[Call], object]) -> None:
    """The cloud backend refuses before it opens a connection, and its error holds no word of the prompt."""
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url) as backend:
        good = call_of("marked words")
        bad = dataclasses.replace(good, permit=wrong(good))  # type: ignore[arg-type]  # What is tested.
        with pytest.raises(NotPermitted) as caught:
            await ask(backend, bad)
        assert "marked" not in str(caught.value)
        assert cloud.bill().bytes_received == 0
        await ask(backend, good)
        assert cloud.bill().requests == 1


async def test_what_is_sent_is_what_was_permitted() -> None:
    """A permit for one text carries no other, equal requests are the same request."""
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url) as backend:
        call = call_of("marked words")
        await whole(backend, dataclasses.replace(call, permit=pickle.loads(pickle.dumps(call.permit))))
        assert b"marked words" in cloud.received()[0].body


class TestDispatch:
    """Permits are handed on, and a decision holds under its own policy only."""

    @virtual_time
    async def test_each_model_gets_its_own_permit(self) -> None:
        """Retries of a cloud model have its permit, the edge has none."""
        request = a_request()
        bench = Bench({"cloud": [reply("a")], "edge": [reply("b")]})
        permit = permit_for(request)
        decision = dataclasses.replace(a_decision("cloud"), permits={"cloud": permit})
        for chain in ("cloud", "edge"):
            await bench.dispatcher.generate(
                request,
                dataclasses.replace(decision, chain=(chain,)),
                policy=bench.policy,
                deadline=Deadline.after(9.0, bench.clock),
            )
        assert bench.backends["cloud"].calls[0].permit is permit
        assert bench.backends["edge"].calls[0].permit is None

    @virtual_time
    async def test_a_policy_swapped_in_between_is_a_defect(self) -> None:
        """A decision made under one policy is not carried out under another: nobody is called."""
        bench = Bench({"cloud": [reply("a")]})
        decision = dataclasses.replace(a_decision("cloud"), policy_hash="1" * 64)
        with pytest.raises(NotPermitted):
            await bench.dispatcher.generate(
                a_request(), decision, policy=bench.policy, deadline=Deadline.after(9.0, bench.clock)
            )
        assert bench.called("cloud") == 0
