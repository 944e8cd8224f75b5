"""The tables of the docs that are made from the code: in step with it, and complete."""

import importlib.util
import re
from functools import cache
from types import ModuleType

import pytest

from gateway.client.hints import ADVICE
from gateway.policy.loading.load import parse_policy
from gateway.types import Reason
from gateway.v1 import gateway_pb2 as pb
from tests.support.repository import ROOT

DOCS = ROOT / "docs"


@cache
def _tool() -> ModuleType:
    """Load tools/pages.py, which is no package."""
    spec = importlib.util.spec_from_file_location("pages_tool", ROOT / "tools" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["guides/write-a-client.md", "guides/write-a-policy.md"])
def test_the_tables_are_made_anew(page: str) -> None:
    """What stands on the page is what the code makes now; if not: make pages."""
    assert _tool().made(page) == (DOCS / page).read_text(encoding="utf-8"), "run: make pages"


def test_every_reason_of_the_contract_has_its_advice() -> None:
    """Each value of the proto's Reason is one of the program's, has advice, and stands in the table."""
    names = {value.name.removeprefix("REASON_") for value in pb.Reason.DESCRIPTOR.values if value.number}
    table = _tool().reasons_table()
    assert names == {str(reason) for reason in Reason} == {str(reason) for reason in ADVICE}
    assert all(f"| `{name}` |" in table for name in names)
    assert all(advice and "|" not in advice for advice in ADVICE.values())


def test_the_statuses_of_a_reason_are_those_of_the_code() -> None:
    """The table knows what a caller gets: spot checks that do not come from the code that makes it."""
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", _tool().reasons_table(), re.M))
    assert rows["STREAM_TRUNCATED"] == "ABORTED, UNAVAILABLE"
    assert rows["BUDGET_EXHAUSTED"] == rows["QUEUE_FULL"] == "RESOURCE_EXHAUSTED"
    assert rows["CLEARANCE"] == "FAILED_PRECONDITION, UNAVAILABLE"
    assert rows["UNAUTHENTICATED"] == "UNAUTHENTICATED"


def test_the_keys_on_the_page_are_the_keys_of_a_policy() -> None:
    """Every key of an effective policy, where all defaults are filled in, has a row."""
    effective = parse_policy(
        (ROOT / "policies" / "default.yaml").read_text(encoding="utf-8"), name="default.yaml"
    ).effective_yaml
    last_names = set(re.findall(r"^\| `[^`]*?(\w+)` \|", _tool().keys_table(), re.M))
    written = set(re.findall(r"^ *(?:- )?([a-z_0-9]+):", effective, re.M))
    names_of_our_own = {"edge"}
    assert written - names_of_our_own <= last_names
    assert len(written) > 30
