"""Every field that is read from a provider at its extremes: an answer or a typed error, never a defect."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from gateway.backends.openai.backend import CloudBackend
from gateway.clock import Deadline, SystemClock
from gateway.dispatch.budget import Ledger
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.errors import GatewayError, NotDegraded
from gateway.ledger.open import open_ledger
from gateway.policy.model import Budget, Resilience
from tests.support.cloud_calls import RawServer, http
from tests.support.dispatch_doubles import CLOUD, a_decision, a_policy, a_request
from tests.support.permits import permit_for
from tests.support.provider_bytes import chunk, counted, line, said, whole

DIGITS = "@digits@"
"""Stands for a number of 5,000 digits, which Python neither writes nor reads."""
EXTREMES: list[object] = [
    None, True, False, 0, -1, 1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**18, 10**30,
    0.5, 1e308, -0.0, float("nan"), float("inf"), DIGITS, "", "x", "\x00", "\ud83d", "\ude00",
    "\ud83d\ude00\ud83d", "\ufffd", "é" * 3000, "9" * 5000, "\u2028", [], [[]], {}, {"": {}},
    [None, 1, "x", {}], {"type": "text"}, [{"type": "text", "text": "\udfff"}],
    {"message": "\ud800", "code": "\ud800", "type": 7}, {"code": 10**30}, {"code": -1},
    {"code": 429, "message": ["x"]}, {"code": "x" * 5000},
]  # fmt: skip

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 5,
    "total_tokens": 16,
    "completion_tokens_details": {"reasoning_tokens": 1},
}
WHOLE = whole("one two", usage=USAGE, error=None, object="chat.completion")
STREAM: list[dict[str, object]] = [
    chunk({"role": "assistant", "content": ""}),
    said("one "),
    said("two", refusal=None, usage=None),
    chunk({}, "stop", error=None),
    counted() | {"usage": USAGE},
]
HEADERS = ("Retry-After", "retry-after-ms", "Content-Encoding", "Content-Type", "x-should-retry")
HEADER_VALUES = (
    "1e308",
    "-1",
    "nan",
    "inf",
    "9" * 400,
    "0",
    "x",
    "Thu, 31 Dec 9999 23:59:59 GMT",
    "1e-320",
    "٣",
)


def _paths(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _with(value: object, path: tuple[object, ...], extreme: object) -> object:
    if not path:
        return extreme
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]  # type: ignore[index]
    inner[path[-1]] = extreme  # type: ignore[index]
    return changed


def _json(value: object) -> bytes:
    return json.dumps(value).replace(f'"{DIGITS}"', "9" * 5000).encode()


class Provider:
    """A gateway's dispatch before a provider that answers as it is told, and a ledger in a file."""

    def __init__(self, server: RawServer, ledger: Ledger) -> None:
        self._server = server
        self._clock = SystemClock()
        self._ledger = ledger
        self._spec = CLOUD.model_copy(update={"base_url": server.base_url})
        self._backend = CloudBackend("cloud", self._spec, api_key=None, clock=self._clock)
        policy = a_policy({"cloud": self._spec}, resilience=Resilience(attempts=1))
        budget = Budget(name="all", per="all", limit_usd=Decimal(1_000_000), window="day")
        self._policy = replace(policy, budgets=(budget,))

    async def ask(self, answer: bytes, *, is_streamed: bool) -> Answer | GatewayError:
        """Return what a caller gets for an answer of the provider."""
        self._server.reply = answer
        # One for each call, so that no breaker or pause is in the way of the next.
        dispatcher = Dispatcher(backends={"cloud": self._backend}, ledger=self._ledger, clock=self._clock)
        request = a_request(allow_degraded=False)
        permit = permit_for(request, clearance=PrivacyClass.INTERNAL)
        decision = replace(a_decision("cloud"), permits={"cloud": permit})
        deadline = Deadline.after(5.0, self._clock)
        try:
            if not is_streamed:
                return await dispatcher.generate(request, decision, policy=self._policy, deadline=deadline)
            events = dispatcher.stream(request, decision, policy=self._policy, deadline=deadline)
            return [event async for event in events if isinstance(event, Answer)][-1]
        except GatewayError as error:
            return error
        finally:
            await dispatcher.drained()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._backend.aclose()


