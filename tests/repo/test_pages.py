"""What is made from the code for readers (`make pages`) is current, and complete."""

import re
import sys

import pytest

from gateway.cli.app import COMMANDS
from gateway.client.hints import HINTS
from gateway.domain.decision import Reason
from gateway.errors import AttemptError, BackendError, NotTried
from gateway.policy.loading.load import parse_policy
from gateway.v1 import gateway_pb2 as pb
from tests.support.default_policy import with_cloud
from tests.support.repository import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import pages  # tools/ is a folder of scripts, no package.


def text_of(name: str) -> str:
    """Return a page of the reference."""
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", pages.PAGES)
def test_what_is_made_from_the_code_is_current(name: str) -> None:
    """Each file is what the code makes now."""
    assert pages.PAGES[name]() == (ROOT / name).read_text(encoding="utf-8"), "run: make pages"


def test_every_reason_of_the_contract_has_its_advice() -> None:
    """Each value of the proto's Reason is one of the program's, has advice, and is in the table."""
    names = {value.name.removeprefix("REASON_") for value in pb.Reason.DESCRIPTOR.values if value.number}
    assert names == {str(reason) for reason in Reason} == {str(reason) for reason in HINTS}
    assert all(f"| `{name}` |" in text_of("errors.md") for name in names)
    assert all(HINTS.values())


def test_the_statuses_of_a_reason_are_those_of_the_code() -> None:
    """The table knows what a caller gets: spot checks that do not come from the code that makes it."""
    by_grpc, _, by_http = text_of("errors.md").partition("## Over HTTP")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", by_grpc, re.M))
    assert rows["STREAM_TRUNCATED"] == "ABORTED, UNAVAILABLE"
    assert rows["BUDGET_EXHAUSTED"] == rows["QUEUE_FULL"] == "RESOURCE_EXHAUSTED"
    assert rows["CLEARANCE"] == "FAILED_PRECONDITION, UNAVAILABLE"
    assert rows["UNAUTHENTICATED"] == "UNAUTHENTICATED"
    shown = set(re.findall(r"^\| `(\w+)`[^|]* \| (\d+) \| `(\w+)` \|", by_http, re.M))
    assert {reason for reason, _, _ in shown} == {str(reason) for reason in Reason}
    assert {
        ("BUDGET_EXHAUSTED", "429", "insufficient_quota"),
        ("INVALID_REQUEST", "400", "unsupported_parameter"),
        ("INVALID_REQUEST", "404", "model_not_found"),
        ("DEADLINE", "504", "deadline"),
    } <= shown


def test_every_error_of_an_attempt_has_its_row() -> None:
    """The page leaves out no error that dispatch meets, and says of each what follows."""
    rows = dict(
        re.findall(
            r"^\| `(\w+)` \| (\w+ \| (?:yes|no) \| [^|]+ \|[^|]+\|[^|]+)\|", text_of("errors.md"), re.M
        )
    )
    kinds: list[type[AttemptError]] = [NotTried, BackendError]
    for kind in kinds:
        kinds += [child for child in kind.__subclasses__() if child.__module__ == "gateway.errors"]
    assert rows.keys() == {kind.__name__ for kind in kinds[2:]}
    assert rows["ContentFiltered"].strip() == "CONTENT_FILTERED | no | **stop** | ignore | none"
    assert rows["BackendReset"].strip() == "UPSTREAM_UNREACHABLE | yes | yes | failure | unknown"
    assert rows["BudgetExhausted"].strip() == "BUDGET_EXHAUSTED | no | yes | not called | not called"


def test_the_keys_on_the_page_are_the_keys_of_a_policy() -> None:
    """Every key of an effective policy, where all defaults are filled in, has a row."""
    effective = parse_policy(with_cloud(), name="default.yaml").effective_yaml
    listed = set(re.findall(r"^\| `(\w+)` \|", text_of("policy.md"), re.M))
    written = set(re.findall(r"^ *(?:- )?([a-z_0-9]+):", effective, re.M))
    assert written - {"edge", "cloud", "backup"} <= listed
    assert len(written) > 60


def test_a_row_of_a_key_says_all_of_it() -> None:
    """Values, range, default and whether it is required come from the model."""
    page = text_of("policy.md")
    assert "| `slots` | integer from 1 to 256 | `8` | Sequences that are decoded concurrently. |" in page
    threads = "all cores or half of them, whichever is faster | Threads for decoding. |"
    assert f"| `threads` | integer from 1 to 1024 | {threads}" in page
    assert "| `model` | text | **required** | The model's name at the provider. |" in page
    assert page.count("## `privacy.patterns[]`") == 1


def test_every_command_and_its_options_are_on_the_page() -> None:
    """The page of the command line has a heading for each command, and rows for its options."""
    page = text_of("cli.md")
    assert [name for name in COMMANDS if f"\n## `gateway {name}`\n" not in page] == []
    assert "\n### `gateway policy check`\n" in page
    assert re.search(
        r"^\| `--listen ADDRESS` \| .* \| `GATEWAY_LISTEN`, `default: 127\.0\.0\.1:50051` \|$", page, re.M
    )
