"""Conversations in Redis, shared by many hosts."""

import json
from collections.abc import Sequence
from secrets import token_bytes
from typing import Final

from redis.exceptions import RedisError, WatchError

from gateway.domain.session import SessionState, joined
from gateway.errors import SessionsUnavailable
from gateway.ledger.redis import client_of
from gateway.sessions.conversation_keys import SECRET_BYTES
from gateway.sessions.store import COMMON, SessionWrite, StoredSession

PREFIX: Final = "gateway:sessions:"
KEPT_TIMES: Final = 16
"""The key of an answer is kept so many times as long as an idle conversation, which may go on after it."""
TRIES: Final = 16
"""Writes of one conversation that come together are made one after the other; beyond, one fails."""


class RedisSessions:
    """The conversations at a Redis URL; connects at the first call, and what is idle expires there."""

    def __init__(self, url: str) -> None:
        self._redis = client_of(url)
        self._secret = b""

    async def secret(self) -> bytes:
        """Return the key of the hashes, which the first process makes; raises SessionsUnavailable."""
        if not self._secret:
            name = f"{PREFIX}secret"
            try:
                await self._redis.set(name, token_bytes(SECRET_BYTES), nx=True)
                self._secret = _bytes(await self._redis.get(name))
            except RedisError as error:
                raise _unavailable(error) from error
        return self._secret

    async def find(self, keys: Sequence[bytes]) -> Sequence[StoredSession]:
        """Return the live conversations under each key, in the order of the keys, at most COMMON of each."""
        if not keys:
            return ()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.srandmember(_key(key), COMMON)
                named = await pipe.execute()
            pairs = [(key, bytes(each)) for key, those in zip(keys, named, strict=True) for each in those]
            states = await self._redis.mget([_session(each) for _, each in pairs]) if pairs else []
        except RedisError as error:
            raise _unavailable(error) from error
        return [
            StoredSession(session=session, key=key, state=_state(state))
            for (key, session), state in zip(pairs, states, strict=True)
            if state is not None
        ]

    async def write(self, write: SessionWrite) -> None:
        """Create or extend a conversation; raises SessionsUnavailable."""
        name, idle_ms = _session(write.session), round(write.idle_s * 1000)
        try:
            async with self._redis.pipeline() as pipe:
                for _ in range(TRIES):
                    await pipe.watch(name)
                    known = await pipe.get(name)
                    state = write.state if known is None else joined(_state(known), write.state)
                    pipe.multi()  # type: ignore[no-untyped-call]  # The library's own.
                    pipe.set(name, json.dumps(state.fields()), px=idle_ms)
                    for key in write.keys:
                        pipe.sadd(_key(key), write.session)
                        pipe.pexpire(_key(key), KEPT_TIMES * idle_ms)
                    try:
                        await pipe.execute()
                    except WatchError:
                        continue
                    return
        except RedisError as error:
            raise _unavailable(error) from error
        raise SessionsUnavailable("too many turns of one conversation came together")

    async def end(self, key: bytes) -> bool:
        """Forget the conversations under a key, and say whether there were any."""
        try:
            sessions = [_bytes(each) for each in await self._redis.smembers(_key(key))]
            gone = await self._redis.delete(*map(_session, sessions)) if sessions else 0
        except RedisError as error:
            raise _unavailable(error) from error
        return bool(gone)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)


def _key(key: bytes) -> str:
    return f"{PREFIX}key:{key.hex()}"


def _session(session: bytes) -> str:
    return f"{PREFIX}session:{session.hex()}"


def _bytes(value: bytes | str | None) -> bytes:
    """Return what a client without `decode_responses` returns as bytes."""
    if not isinstance(value, bytes):
        raise RedisError("the answer is no bytes")
    return value


def _state(text: bytes | str) -> SessionState:
    return SessionState.read(json.loads(text))


def _unavailable(error: RedisError) -> SessionsUnavailable:
    return SessionsUnavailable(f"Redis cannot be used ({type(error).__name__})")
