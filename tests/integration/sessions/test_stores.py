"""Every store of conversations keeps the same promises: memory, a SQLite file, a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.domain.session import SessionState
from gateway.errors import SessionsUnavailable
from gateway.sessions.memory import MAX_KEYS_EACH, MemorySessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sqlite import SqliteSessions, open_file
from gateway.sessions.store import COMMON, SessionStore, SessionWrite
from tests.support.fakes import FakeClock
from tests.support.redis_server import RedisServer, running_redis

Opened = Callable[[], SessionStore]
SECRET = SessionState(
    privacy_class=PrivacyClass.RESTRICTED,
    masked_classes={"m": PrivacyClass.INTERNAL},
    policy_hash="h",
    model="edge",
    complexity=0.5,
)
LASTS_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One Redis for this file."""
    with running_redis() as running:
        yield running


@asynccontextmanager
async def opened(kind: str, folder: Path, server: RedisServer) -> AsyncIterator[Opened]:
    """Yield what opens the store, as another process or a restart does; one in memory is the same again."""
    in_memory = MemorySessions(clock=FakeClock())
    stores: list[SessionStore] = []

    def open_store() -> SessionStore:
        if kind == "memory":
            return in_memory
        store: SessionStore = (
            RedisSessions(server.url)
            if kind == "redis"
            else SqliteSessions(open_file(folder / "s"), clock=FakeClock())
        )
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        await store.aclose()


def write(name: bytes, *keys: bytes, state: SessionState = SECRET, idle_s: float = LASTS_S) -> SessionWrite:
    """Return a write of a conversation of one tenant."""
    return SessionWrite(session=name, tenant="acme", keys=keys, state=state, idle_s=idle_s)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_what_is_written_is_found(kind: str, tmp_path: Path, server: RedisServer) -> None:
    """By another process too, under each key, with all that is known; nothing under another key."""
    async with opened(kind, tmp_path, server) as store:
        await store().write(write(b"1", b"a", b"b"))
        other = store()
        found = await other.find([b"x", b"b", b"a"])

        assert [(each.session, each.key, each.state) for each in found] == [
            (b"1", b"b", SECRET), (b"1", b"a", SECRET),
        ]  # fmt: skip
        assert await other.secret() == await store().secret()
        assert await other.find([]) == await other.find([b"x"]) or not await other.find([b"x"])
        assert await other.end(b"a")
        assert not await store().end(b"a")
        assert not await other.find([b"a"])


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_writes_that_come_together(kind: str, tmp_path: Path, server: RedisServer) -> None:
    """The highest class of them holds, whatever the order in which they arrive."""
    public = SessionState(policy_hash="h", model="cloud")
    async with opened(kind, tmp_path, server) as store:
        one, other = store(), store()
        writes = [write(b"2", b"c", state=SECRET if at == 2 else public) for at in range(6)]
        await asyncio.gather(*((one, other)[at % 2].write(each) for at, each in enumerate(writes)))
        (found,) = await one.find([b"c"])

        assert found.state.privacy_class is PrivacyClass.RESTRICTED


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_a_common_key_names_few(kind: str, tmp_path: Path, server: RedisServer) -> None:
    """Of the conversations under one key so many are returned as show that it is common."""
    async with opened(kind, tmp_path, server) as store:
        for number in range(COMMON + 2):
            await store().write(write(b"%d" % (10 + number), b"d"))

        assert len(await store().find([b"d"])) == COMMON


async def test_idle_ones_expire_in_redis(server: RedisServer) -> None:
    """By the server's clock; what outlives them is a key without a conversation."""
    store = RedisSessions(server.url)
    await store.write(write(b"3", b"e", idle_s=0.001))
    async with asyncio.timeout(90.0):
        while await store.find([b"e"]):
            pass
    await store.aclose()


async def test_a_file_is_bounded(tmp_path: Path) -> None:
    """A tenant's public conversations go first, and idle ones of everybody go with later writes."""
    clock = FakeClock()
    store = SqliteSessions(open_file(tmp_path / "s"), clock=clock, max_sessions_of_tenant=10)
    await store.write(write(b"secret", b"s"))
    for number in range(200):
        await store.write(write(b"p%d" % number, b"k%d" % number, state=SessionState(policy_hash="h")))
    known = [number for number in range(200) if await store.find([b"k%d" % number])]

    assert len(known) < 100
    assert known[-1] == 199
    assert await store.find([b"s"])
    clock.advance(LASTS_S)
    assert not await store.find([b"s"])
    await store.aclose()


async def test_memory_is_bounded() -> None:
    """By tenant, and in all; public ones go first, then the oldest."""
    store = MemorySessions(clock=FakeClock(), max_keys=40)
    await store.write(write(b"secret", b"s"))
    for number in range(50):
        await store.write(write(b"p%d" % number, b"k%d" % number, state=SessionState(policy_hash="h")))

    assert store.size <= 10
    assert await store.find([b"s"])
    for number in range(50):
        each = SessionWrite(
            session=b"t%d" % number, tenant=f"t{number}", keys=(b"q",), state=SECRET, idle_s=LASTS_S
        )
        await store.write(each)
    assert store.size <= 40


async def test_memory_counts_what_a_common_key_drops() -> None:
    """An answer that everybody is given leaves the size right, so that the store never runs out of room."""
    store = MemorySessions(clock=FakeClock(), max_keys=400)
    for number in range(200):
        await store.write(write(b"c%d" % number, b"greeting", b"own%d" % number))
    assert await store.find([b"own199"])
    for number in range(200):
        await store.end(b"own%d" % number)
    assert store.size == 0


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_a_long_conversation_keeps_its_id(kind: str, tmp_path: Path, server: RedisServer) -> None:
    """However many answers it has, it is found by the key that comes with every turn."""
    async with opened(kind, tmp_path, server) as store:
        only = store()
        for number in range(MAX_KEYS_EACH + 2):
            await only.write(write(b"long", b"id", b"answer%d" % number))
            if number >= MAX_KEYS_EACH - 2:
                assert await only.find([b"id"])
        # Those of Redis go by time alone.
        assert bool(await only.find([b"answer0"])) is (kind == "redis")
        assert await only.find([b"answer%d" % (MAX_KEYS_EACH + 1)])


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It says so, and never begins anew in silence."""
    store = SqliteSessions(open_file(tmp_path / "s"), clock=FakeClock())
    (tmp_path / "s").unlink()
    with pytest.raises(SessionsUnavailable, match="removed"):
        await store.find([b"a"])
    await store.aclose()


async def test_a_server_that_is_gone(tmp_path: Path) -> None:
    """Reads, writes and ends say so."""
    store = RedisSessions(f"unix://{tmp_path / 'none.sock'}")
    for call in (store.secret, lambda: store.find([b"a"]), lambda: store.end(b"a")):
        with pytest.raises(SessionsUnavailable, match="Redis"):
            await call()
    with pytest.raises(SessionsUnavailable, match="Redis"):
        await store.write(write(b"1", b"a"))
    await store.aclose()
