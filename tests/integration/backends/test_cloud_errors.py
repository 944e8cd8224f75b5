"""What a provider's refusal means to us: status, code, and when to come back."""

import email.utils
import json
import traceback

import pytest
from structlog.testing import capture_logs

from gateway.backends.http.codes import SHARP_CODES, STATUSES
from gateway.backends.http.errors import refused, retry_after_s
from gateway.domain.answer import FinishReason
from gateway.errors import (
    BackendConflict,
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendMisfit,
    BackendModelMissing,
    BackendOverAllowance,
    BackendOverloaded,
    BackendQuotaUsedUp,
    BackendRateLimited,
    Charge,
    ContentFiltered,
    ContextTooLong,
)
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, event_stream, http, streamed, whole
from tests.support.fakes import FakeClock

NOW_S = 1_800_000_000.0


TABLE = [
    (301, None, BackendModelMissing, "a redirect is not followed: it would take the prompt elsewhere"),
    (307, None, BackendModelMissing, "nor is one that keeps the method"),
    (400, None, BackendInvalid, "it does not say why"),
    (400, "context_length_exceeded", ContextTooLong, "a larger model may take it"),
    (400, "exceed_context_size_error", ContextTooLong, "llama-server's word for it"),
    (413, "context_length_exceeded", ContextTooLong, "the code says more than the status"),
    (400, "content_filter", ContentFiltered, "not routed around"),
    (403, "content_policy_violation", ContentFiltered, "the same by another name and status"),
    (400, "unheard_of", BackendInvalid, "an unknown code says nothing"),
    (400, "invalid_api_key", BackendCredentials, "whatever the status"),
    (400, "model_not_found", BackendModelMissing, "whatever the status"),
    (400, "insufficient_balance", BackendQuotaUsedUp, "whatever the status"),
    (400, "ThrottlingException", BackendRateLimited, "whatever the status"),
    (401, None, BackendCredentials, "our key"),
    (402, None, BackendQuotaUsedUp, "an empty account at other providers"),
    (403, None, BackendCredentials, "our key, perhaps"),
    (404, None, BackendModelMissing, "the policy's model"),
    (405, None, BackendModelMissing, "no chat completions at this address"),
    (407, None, BackendCredentials, "the proxy's"),
    (408, None, BackendFailed, "may heal"),
    (409, None, BackendConflict, "may heal"),
    (413, None, ContextTooLong, "a larger model may take it"),
    (413, "rate_limit_exceeded", BackendOverAllowance, "no waiting makes it smaller"),
    (422, None, BackendInvalid, "it does not say why"),
    (424, None, BackendFailed, "what is behind the API failed"),
    (425, None, BackendFailed, "may heal"),
    (429, None, BackendRateLimited, "may heal"),
    (429, "rate_limit_exceeded", BackendRateLimited, "may heal"),
    (429, "slow_down", BackendRateLimited, "may heal"),
    (429, "insufficient_quota", BackendQuotaUsedUp, "no waiting heals it"),
    (429, "credit_balance_exhausted", BackendQuotaUsedUp, "no waiting heals it"),
    (431, None, ContextTooLong, "too large for what is before it"),
    (498, None, BackendOverloaded, "no capacity"),
    (499, None, BackendFailed, "a proxy gave up"),
    (500, None, BackendFailed, "may heal"),
    (500, "context_length_exceeded", ContextTooLong, "no retry makes it shorter"),
    (500, "invalid_api_key", BackendFailed, "a broken server's other words are not believed"),
    (502, None, BackendFailed, "may heal"),
    (503, None, BackendOverloaded, "may heal, more slowly"),
    (504, None, BackendFailed, "may heal"),
    (529, None, BackendOverloaded, "503 at other providers"),
    (599, None, BackendFailed, "an unknown 5xx"),
]


@pytest.mark.parametrize("key", ["code", "type"])
@pytest.mark.parametrize(("status", "code", "ours", "why"), TABLE)
def test_a_refusal_becomes_the_right_error(
    status: int, code: str | None, ours: type[BackendError], why: str, key: str
) -> None:
    """By status and code as in the table; and whatever a provider refused it does not bill."""
    error = refused("cloud", status=status, body={"error": {key: code}}, headers={}, unix_s=NOW_S)
    assert type(error) is ours, why
    assert error.charge is Charge.NONE
    assert error.http_status == status


def test_the_table_of_the_test_has_every_status_of_the_table() -> None:
    """No status is untested."""
    assert set(STATUSES) <= {status for status, *_ in TABLE}


