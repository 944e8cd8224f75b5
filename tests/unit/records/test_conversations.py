"""What is recorded of a conversation with tools: numbers, and names that the policy lists; never a text."""

import json
from dataclasses import replace

from gateway.domain.answer import FinishReason, Usage
from gateway.domain.conversation import Message, Role, ToolCall
from gateway.policy.loading.load import parse_policy
from gateway.records.decoding import read_record
from gateway.records.encoding import fields_of
from gateway.telemetry.logs import answer_fields
from tests.support.records_made import POLICY, ended

SECRET = "marmalade"
USAGE = Usage(
    prompt_tokens=100,
    completion_tokens=20,
    cached_prompt_tokens=90,
    cache_write_tokens=5,
    reasoning_tokens=7,
)
CALLS = tuple(
    ToolCall(id=f"c{i}", name=name, arguments_json=f'{{"{SECRET}": "{SECRET}"}}', arguments_invalid=i == 2)
    for i, name in enumerate(("look", "look", "send_mail"))
)


def test_calls_are_counted_and_named_where_the_policy_says_so() -> None:
    """The record counts all, names those of the list, and holds no word of an argument."""
    policy = parse_policy(POLICY.replace("records: {", "records: {tool_names: [look, other], "), name="p")
    report = ended(policy)
    assert report.answer is not None
    answer = replace(
        report.answer,
        message=Message(role=Role.ASSISTANT, parts=CALLS),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=USAGE,
    )
    fields = fields_of(replace(report, answer=answer))
    assert fields["tool_calls"] == {"count": 3, "invalid": 1, "names": {"look": 2}}
    assert fields["usage"]["cached_prompt_tokens"] == 90
    assert SECRET not in json.dumps(fields)
    assert "send_mail" not in json.dumps(fields)
    assert answer_fields(answer)["tool_calls"] == 3
    assert answer_fields(answer)["cached_prompt_tokens"] == 90


def test_usage_of_every_kind_is_read_back() -> None:
    """What was written is what is read; an older record without the new counts has none."""
    report = ended(parse_policy(POLICY, name="p"))
    assert report.answer is not None
    fields = {"v": 1, **fields_of(replace(report, answer=replace(report.answer, usage=USAGE)))}
    assert read_record(fields).usage == USAGE
    old = {**fields, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    assert read_record(old).usage == Usage(prompt_tokens=3, completion_tokens=2)
