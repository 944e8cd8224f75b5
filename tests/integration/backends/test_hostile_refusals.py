"""Whatever a provider sends as a refusal is one of our errors, in bounded time."""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.http.codes import SHARP_CODES, VAGUE_CODES
from gateway.backends.http.errors import error_event, refused
from gateway.backends.http.refusal_body import is_error
from gateway.errors import BackendError, BackendRateLimited
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, http, streamed, whole
from tests.support.draws import examples

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from([code for code, _ in (*SHARP_CODES.values(), *VAGUE_CODES.values())]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "code",
                    "type",
                    "message",
                    "detail",
                    "errors",
                    "status",
                    "loc",
                    "param",
                    "retry_after",
                    "retryDelay",
                    "raw",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms"]),
    st.text(max_size=80) | st.floats().map(str),
    max_size=2,
)
KNOWN_CODES = {code for code, _ in (*SHARP_CODES.values(), *VAGUE_CODES.values())}


@settings(max_examples=examples(400), deadline=None)
@given(
    status=st.integers(300, 999),
    body=JSON | st.binary(max_size=300),
    headers=HEADERS,
    unix_s=st.floats(0, 1e11),
)
def test_anything_can_be_met(status: int, body: object, headers: dict[str, str], unix_s: float) -> None:
    """Whatever a provider sends, there is one of our errors for it, with numbers that can be sent on."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode(errors="replace")
    for error in (
        refused("cloud", status=status, body=raw, headers=headers, unix_s=unix_s),
        error_event("cloud", body),
    ):
        assert isinstance(error, BackendError)
        assert error.upstream_code is None or error.upstream_code in KNOWN_CODES
        pause_s = error.retry_after_s
        assert pause_s is None or (math.isfinite(pause_s) and 0 <= pause_s <= 86_400)
    assert is_error(body) in (True, False)


HUGE = [
    b"[" * 200_000,
    b'{"error":' * 50_000,
    b'{"error": {"message": "' + b"x " * 1_000_000 + b'"}}',
    b'{"error": [' + b'{"message": "api key"},' * 20_000 + b"{}]}",
    b'{"retry_after": ' + b"9" * 10_000 + b"}",
    b"model " * 300_000,
    b"a" * 3_000_000,
    b'{"error": {"message": "' + b"api key " * 30_000 + b'"}}',
    ("\N{COMBINING ACUTE ACCENT}" * 500_000).encode(),
    b"\xff\xfe" * 500_000,
    b'"\\ud800"',
]


@pytest.mark.parametrize("body", HUGE, ids=[str(body[:20]) for body in HUGE])
@pytest.mark.parametrize("status", [400, 429, 500])
def test_large_bodies_are_read_in_bounded_time(body: bytes, status: int) -> None:
    """Deep, long or broken: a refusal is told apart within a bounded time."""
    began_s = time.thread_time()
    assert isinstance(refused("cloud", status=status, body=body, headers={}, unix_s=0.0), BackendError)
    assert time.thread_time() - began_s < 0.5


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("body", [b"null", b'"no"', b"[]", b"<html></html>", b"", HUGE[0], HUGE[2]])
@pytest.mark.parametrize("header", ["Retry-After: 1e308", "Retry-After: -1", f"Retry-After: {'9' * 4000}"])
async def test_odd_refusals_come_through_the_client(body: bytes, header: str, ask: Ask) -> None:
    """Nothing on the way from the socket to our error breaks on them."""
    async with RawServer(http(429, body, header)).serve() as server, backend_at(server.base_url) as backend:
        with pytest.raises(BackendRateLimited):
            await ask(backend, call_of())
