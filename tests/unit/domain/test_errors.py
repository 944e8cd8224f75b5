"""The tree at the top of `gateway/errors.py` is the tree of its classes."""

import re

from gateway import errors
from gateway.domain.decision import Reason
from gateway.errors import HTTP_STATUS, AttemptError, BackendError, GatewayError

LINE = re.compile(r"^(?P<bars>[ │├└─]*)(?P<name>[A-Z]\w+) +(?P<code>[A-Z_]+|\(by its \w+\)) +(?P<what>.+)$")
DRAWN = [found for line in (errors.__doc__ or "").splitlines() if (found := LINE.match(line))]


def _classes(base: type[GatewayError]) -> list[type[GatewayError]]:
    below = [sub for sub in base.__subclasses__() if sub.__module__ == errors.__name__]
    return [found for sub in below for found in (sub, *_classes(sub))]


def test_every_error_is_drawn_where_it_belongs() -> None:
    """Each class stands in the tree once, as deep as it inherits."""
    drawn = [(found["name"], len(found["bars"]) // 4) for found in DRAWN]
    depth_of_root = len(GatewayError.__mro__)

    real = [(kind.__name__, len(kind.__mro__) - depth_of_root) for kind in _classes(GatewayError)]

    assert sorted(drawn) == sorted(real)


def test_each_drawn_code_is_the_real_one() -> None:
    """The code beside a name is what the caller gets; a kind's own subclasses say it where it has none."""
    for found in DRAWN:
        kind = getattr(errors, found["name"])
        if not found["code"].startswith("("):
            assert kind.code == found["code"], found["name"]


def test_what_the_tree_says_of_retry_and_stop_is_true() -> None:
    """`retry:` and `stop:` stand exactly at the errors that are retried and those that end the request."""
    for found in DRAWN:
        kind = getattr(errors, found["name"])
        if issubclass(kind, AttemptError) and kind not in (AttemptError, BackendError):
            assert found["what"].startswith("retry:") == kind.retryable, found["name"]
            assert found["what"].startswith("stop:") == (not kind.fallback), found["name"]


def test_every_reason_has_a_status_of_http() -> None:
    """None is missing, and each says whose fault it is as the gRPC status does where that is certain."""
    assert set(HTTP_STATUS) == set(Reason)
    kinds: list[type[GatewayError]] = [GatewayError, *_classes(GatewayError)]
    for kind in kinds:
        status = HTTP_STATUS[kind.reason]
        if kind.code == "INVALID_ARGUMENT":
            assert status == 400, kind.__name__
        if kind.code == "RESOURCE_EXHAUSTED":
            assert status == 429, kind.__name__
        if kind.code in ("INTERNAL", "UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED"):
            assert status >= 500, kind.__name__
