"""Cases for the proof that nothing leaves: private data, where they stand, and everything that breaks."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.backends.http.errors import refused
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import EmbeddingConfig, GenerationConfig, Hints, Request
from gateway.errors import (
    BackendError,
    BackendProtocol,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    EngineDied,
    EngineDown,
    EngineQueueFull,
    NotCapable,
    StreamTruncated,
)
from gateway.privacy.detector import Match
from gateway.testing.scripted import Delay, Step, reply
from tests.support.data_carriers import CARRIERS, carried
from tests.support.string_carriers import CARRIERS as STRING_CARRIERS
from tests.support.string_carriers import UNREADABLE, carrying, unread

TEXT = "quibberflax"
"""Stands in every string that a backend is sent; it may leave only with what is not private."""
VALUE = "zorbelnut"
"""Stands inside private data; it may leave with nothing."""
NAME = "vexilloid"
"""Stands in ids and labels, which no provider is ever sent."""

DATA: Mapping[str, str] = {
    "EMAIL": f"{VALUE}-1@example.org",
    "PHONE": "+44 20 7946 0958",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IBAN": "GB82 WEST 1234 5698 7654 32",
    "US_SSN": "SSN 536-22-8726",
    "SECRET": "AKIAQUPXKZ7MN4RT2WYD",
}
"""One datum of each kind that makes a text confidential or restricted by itself."""
BY_SCORE = "10.1.2.3 00:1b:44:11:3a:b7 bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
"""No floor, but together over the score at which a text is confidential."""
BY_NUMBER = " ".join(f"10.1.2.{n}" for n in range(1, 25))
"""Internal one by one, confidential as a list."""
PLACES = (
    "user",
    "system",
    "assistant",
    "tool",
    "stop",
    "schema",
    "hint",
    "score",
    "number",
    "embedding",
    "nowhere",
)
SPOTS = (*STRING_CARRIERS, *UNREADABLE)
"""Further places: parts of messages, definitions of tools, and what no detector reads."""
PATHS = ("cloud-first", "edge-first", "cloud-only", "masked-first")
TIMEOUTS_S = (0.03, 1.0, 8.0, 60.0)
FAULTS = (
    "raises ValueError", "raises RecursionError", "raises MemoryError", "raises KeyError", "stops midway",
    "gives None", "gives a list of None", "gives another type", "gives a span beyond", "gives an empty span",
    "gives NaN", "gives a confidence of 2", "is over time",
)  # fmt: skip
_RAISED = {kind.__name__: kind for kind in (ValueError, RecursionError, MemoryError, KeyError)}


class Detour:
    """A clock with a push forward: what a detector uses up is time that nobody waits for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds of the inner clock, and what was used up."""
        return self._clock.monotonic_s() + self.ahead_s

    def unix_s(self) -> float:
        """Seconds since 1970 in UTC."""
        return self._clock.unix_s()

    async def sleep(self, delay_s: float) -> None:
        """Wait, as the inner clock does."""
        await self._clock.sleep(delay_s)


@dataclass(frozen=True)
class FaultyDetector:
    """Stands in for a detector and fails in one way; its exceptions quote the text, as careless ones do."""

    types: tuple[str, ...]
    fault: str
    clock: Detour

    def find(self, text: str) -> Iterable[Match]:
        """Fail."""
        verb, _, what = self.fault.partition(" ")
        if verb == "raises":
            raise _RAISED[what](text)
        if verb == "stops":
            return self._stop_midway(text)
        if verb == "is":
            self.clock.ahead_s += 30.0
            return []
        good: dict[str, Any] = {"type": self.types[0], "start": 0, "end": 1, "confidence": 0.1}
        changed: dict[str, dict[str, Any]] = {
            "another type": {"type": "HANDLE"},
            "a span beyond": {"end": len(text) + 1},
            "an empty span": {"end": 0},
            "NaN": {"confidence": float("nan")},
            "a confidence of 2": {"confidence": 2.0},
        }
        wrong: object = [None] if what == "a list of None" else None
        if what in changed:
            wrong = [Match(**{**good, **changed[what]})]
        return cast(Iterable[Match], wrong)

    def _stop_midway(self, text: str) -> Iterator[Match]:
        yield Match(type=self.types[0], start=0, end=1, confidence=0.1)
        raise ValueError(text)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, and what goes wrong on its way."""

    request: Request = field(repr=False)
    is_private: bool
    """Whether it is confidential or above, by what was put into it."""
    may_mask: bool
    """Whether that is so only for e-mail addresses and phone numbers in messages."""
    data: tuple[str, ...] = field(default=(), repr=False)
    detector_fault: tuple[int, str] | None = None
    steps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What each model does, call by call; then it answers."""
    is_streamed: bool = False
    timeout_s: float = 60.0
    cancel_after_s: float | None = None
    is_swapped: bool = False
    """Whether another policy takes the place of the first between decision and dispatch."""
    is_replayed: bool = False
    is_unreadable: bool = False
    """Whether it is private only since no detector can read it."""


def in_carrier(kind: str, carrier: str | None) -> str:
    """Return a datum as it stands in a cell of a carrier, between two numbers; or by itself."""
    made = carried(carrier, DATA[kind], "1000", "9.99") if carrier else None
    return made[0] if made else DATA[kind]


def a_request(
    place: str, kinds: Sequence[str], *, path: str, disguise: bool = False, carrier: str | None = None
) -> Request:
    """Return a request with canaries everywhere, and private data in one place, in a carrier if told so."""
    private = " and ".join(in_carrier(kind, carrier) for kind in kinds)
    if disguise:
        private = private.translate({ord("1"): "\uff11", ord("-"): "\u2011", ord(" "): "\u200b\u00a0"})
    private = {"score": BY_SCORE, "number": BY_NUMBER}.get(place, private)
    spot = "user" if place in ("score", "number") else place
    said = {role: f"{TEXT} {private if role == spot else 'nothing'} {TEXT}" for role in Role}
    stops = (TEXT, f"{TEXT} {private}") if place == "stop" else (TEXT,)
    schema = {"type": "object", "description": f"{TEXT} {private if place == 'schema' else ''}"}
    config = GenerationConfig(max_tokens=20, stop=stops, json_schema=json.dumps(schema, ensure_ascii=False))
    messages = tuple(Message(role=role, content=said[role]) for role in Role)
    is_embedding = place == "embedding"
    if is_embedding:
        texts = (TEXT, f"{TEXT} {private} {TEXT}", TEXT)
        messages, config = tuple(Message(role=Role.USER, content=text) for text in texts), GenerationConfig()
    if place in STRING_CARRIERS:
        more, own = carrying(place, f"{TEXT} {private} {TEXT}" if kinds else TEXT)
        messages += more
        config = own if own != GenerationConfig() else config
    elif place in UNREADABLE:
        messages += unread(place)
    return Request(
        request_id=f"{NAME}-1",
        tenant="acme",
        messages=messages,
        config=config,
        hints=Hints(privacy_class=PrivacyClass.CONFIDENTIAL if place == "hint" else None),
        labels={"path": path, "note": NAME},
        embedding=EmbeddingConfig() if is_embedding else None,
    )


def a_case(
    place: str,
    kinds: Sequence[str] = (),
    *,
    path: str,
    disguise: bool = False,
    carrier: str | None = None,
    **more: Any,
) -> Case:
    """Return a case whose request is private in `place`, or `nowhere`; `more` are fields of a case."""
    fault = more.get("detector_fault")
    in_messages = place in ("user", "system", "assistant", "tool")
    in_messages |= place in STRING_CARRIERS and STRING_CARRIERS[place].may_mask
    is_empty = place == "nowhere" or (place in (*STRING_CARRIERS, "embedding") and not kinds)
    return Case(
        request=a_request(place, kinds, path=path, disguise=disguise, carrier=carrier),
        is_private=not is_empty or fault is not None,
        may_mask=in_messages and set(kinds) <= {"EMAIL", "PHONE"} and not disguise and fault is None,
        data=tuple(DATA[kind] for kind in kinds) if place != "hint" else (),
        is_unreadable=place in UNREADABLE,
        **more,
    )


def directed(detectors: int) -> Iterator[Case]:
    """Yield a case for every place, kind, path, fault of a detector, fault of a model, and mishap."""
    for path in PATHS:
        for place in PLACES:
            yield a_case(place, ["EMAIL"] if place not in ("nowhere", "hint") else [], path=path)
    for place in STRING_CARRIERS:
        yield a_case(place, ["CREDIT_CARD"], path="cloud-first")
        yield a_case(place, ["EMAIL"], path="masked-first")
    for place in UNREADABLE:
        yield a_case(place, path="cloud-first")
    for kind in DATA:
        yield a_case("user", [kind], path="cloud-first", disguise=kind in ("CREDIT_CARD", "PHONE"))
        yield a_case("user", [kind, "EMAIL"], path="masked-first")
        yield a_case("embedding", [kind], path="cloud-first")
    for number, carrier in enumerate(CARRIERS):
        kind = sorted(DATA)[number % len(DATA)]
        yield a_case("user", [kind], path="cloud-first", carrier=carrier)
        yield a_case("user", [kind], path="masked-first", carrier=carrier)
    for number, fault in enumerate(FAULTS):
        yield a_case("nowhere", path="cloud-first", detector_fault=(number % detectors, fault))
        yield a_case("user", ["EMAIL"], path="masked-first", detector_fault=(number % detectors, fault))
    for number, step in enumerate(STEPS):
        steps = {model: [step, step] for model in ("edge", "cloud", "backup", "masking")}
        place = ("nowhere", "user")[number % 2]
        kinds = ["CREDIT_CARD"] if place == "user" else []
        for path in ("cloud-first", "edge-first"):
            yield a_case(place, kinds, path=path, steps=steps, is_streamed=number % 3 == 0)
    for place in ("nowhere", "user"):
        kinds = ["IBAN"] if place == "user" else []
        yield a_case(place, kinds, path="cloud-first", is_swapped=True)
        yield a_case(place, kinds, path="edge-first", is_replayed=True, steps={"edge": ["engine died"]})
        yield a_case(place, kinds, path="edge-first", cancel_after_s=0.5, steps={"edge": ["silence"]})


def drawn(seed: int, count: int, detectors: int) -> Iterator[Case]:
    """Yield `count` cases, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        place = rng.choice((*PLACES, "nowhere", "nowhere", "nowhere"))
        if rng.random() < 0.4:
            place = rng.choice(SPOTS)
        is_bare = place in ("nowhere", "hint") or place in UNREADABLE
        kinds = [] if is_bare else rng.sample(sorted(DATA), rng.choice((1, 1, 2)))
        faulty = rng.random() < 0.2
        yield a_case(
            place,
            kinds,
            path=rng.choice(PATHS),
            disguise=rng.random() < 0.2,
            carrier=rng.choice((None, *CARRIERS)),
            detector_fault=(rng.randrange(detectors), rng.choice(FAULTS)) if faulty else None,
            steps={
                model: rng.choices(sorted(STEPS), k=rng.choice((0, 0, 1, 2, 4)))
                for model in ("edge", "cloud", "backup", "masking")
            },
            is_streamed=rng.random() < 0.5,
            timeout_s=rng.choice(TIMEOUTS_S),
            cancel_after_s=rng.choice((None, None, None, 0.0, 0.1, 2.0)),
            is_swapped=rng.random() < 0.05,
            is_replayed=rng.random() < 0.1,
        )


