"""Answers in Redis, shared by many hosts, as text that is not encrypted."""

import asyncio
from collections.abc import Awaitable
from secrets import token_bytes
from typing import Final, TypeVar

from redis.exceptions import RedisError

from gateway.extras.cache.request_key import SECRET_BYTES
from gateway.ledger.redis import client_of

PREFIX: Final = "gateway:cache:"
WAIT_S: Final = 0.25
"""How long the server is waited for: to ask a model is better than to wait longer."""
T = TypeVar("T")


class RedisAnswers:
    """The answers at a Redis URL; connects at the first call, and what is too old expires there."""

    def __init__(self, url: str) -> None:
        self._redis = client_of(url)
        self._secret = b""

    async def secret(self) -> bytes:
        """Return the key of the hashes, which the first process makes; raises ConnectionError."""
        if not self._secret:
            name = f"{PREFIX}secret"
            await _answered(self._redis.set(name, token_bytes(SECRET_BYTES), nx=True))
            secret = await _answered(self._redis.get(name))
            if not isinstance(secret, bytes):
                raise ConnectionError("Redis lost the key of the cache")
            self._secret = secret
        return self._secret

    async def get(self, key: bytes) -> bytes | None:
        """Return the answer under a key; None: there is none. Raises ConnectionError."""
        answer = await _answered(self._redis.get(_name(key)))
        return answer if isinstance(answer, bytes) else None

    async def put(self, key: bytes, answer: bytes, *, ttl_s: float) -> None:
        """Keep an answer for so many seconds; raises ConnectionError."""
        await _answered(self._redis.set(_name(key), answer, px=max(1, round(ttl_s * 1000))))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)


def _name(key: bytes) -> str:
    return f"{PREFIX}answer:{key.hex()}"


async def _answered(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(WAIT_S):
            return await call
    except (RedisError, OSError, TimeoutError) as error:
        raise ConnectionError(f"Redis cannot be used ({type(error).__name__})") from error
