"""Requests over HTTP in which any part is any JSON."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from gateway.domain.request import Request
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import finished
from gateway.policy.http import HttpPolicy
from gateway.server.http.dialect import HttpDialect
from gateway.server.validation.request import checking_steps

BASE = Request(request_id="r", tenant="t", messages=())
SECTION = HttpPolicy(drop_hosted_tools=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value within another one."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(whole: Mapping[str, Any], way: tuple[Any, ...], value: Any, *, is_extra: bool) -> dict[str, Any]:
    """Return a body with a value in the place of a part of it, or beside that under another name."""
    body: Any = copy.deepcopy(whole)
    holder = body
    for key in way[:-1]:
        holder = holder[key]
    if is_extra and isinstance(holder, dict):
        holder[f"{way[-1]}_"] = value
    else:
        holder[way[-1]] = value
    found: dict[str, Any] = body
    return found


def taken(dialect: HttpDialect, body: Mapping[str, Any]) -> Request:
    """Take a body as the gateway does."""
    return finished(checking_steps(dialect.parse(body, BASE, SECTION)))


def error_of(dialect: HttpDialect, body: Mapping[str, Any]) -> str | None:
    """Return the member that is to blame, None for a request."""
    try:
        request = dialect.parse(body, BASE, SECTION)
    except InvalidRequest as error:
        return error.field
    try:
        finished(checking_steps(request))
    except InvalidRequest as error:
        return dialect.place(error.field, body)
    return None