def check(got: Answer | GatewayError, worst_usd_nanos: int) -> None:
    """A caller gets text that can be sent, or an error that says what the provider did."""
    if isinstance(got, GatewayError):
        assert got.reason is not Reason.INTERNAL
        assert got.code not in ("INTERNAL", "UNKNOWN")
        assert isinstance(got, NotDegraded) or got.attempts
        str(got).encode()
    else:
        got.text.encode()
    for attempt in got.attempts:
        assert 0 <= attempt.cost_usd_nanos <= worst_usd_nanos
        assert attempt.reason is not Reason.INTERNAL
        if attempt.usage is not None:
            assert 0 < attempt.usage.prompt_tokens < 2**31
            assert 0 <= attempt.usage.completion_tokens < 2**31


def _whole() -> Iterator[tuple[object, bytes]]:
    for path, extreme in product(_paths(WHOLE), EXTREMES):
        yield (path, extreme), http(200, _json(_with(WHOLE, path, extreme)))


def _streamed() -> Iterator[tuple[object, bytes]]:
    for at, event in enumerate(STREAM[2:], start=2):
        before, after = b"".join(map(line, STREAM[:at])), b"".join(map(line, STREAM[at + 1 :]))
        for path, extreme in product(_paths(event), EXTREMES):
            odd = b"data: " + _json(_with(event, path, extreme)) + b"\n\n"
            body = before + odd + after + b"data: [DONE]\n\n"
            yield (at, path, extreme), http(200, body, content_type="text/event-stream")


def _errors() -> Iterator[tuple[object, bytes]]:
    for status, extreme in product((400, 429, 503), EXTREMES):
        yield (status, extreme), http(status, _json({"error": extreme}))
        yield (status, extreme), http(status, _json([extreme]))


def _headers() -> Iterator[tuple[object, bytes]]:
    for status, name, value in product((200, 429, 503), HEADERS, HEADER_VALUES):
        body = _json(WHOLE if status == 200 else {"error": {}})
        yield (status, name, value), http(status, body, f"{name}: {value}")


@pytest.mark.parametrize("answers", [_whole, _streamed, _errors, _headers])
async def test_no_extreme_of_a_provider_is_a_defect(
    answers: Callable[[], Iterator[tuple[object, bytes]]], tmp_path: Path
) -> None:
    """And the books stay in order: nobody is charged more than was reserved, and the next call counts."""
    ledger = open_ledger(f"sqlite://{tmp_path / 'ledger.db'}")
    async with RawServer(b"").serve() as server:
        provider = Provider(server, ledger)
        honest = http(200, _json(WHOLE))
        first = await provider.ask(honest, is_streamed=False)
        assert isinstance(first, Answer)
        worst = 2 * (await provider.ask(http(200, b"x"), is_streamed=False)).attempts[0].cost_usd_nanos
        tried = 0
        for seen, answer in answers():
            got = await provider.ask(answer, is_streamed=answers is not _whole)
            try:
                check(got, worst)
            except AssertionError as error:
                raise AssertionError(f"{seen}: {got!r}") from error
            tried += 1
        assert tried > 100
        last = await provider.ask(honest, is_streamed=False)
        assert isinstance(last, Answer)
        assert last.cost_usd_nanos == first.cost_usd_nanos
        await provider.aclose()
    totals = await ledger.totals()
    await ledger.aclose()
    assert totals.held_usd_nanos == 0
    assert 0 < totals.settled_usd_nanos + totals.unknown_usd_nanos < (tried + 3) * worst


@pytest.mark.parametrize(
    "usage", [{}, None, {"prompt_tokens": 0, "completion_tokens": 0}, USAGE | {"completion_tokens": 2**62}]
)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_counts_that_cannot_be_true_are_charged_in_full(
    usage: object, is_streamed: bool, tmp_path: Path
) -> None:
    """The answer is given, and its cost is marked as unknown: a cap binds for a server that never counts."""
    ledger = open_ledger(f"sqlite://{tmp_path / 'ledger.db'}")
    events = b"".join(map(line, [*STREAM[:-1], counted() | {"usage": usage}])) + b"data: [DONE]\n\n"
    body = events if is_streamed else _json(WHOLE | {"usage": usage})
    async with RawServer(b"").serve() as server:
        provider = Provider(server, ledger)
        got = await provider.ask(http(200, body), is_streamed=is_streamed)
        await provider.aclose()
    totals = await ledger.totals()
    await ledger.aclose()
    assert isinstance(got, Answer)
    assert (got.text, got.usage) == ("one two", None)
    assert (totals.settled_usd_nanos, totals.held_usd_nanos) == (0, 0)
    assert totals.unknown_usd_nanos == got.cost_usd_nanos > 0
