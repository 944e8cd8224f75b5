"""The queue of requests for people: both stores, bounds, leases, expiry, and what is encrypted."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.ticket import Ticket, TicketState
from gateway.errors import HandoffFull, HandoffUnavailable, StartupError, TicketRefused, TicketUnknown
from gateway.extras.handoff.encryption import KeyRing, new_key
from gateway.extras.handoff.payload import HandoffQuestion, request_associated_data
from gateway.extras.handoff.queue import KEY_VARIABLE, HandoffQueue, open_queue
from gateway.extras.handoff.responder import Responder, waiting
from gateway.extras.handoff.ticket import new_id
from tests.support.fakes import FakeClock
from tests.support.redis_server import RedisServer, running_redis

NOW_S = 4_000_000_000.0  # Redis forgets by the clock of the machine, so this lies ahead of it.
KEEP_S = 1000.0
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
QUESTION = HandoffQuestion(
    messages=(Message(role=Role.USER, content="why"),), labels={"a": "b"}, languages=("pl",)
)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis server for the tests of this file."""
    with running_redis() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands."""
    return FakeClock(unix_s=NOW_S)


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A state whose queue is empty."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path / 'ledger.db'}"
    import redis

    server: RedisServer = request.getfixturevalue("server")
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
async def queue(url: str, clock: FakeClock) -> AsyncIterator[HandoffQueue]:
    """An empty queue."""
    opened = open_queue(url, clock=clock)
    yield opened
    await opened.aclose()


def keys(*names: str) -> KeyRing:
    """Return a ring of keys."""
    return KeyRing.of({KEY_VARIABLE: ",".join(names or (KEY,))})


def a_ticket(tenant: str = "acme", *, created_unix_s: float = NOW_S) -> Ticket:
    """Return a ticket that nobody has seen."""
    return Ticket(
        id=new_id(),
        tenant=tenant,
        request_id="r1",
        reason=Reason.ALL_FAILED,
        privacy_class=PrivacyClass.INTERNAL,
        created_unix_s=created_unix_s,
        keep_s=KEEP_S,
        expires_unix_s=created_unix_s + KEEP_S,
    )


async def put(queue: HandoffQueue, ticket: Ticket | None = None, *, max_waiting: int = 10) -> Ticket:
    """Store a ticket with the question."""
    stored = ticket or a_ticket()
    encrypted = keys().encrypt(
        QUESTION.to_json(), associated_data=request_associated_data(stored.id, stored.tenant)
    )
    await queue.put(stored, encrypted, max_waiting=max_waiting)
    return stored


def responder(
    queue: HandoffQueue, clock: FakeClock, by: str = "jane", ring: KeyRing | None = None
) -> Responder:
    """Return a person at the queue."""
    return Responder(queue, ring or keys(), by=by, clock=clock)


async def test_take_and_answer(queue: HandoffQueue, clock: FakeClock) -> None:
    """The oldest comes first, is shown as it was sent, and can be answered once."""
    second = await put(queue, a_ticket(created_unix_s=NOW_S + 1))
    first = await put(queue)
    taken = await responder(queue, clock).take_next(lease_s=60)
    assert taken is not None
    assert (taken[0].id, taken[1]) == (first.id, QUESTION)
    listed = await waiting(queue, all_states=False, clock=clock)
    assert [(ticket.id, state) for ticket, state in listed] == [
        (first.id, TicketState.TAKEN),
        (second.id, TicketState.WAITING),
    ]
    await responder(queue, clock).answer(first.id, "because")
    with pytest.raises(TicketRefused, match="already answered by jane"):
        await responder(queue, clock).answer(first.id, "or not")
    with pytest.raises(TicketRefused, match="already answered"):
        await responder(queue, clock, "bob").take(first.id, lease_s=60)
    assert len(await waiting(queue, all_states=False, clock=clock)) == 1
    assert len(await waiting(queue, all_states=True, clock=clock)) == 2


async def test_a_lease_keeps_others_away_until_it_ends(queue: HandoffQueue, clock: FakeClock) -> None:
    """Meanwhile only its holder may answer or take it again; afterwards anybody."""
    ticket = await put(queue)
    await responder(queue, clock).take(ticket.id, lease_s=60)
    for doing in (
        responder(queue, clock, "bob").take(ticket.id, lease_s=60),
        responder(queue, clock, "bob").answer(ticket.id, "x"),
    ):
        with pytest.raises(TicketRefused, match="jane has taken it until"):
            await doing
    assert await responder(queue, clock, "bob").take_next(lease_s=60) is None
    clock.advance(61)
    await responder(queue, clock, "bob").take(ticket.id, lease_s=60)
    with pytest.raises(TicketRefused, match="bob has taken it"):
        await responder(queue, clock).answer(ticket.id, "too late")


async def test_two_people_never_get_the_same(queue: HandoffQueue, clock: FakeClock) -> None:
    """Of many who take at once each gets another request."""
    for _ in range(5):
        await put(queue)
    taken = await asyncio.gather(
        *(responder(queue, clock, f"person-{n}").take_next(lease_s=60) for n in range(8))
    )
    ids = [each[0].id for each in taken if each is not None]
    assert len(ids) == len(set(ids)) == 5


async def test_one_of_two_answers_counts(queue: HandoffQueue, clock: FakeClock) -> None:
    """Two people who answer at once: one is stored, the other is told so."""
    ticket = await put(queue)
    outcomes = await asyncio.gather(
        *(responder(queue, clock, name).answer(ticket.id, name) for name in ("jane", "bob")),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Ticket", "TicketRefused"]


async def test_what_a_tenant_may_leave_is_bounded(queue: HandoffQueue, clock: FakeClock) -> None:
    """One more than the bound is refused; an answer, or another tenant, is not in its way."""
    first = await put(queue, max_waiting=2)
    await put(queue, max_waiting=2)
    with pytest.raises(HandoffFull):
        await put(queue, max_waiting=2)
    assert len(await queue.tickets()) == 2
    await put(queue, a_ticket("other"), max_waiting=2)
    await responder(queue, clock).answer(first.id, "because")
    await put(queue, max_waiting=2)


async def test_everything_ends(queue: HandoffQueue, clock: FakeClock) -> None:
    """A ticket expires; an answer is kept as long again; what is gone makes room."""
    forgotten, ticket = await put(queue, max_waiting=2), await put(queue, max_waiting=2)
    clock.advance(KEEP_S - 1)
    await responder(queue, clock).answer(ticket.id, "because")
    clock.advance(2)
    assert await queue.find(forgotten.id) is None
    assert await queue.find(ticket.id) is not None
    with pytest.raises(TicketUnknown):
        await responder(queue, clock).take(forgotten.id, lease_s=60)
    await put(queue, a_ticket(created_unix_s=clock.unix_s()), max_waiting=1)
    clock.advance(KEEP_S + 1)
    assert await queue.find(ticket.id) is None
    assert await queue.tickets() == []


async def test_a_wrong_key_takes_nothing(queue: HandoffQueue, clock: FakeClock) -> None:
    """It is a clear error, and the request still waits; with the old key behind the new one it opens."""
    ticket = await put(queue)
    other = new_key()
    with pytest.raises(HandoffUnavailable, match=f"a key that {KEY_VARIABLE} does not hold"):
        await responder(queue, clock, ring=keys(other)).take(ticket.id, lease_s=60)
    assert [state for _, state in await waiting(queue, all_states=True, clock=clock)] == [TicketState.WAITING]
    assert (await responder(queue, clock, ring=keys(other, KEY)).take(ticket.id, lease_s=60))[1] == QUESTION


async def test_the_queue_remembers_its_key(queue: HandoffQueue) -> None:
    """The first key is adopted; another one is told; one that follows it takes its place."""
    old, new = new_key(), new_key()
    ring, other, both = keys(old), keys(new), keys(new, old)
    assert await queue.adopt_key(ring.ids) == ring.ids[0]
    assert await queue.adopt_key(other.ids) == ring.ids[0]
    assert await queue.adopt_key(both.ids) == other.ids[0]
    assert await queue.adopt_key(other.ids) == other.ids[0]


async def test_a_store_that_is_down_says_so(server: RedisServer, clock: FakeClock) -> None:
    """A Redis that does not answer is HandoffUnavailable, and what it had is there when it is back."""
    queue = open_queue(server.url, clock=clock)
    ticket = await put(queue)
    server.kill()
    with pytest.raises(HandoffUnavailable):
        await queue.find(ticket.id)
    server.start()
    assert await queue.find(ticket.id) == ticket
    await queue.aclose()


async def test_a_file_that_is_gone_takes_nothing_in(tmp_path: Path, clock: FakeClock) -> None:
    """No ticket is given out for what nobody will find."""
    queue = open_queue(f"sqlite://{tmp_path / 'ledger.db'}", clock=clock)
    (tmp_path / "ledger-handoff.db").unlink()
    with pytest.raises(HandoffUnavailable, match="removed or replaced"):
        await put(queue)
    await queue.aclose()


@pytest.mark.parametrize("changed", [0, 1, 6, 20, -1])
def test_what_is_altered_does_not_open(changed: int) -> None:
    """Whichever byte of a encrypted text is another one: format, key, nonce, text or tag."""
    encrypted = bytearray(keys().encrypt("secret words", associated_data="here"))
    encrypted[changed] ^= 1
    with pytest.raises(HandoffUnavailable):
        keys().decrypt(bytes(encrypted), associated_data="here")


def test_what_is_sealed_opens_in_its_place_only() -> None:
    """The same bytes at another ticket, or of another tenant, are refused; the text is nowhere in them."""
    encrypted = keys().encrypt("secret words", associated_data="request ho_1 acme")
    assert keys().decrypt(encrypted, associated_data="request ho_1 acme") == "secret words"
    assert b"secret" not in encrypted
    assert encrypted != keys().encrypt("secret words", associated_data="request ho_1 acme")
    for other in ("request ho_2 acme", "request ho_1 other", "answer ho_1 acme"):
        with pytest.raises(HandoffUnavailable):
            keys().decrypt(encrypted, associated_data=other)


@pytest.mark.parametrize("written", ["", " , ", "short", "x" * 44, f"{KEY},short", KEY[:-2]])
def test_a_key_that_is_none(written: str) -> None:
    """It is refused in one line, which does not show it."""
    with pytest.raises(StartupError, match="gateway handoff new-key") as refused:
        KeyRing.of({KEY_VARIABLE: written})
    assert "short" not in str(refused.value)
    assert KEY[:10] not in str(refused.value)


@pytest.mark.parametrize(
    ("state_url", "named"),
    [
        ("memory:", "needs --state sqlite:///PATH or redis://HOST"),
        ("sqlite:///nowhere/at/all/ledger.db", "there is no folder /nowhere/at/all"),
        ("redis://:bad:port", "not a URL"),
    ],
)
def test_a_state_without_a_queue(state_url: str, named: str, clock: FakeClock) -> None:
    """What cannot hold a queue is refused in one line."""
    with pytest.raises(StartupError, match=named):
        open_queue(state_url, clock=clock)


def test_people_make_no_queue(tmp_path: Path, clock: FakeClock) -> None:
    """A typo in --state is an error, and not an empty queue."""
    with pytest.raises(StartupError, match="give the --state of gateway serve"):
        open_queue(f"sqlite://{tmp_path / 'ledger.db'}", clock=clock, must_exist=True)
    assert list(tmp_path.iterdir()) == []
