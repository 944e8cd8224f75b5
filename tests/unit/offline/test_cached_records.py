"""What the cache answered is left out where records are learned from: it says nothing of a model."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.offline.recorded_outcomes import recorded_outcomes
from gateway.offline.replay import cost_of_first
from gateway.offline.traffic import gather
from gateway.policy.loading.load import parse_policy
from gateway.policy.loading.threshold import threshold_of
from gateway.records.decoding import read_record
from gateway.records.encoding import fields_of
from tests.support.decisions import decided
from tests.support.records_made import POLICY, ended

PARSED = parse_policy(POLICY, name="p")


def recorded(request_id: str, cached_age_s: float | None) -> Mapping[str, Any]:
    """Return the record of an answered request."""
    report = ended(PARSED, request_id=request_id)
    assert report.answer is not None
    report = replace(report, answer=replace(report.answer, cached_age_s=cached_age_s))
    fields: dict[str, Any] = json.loads(json.dumps({"v": 1, **fields_of(report)}))
    return fields


MADE, KEPT = recorded("r-1", None), recorded("r-2", 0.0)


def test_learning_leaves_it_out() -> None:
    """Feedback on a kept answer is about the request that it was made for."""
    feedback = [
        {"v": 1, "kind": "feedback", "at_unix_s": 4e9, "tenant": each["tenant"], "score": 1.0,
         "request_id": each["request_id"], "labels": {}}
        for each in (MADE, KEPT)
    ]  # fmt: skip
    found = recorded_outcomes(lambda: [("x:1", each) for each in (MADE, KEPT, *feedback)])

    assert (found.requests, found.feedback, len(found.joined)) == (1, 2, 1)


def test_calibration_leaves_it_out() -> None:
    """No threshold would have changed what it cost; the report counts it."""
    traffic = gather(map(read_record, (MADE, KEPT)), PARSED, threshold_of(PARSED))

    assert (len(traffic.requests), traffic.cached) == (1, 1)


@pytest.mark.parametrize(("fields", "is_free"), [(MADE, False), (KEPT, True)])
def test_replay_takes_it_for_free(fields: Mapping[str, Any], is_free: bool) -> None:
    """Under another policy too the answer is there already, or is kept after the first request."""
    in_the_cloud = decided(PARSED, complexity=0.9)

    assert (cost_of_first(read_record(fields), in_the_cloud, PARSED) == 0) is is_free
