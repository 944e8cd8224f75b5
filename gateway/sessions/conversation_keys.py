"""The keyed hashes by which a conversation is known again: its id, our answers, and our calls of tools.

No text is kept. The tenant is in every hash, so that nobody finds a conversation of somebody else.
"""

from collections.abc import Sequence
from hashlib import blake2b

from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request

HASH_BYTES = 16
SECRET_BYTES = 32
FEWEST_CHARS = 32
"""A shorter answer, "Yes." for example, is said in many conversations."""
FEWEST_ID_CHARS = 12
"""Shorter ids of calls, `call_0` for example, are made anew in each conversation by some models."""
EDGE_CHARS = 256
"""So much of an answer's beginning and end is hashed, and its length: a long history stays cheap."""


class ConversationKeys:
    """Makes the hashes of one store, whose secret all its processes share."""

    def __init__(self, secret: bytes) -> None:
        self._empty = blake2b(digest_size=HASH_BYTES, key=secret)

    def of_request(self, request: Request) -> Sequence[bytes]:
        """Return the keys that a conversation may be stored under; the one of its id is the first."""
        keys = dict.fromkeys(self.of_id(request.tenant, request.session_id))
        for message in request.messages:
            if message.role is Role.ASSISTANT:
                keys.update(dict.fromkeys(self.of_answer(request.tenant, message)))
        return tuple(keys)

    def of_id(self, tenant: str, session_id: str) -> Sequence[bytes]:
        """Return the key of an explicit id; none for the empty one."""
        return (self._hash("id", tenant, session_id),) if session_id else ()

    def of_answer(self, tenant: str, message: Message) -> Sequence[bytes]:
        """Return the keys of an answer, as a model gave it or as a client sends it back."""
        keys, text = [], message.text.strip()
        if len(text) >= FEWEST_CHARS:
            edges = f"{len(text)} {text[:EDGE_CHARS]} {text[-EDGE_CHARS:]}"
            keys.append(self._hash("answer", tenant, edges))
        if message.parts:
            calls = (call.id for call in message.tool_calls if len(call.id) >= FEWEST_ID_CHARS)
            keys += [self._hash("call", tenant, each) for each in calls]
        return keys

    def prompt_cache_key(self, tenant: str, session: bytes) -> str:
        """Return what names a conversation to a provider that keeps prompts: of no use to find it here."""
        return self._hash("cache", tenant, session.hex()).hex()

    def _hash(self, kind: str, tenant: str, value: str) -> bytes:
        named = self._empty.copy()
        named.update(f"{kind}\0{tenant}\0{value}".encode("utf-8", "surrogatepass"))
        return named.digest()
