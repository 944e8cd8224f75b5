"""docs/guides/http.md says of paths, headers, statuses and members what the code has."""

import re
from collections import defaultdict
from collections.abc import Collection
from typing import cast

import pytest

from gateway.clock import SystemClock
from gateway.domain.decision import Reason
from gateway.errors import HTTP_STATUS
from gateway.server.calls import Calls
from gateway.server.http import cors, embeddings, request_headers
from gateway.server.http.chat import completions
from gateway.server.http.endpoints import endpoints
from gateway.server.http.messages import parameters
from gateway.server.http.middleware import HttpMiddleware
from gateway.server.http.responses import responses_api
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "guides" / "http.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows, heading
    return rows


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_reason_is_at_its_status() -> None:
    """The table has each reason once, where the code has it."""
    by_status: dict[int, set[str]] = defaultdict(set)
    for reason, status in HTTP_STATUS.items():
        by_status[status].add(str(reason))
    shown = {int(status): {*_words(reasons)} & {*Reason} for status, reasons in _rows("Errors")}
    assert {status: reasons for status, reasons in shown.items() if reasons} == by_status


@pytest.mark.parametrize(
    ("name", "refused", "ignored"),
    [
        ("chat completions", completions.REFUSED, completions.HARMLESS),
        ("embeddings", embeddings.REFUSED, embeddings.HARMLESS),
        ("responses", responses_api.REFUSED, responses_api.HARMLESS),
        ("messages", parameters.REFUSED, parameters.HARMLESS),
    ],
)
def test_what_is_refused_and_ignored_is_that_of_the_code(
    name: str, refused: Collection[str], ignored: Collection[str]
) -> None:
    """No member is missing, and none is named that the code does not have."""
    rows = {row[0].strip(): row[1:] for row in _rows("What is refused, and what is ignored")}
    assert [sorted(_words(cell)) for cell in rows[name]] == [sorted(refused), sorted(ignored)]


def test_every_header_of_a_request_is_there() -> None:
    """Hints, labels, timeouts of SDKs and names of conversations."""
    shown = {word for row in _rows("Headers of a request") for word in _words(row[0])}
    known = {*request_headers.KNOWN, *request_headers.SESSIONS, f"{request_headers.LABEL}KEY"}
    assert shown == known | {"accept-language", "cache-control"}
    assert all(f"`{name}`" in PAGE for name in request_headers.SDK_TIMEOUTS)


def test_every_header_of_an_answer_is_there() -> None:
    """What a web page may read of one is what the table has of the gateway's own."""
    shown = {word for row in _rows("Headers of an answer") for word in _words(row[0])}
    assert {word for word in shown if word.startswith(request_headers.PREFIX)} == {*cors.EXPOSED.split(", ")}


def test_every_path_is_there() -> None:
    """Each endpoint is in one of two tables."""
    middleware = HttpMiddleware(cast("Calls", None), max_request_bytes=1, clock=SystemClock())
    rows = [*_rows("What you know, and what is here"), *_rows("The gateway's own endpoints")]
    shown = {word for row in rows for word in _words(" ".join(row))}
    paths = {re.sub(r"^(?:GET|POST|DELETE) ", "", word) for word in shown}
    for endpoint in endpoints(middleware):
        path = endpoint.path.replace("{model:.+}", "{id}")
        assert (f"/v1{path}" if path.startswith("/") else f"/{path}") in paths