@pytest.mark.parametrize(
    ("code", "kind"), SHARP_CODES.values(), ids=[code for code, _ in SHARP_CODES.values()]
)
def test_codes_are_known_in_every_spelling(code: str, kind: type[BackendError]) -> None:
    """Vendors write the same code in snake_case, CamelCase and with a namespace before it."""
    camel = code.replace("_", " ").title().replace(" ", "") if "_" in code else code
    for spelt in (code, code.upper(), camel, f"com.vendor.api#{code}", f"Group.{camel}"):
        error = refused("cloud", status=400, body={"error": {"code": spelt}}, headers={}, unix_s=NOW_S)
        assert isinstance(error, kind | BackendMisfit)
        assert error.upstream_code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": email.utils.formatdate(NOW_S + 30, usegmt=True)}, 30.0),
        ({"retry-after": email.utils.formatdate(NOW_S + 30)}, 30.0),
        ({"retry-after": email.utils.formatdate(NOW_S - 30, usegmt=True)}, 0.0),
        ({"retry-after": "7."}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "86401"}, 86_400.0),
        ({"retry-after": "9" * 30}, 86_400.0),
        ({"retry-after": "9" * 5000}, 86_400.0),
        ({"retry-after-ms": "9" * 5000}, 86_400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400.0),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +9999"}, None),
        ({"retry-after": "Mon, 99 Foo 99999 00:00:00 GMT"}, None),
        ({"retry-after": "1e308"}, None),
        ({"retry-after": "1_000"}, None),
        ({"retry-after": "\u0663"}, None),
        ({"retry-after": "+5"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "7, 9"}, None),
        ({"retry-after": "7;" * 40}, None),
        ({"retry-after": "\u2028"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_the_time_to_come_back_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds or an HTTP date, at most a day; what cannot be read counts as absent."""
    assert retry_after_s(headers, unix_s=NOW_S) == seconds


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("date", [False, True])
async def test_the_time_to_come_back_is_in_the_error(ask: Ask, date: bool) -> None:
    """It comes through the SDK, whatever the case of the header."""
    clock = FakeClock(unix_s=NOW_S)
    value = email.utils.formatdate(NOW_S + 7, usegmt=True) if date else "7"
    reply = http(429, b"{}", f"ReTrY-AfTeR: {value}")
    async with RawServer(reply).serve() as server, backend_at(server.base_url, clock=clock) as backend:
        with pytest.raises(BackendRateLimited) as raised:
            await ask(backend, call_of(clock=clock))
    assert raised.value.retry_after_s == pytest.approx(7.0)


SECRET = "S3CRET"  # Stands for a prompt, an answer, or the key, quoted by a provider.
SECRET_ERROR = json.dumps({"error": {"message": SECRET, "code": SECRET, "type": SECRET}}).encode()
SECRET_FINISH = json.dumps(
    {"choices": [{"message": {"content": SECRET}, "finish_reason": [SECRET]}]}
).encode()
QUOTING = {
    "an error with a message": http(400, SECRET_ERROR),
    "an error that is no JSON": http(500, SECRET.encode()),
    "a redirect": http(302, b"", f"Location: http://127.0.0.1:1/{SECRET}"),
    "an answer that is no JSON": http(200, SECRET.encode()),
    "an answer with an unreadable finish reason": http(200, SECRET_FINISH),
    "a status line that is none": f"HTTP/{SECRET}\r\n\r\n".encode(),
    "a header that is none": f"HTTP/1.1 200 OK\r\n\x00{SECRET}\r\n\r\n".encode(),
    "a stream of garbage": event_stream(f'{{"{SECRET}'.encode()),
    "a stream with an error event": event_stream(SECRET_ERROR),
    "a stream that is no UTF-8": event_stream(SECRET.encode() + b"\xff"),
    "a body that is not compressed as it says": http(200, SECRET.encode(), "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("reply", QUOTING.values(), ids=QUOTING.keys())
async def test_no_error_holds_a_word_of_the_provider_or_the_key(ask: Ask, reply: bytes) -> None:
    """Neither the message nor the traceback that a log would show."""
    async with (
        RawServer(reply, then="close").serve() as server,
        backend_at(server.base_url, api_key=SECRET) as backend,
    ):
        with pytest.raises(BackendError) as raised:
            await ask(backend, call_of(SECRET))
    error = raised.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)
    assert SECRET not in shown
    assert str(error).startswith("cloud: ")


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_the_note_on_an_odd_answer_holds_no_word_of_it(ask: Ask) -> None:
    """A finish reason that nobody knows, and counts that cannot be true, are named by words of our own."""
    answer = {"choices": [{"message": {"content": "a"}, "finish_reason": SECRET}], "usage": {SECRET: SECRET}}
    reply = http(200, json.dumps(answer).encode())
    with capture_logs() as logs:
        async with RawServer(reply).serve() as server, backend_at(server.base_url) as backend:
            assert (await ask(backend, call_of(SECRET))).finish_reason is FinishReason.STOP
    notes = [(entry["event"], entry["model"], entry["what"]) for entry in logs]
    assert notes == [
        ("odd_answer", "cloud", "finish_reason_unknown"),
        ("odd_answer", "cloud", "usage_impossible"),
    ]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_provider_may_say_that_a_retry_makes_no_sense(status: int) -> None:
    """OpenAI does, in a header of its own; any other value changes nothing."""
    for value, is_retryable in (("false", False), ("False ", False), ("true", True), ("", True), ("0", True)):
        error = refused("cloud", status=status, body=b"{}", headers={"x-should-retry": value}, unix_s=0.0)
        assert error.retryable is is_retryable
        assert refused("cloud", status=status, body=b"{}", headers={}, unix_s=0.0).retryable
