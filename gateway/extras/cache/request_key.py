"""By what two requests are the same: a keyed hash of all that may change the answer. Pure.

No text is kept. The tenant is in every hash, so that nobody finds an answer of somebody else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from hashlib import blake2b

from gateway import __version__
from gateway.domain.conversation import Tool
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.request import Request
from gateway.policy.model import Policy

HASH_BYTES = 32
SECRET_BYTES = 32
FORMAT = f"1 of {__version__}"
"""Of keys and stored answers; what another version of the gateway has stored is not found."""
OF_THE_CALLER = frozenset(
    {"request_id", "key_name", "hints", "labels", "languages", "session_id", "prompt_cache_key"}
)
"""Fields of a request that no model is sent, or that change no answer.

What they change of routing is in class, chain and limits.
"""


@dataclass(frozen=True, slots=True)
class FlightKey:
    """By what calls in flight are the same; compared in memory alone."""

    request: bytes
    caller: tuple[object, ...]
    """Who pays, where it may go, and how the caller takes answers and failures."""


def is_repeatable(request: Request) -> bool:
    """Say whether the same answer is due to the same request: it is greedy, or has a seed."""
    config = request.config
    return request.embedding is None and (config.temperature == 0.0 or config.seed is not None)


def flight_key(key: bytes, request: Request, decision: Decision, delivery: Delivery) -> FlightKey:
    """Return by what a call in flight is the same, for a request with this key."""
    return FlightKey(
        key,
        (
            request.key_name,
            frozenset(request.labels.items()),
            request.hints,
            request.languages,
            decision.chain,
            delivery,
        ),
    )


class RequestKeys:
    """Makes the keys of one store and policy."""

    def __init__(self, secret: bytes, policy: Policy, *, models_hash: str) -> None:
        """`models_hash` names the files of the local models: other files answer otherwise."""
        self._secret = secret
        self._constant = (FORMAT, policy.hash, models_hash)
        self._reads_labels = policy.reads_labels

    def of(self, request: Request, decision: Decision) -> bytes:
        """Return the key of a request that was decided so."""
        sent = [getattr(request, name) for name in _SENT]
        labels = request.labels if self._reads_labels else {}
        whole = (*self._constant, decision.privacy_class.name, decision.limits, labels, sent)
        text = _ENCODER.encode(whole)
        return blake2b(text.encode("ascii"), digest_size=HASH_BYTES, key=self._secret).digest()


_SENT = tuple(each.name for each in fields(Request) if each.name not in OF_THE_CALLER)


@cache
def _names_of(kind: type) -> tuple[str, ...]:
    """Return the fields of a dataclass, but for those of a tool that mean the same in any order of keys."""
    left_out = {"parameters_json_schema"} if kind is Tool else ()
    return tuple(each.name for each in fields(kind) if each.name not in left_out)


def _plain(value: object) -> object:
    """Return what JSON can say of a value, with the name of its type: parts of different types differ."""
    if is_dataclass(value) and not isinstance(value, type):
        said = [getattr(value, name) for name in _names_of(type(value))]
        if isinstance(value, Tool):
            said.append(_in_order(value.parameters_json_schema))
        return [type(value).__name__, *said]
    if isinstance(value, bytes):
        return ["bytes", blake2b(value, digest_size=HASH_BYTES).hexdigest()]
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a request holds no {type(value).__name__}")


def _in_order(text: str) -> str:
    """Return JSON with its keys in order; what is no JSON as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


_ENCODER = json.JSONEncoder(default=_plain, sort_keys=True, separators=(",", ":"))
"""Made once. Escapes all but ASCII, half characters too."""