STEPS = (
    "answers", "answers without usage", "echoes", "slow", "silence", "unreachable", "reset", "protocol",
    "truncated", "half, then cut", "half, then no end", "half, then stall", "half, then error",
    "engine down", "engine died", "queue full", "not capable", "defect",
    *(f"HTTP {status}" for status in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)),
    "context_length_exceeded", "content_filter", "insufficient_quota",
)  # fmt: skip
"""What a model may do in one call."""


class Defect(Exception):
    """What a careless dependency raises: its message quotes the text."""


def step_of(name: str, model: str, sent: str) -> Step:
    """Return what a model does; a provider quotes what it was sent in every error body."""
    whole = reply(f"an answer about {sent}", usage=Usage(prompt_tokens=5, completion_tokens=5))
    half = Chunk(text="half of ")
    plain: dict[str, Step] = {
        "answers": reply("fine", usage=Usage(prompt_tokens=5, completion_tokens=5)),
        "answers without usage": reply("fine"),
        "echoes": whole,
        "slow": (Delay(2.0), whole),
        "silence": Delay(1e5),
        "half, then cut": (half, StreamTruncated(model, "cut")),
        "half, then no end": (half,),
        "half, then stall": (half, Delay(1e5)),
        "half, then error": (half, BackendReset(model, "reset")),
        "defect": Defect(sent),
    }
    return plain[name] if name in plain else _error_of(name, model, sent)


def _error_of(name: str, model: str, sent: str) -> BackendError:
    ours = {
        "unreachable": BackendUnreachable(model, "no connection"),
        "reset": BackendReset(model, "reset"),
        "protocol": BackendProtocol(model, "unreadable"),
        "truncated": StreamTruncated(model, "cut"),
        "engine down": EngineDown(model, "no engine"),
        "engine died": EngineDied(model, "it ended"),
        "queue full": EngineQueueFull(model, "too many wait", retry_after_s=0.2),
        "not capable": NotCapable(model, "cannot"),
        "silent": BackendSilent(model, "silent"),
    }
    if name in ours:
        return ours[name]
    status = int(name.removeprefix("HTTP ")) if name.startswith("HTTP ") else 429 if "quota" in name else 400
    body = {"error": {"code": name, "type": sent, "message": f"cannot take {sent}", "param": sent}}
    return refused(model, status=status, body=body, headers={"retry-after": "1"}, unix_s=0.0)
