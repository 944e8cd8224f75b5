"""What is recorded of a decision, and read back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.capability import Capability
from gateway.domain.decision import Reason, Refusal
from gateway.policy.loading.load import parse_policy
from gateway.records.decoding import BadRecord, read_record
from gateway.records.encoding import fields_of
from tests.support.records_made import POLICY, ended

IMAGES = Refusal(model="edge", reason=Reason.CAPABILITY, missing=(Capability.IMAGES, Capability.TOOLS))


def fields(needs: tuple[Capability, ...] = (), refused: tuple[Refusal, ...] = ()) -> dict[str, Any]:
    """Return the record of a call, through JSON as in a file."""
    report = ended(parse_policy(POLICY, name="p"))
    assert report.decision is not None
    assert report.decision.routing_input is not None
    routing_input = replace(report.decision.routing_input, needs=needs)
    decision = replace(report.decision, routing_input=routing_input, refused=refused)
    read: dict[str, Any] = json.loads(json.dumps({"v": 1, **fields_of(replace(report, decision=decision))}))
    return read


def test_needs_and_what_is_missing_are_read_back() -> None:
    """A record says what the request needed, and of each refused model what it cannot do."""
    record = read_record(fields((Capability.IMAGES, Capability.TOOLS), (IMAGES,)))
    assert record.routing_input.needs == (Capability.IMAGES, Capability.TOOLS)
    assert record.refused == (IMAGES,)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [("", ""), ("auto", ""), ("edge", "edge"), ("gpt-jane.roe", "gpt-*"), ("unheard-of", "")],
)
def test_the_model_asked_for_is_kept_by_its_entry_in_the_policy(asked: str, kept: str) -> None:
    """A name that a pattern takes is the caller's text, and is not recorded; an older record has none."""
    policy = parse_policy(POLICY + 'aliases: {"gpt-*": cloud}\n', name="p")
    report = ended(policy)
    assert report.decision is not None
    assert report.decision.routing_input is not None
    routing_input = replace(report.decision.routing_input, model=asked)
    decision = replace(report.decision, routing_input=routing_input)
    line = json.dumps({"v": 1, **fields_of(replace(report, decision=decision))})
    assert read_record(json.loads(line)).routing_input.model == kept
    assert "jane" not in line

    old = json.loads(line)
    del old["facts"]["model"]
    assert read_record(old).routing_input.model == ""


@pytest.mark.parametrize("facts", [{"needs": ["flight"]}, {"needs": None}])
def test_an_unknown_need_is_no_record(facts: Mapping[str, object]) -> None:
    """A reader that does not know a need cannot repeat the decision."""
    wrong = fields()
    wrong["facts"] |= facts
    with pytest.raises(BadRecord):
        read_record(wrong)
