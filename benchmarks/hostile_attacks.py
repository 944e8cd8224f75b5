"""The attackers of `benchmarks.hostile`: a process that does one attack to a gateway until it is killed."""

import asyncio
import itertools
import json
import random
import resource
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc

from benchmarks.privacy_inputs import LARGE
from gateway.v1 import gateway_pb2 as pb

SERVICE = "/gateway.v1.GatewayService/"
KIB = 1024
NICE = 19
"""The attackers are on this host, and an attacker far away would not take its processors."""
CONTROL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "[INST]", "[/INST]", "<s>", "</s>")


@dataclass(frozen=True)
class Aim:
    """Where the gateway is, and the key of the tenant that attacks it."""

    target: str
    key: str

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What names the tenant."""
        return (("authorization", f"Bearer {self.key}"),)

    @staticmethod
    def method(channel: grpc.aio.Channel, name: str) -> "Rpc":
        """Return a call of the gateway that takes and returns bytes."""
        if name == "StreamGenerate":
            return channel.unary_stream(SERVICE + name)
        return channel.unary_unary(SERVICE + name)

    def channel(self, number: int) -> grpc.aio.Channel:
        """Return a connection of its own."""
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.primary_user_agent", f"attacker-{number}"),
            ("grpc.max_receive_message_length", -1),
        ]
        return grpc.aio.insecure_channel(self.target, options=options)


Rpc = Callable[..., Any]
"""Makes a call; what comes of it can be awaited and cancelled."""
Attack = Callable[[Aim], Awaitable[None]]


def message(*texts: str, labels: Mapping[str, str] | None = None, schema: str | None = None) -> bytes:
    """Return a request as bytes; Generate, StreamGenerate and Explain have the same fields."""
    config = pb.GenerationConfig(max_tokens=64, json_schema=schema)
    messages = [pb.Message(role=pb.ROLE_USER, content=text) for text in texts]
    return pb.GenerateRequest(messages=messages, config=config, labels=labels or {}).SerializeToString()


def calls(method: str, bodies: Sequence[bytes], *, callers: int, timeout_s: float = 1.0) -> Attack:
    """Return the attack of so many callers, each of which makes one call after the other."""

    async def attack(aim: Aim) -> None:
        turns = itertools.cycle(bodies)

        async def caller(number: int) -> None:
            async with aim.channel(number % 8) as channel:
                call = aim.method(channel, method)
                while True:
                    with suppress(grpc.aio.AioRpcError):
                        await call(next(turns), metadata=aim.metadata, timeout=timeout_s)
                    await asyncio.sleep(0)

        await asyncio.gather(*map(caller, range(callers)))

    return attack


async def cancel_storm(aim: Aim) -> None:
    """Begin calls of every kind, and leave them after milliseconds."""
    rng = random.Random(5)
    bodies = {
        "Generate": message("hello", labels={"place": "edge"}),
        "StreamGenerate": message("hello", labels={"place": "edge"}),
        "Explain": message(LARGE["prose"][: 64 * KIB]),
    }

    async def caller(number: int) -> None:
        async with aim.channel(number % 8) as channel:
            for method in itertools.cycle(bodies):
                call = aim.method(channel, method)(bodies[method], metadata=aim.metadata, timeout=5.0)
                await asyncio.sleep(rng.uniform(0.0, 0.03))
                call.cancel()

    await asyncio.gather(*map(caller, range(16)))


async def slow_calls(aim: Aim) -> None:
    """Hold 1,200 calls to a provider that takes its time."""
    body = message("hello", labels={"place": "slow"})
    begun: list[Any] = []
    for number in range(12):
        rpc = aim.method(aim.channel(number), "Generate")
        begun += [rpc(body, metadata=aim.metadata, timeout=60.0) for _ in range(100)]
    await asyncio.gather(*begun, return_exceptions=True)
    await asyncio.Event().wait()


async def silent_connections(aim: Aim) -> None:
    """Open 1,200 connections and say nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = aim.target.rpartition(":")
    held: list[socket.socket] = []
    while True:
        for _ in range(1200 - len(held)):
            each = socket.socket()
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect((host, int(port)))
            held.append(each)
        await asyncio.sleep(1.0)


def _junk(size: int) -> Iterator[bytes]:
    rng = random.Random(3)
    whole = message(LARGE["JSON"][:size], schema=json.dumps({"type": "object"}))
    for _ in range(16):
        yield rng.randbytes(size)
        torn = bytearray(whole)
        for _ in range(20):
            torn[rng.randrange(len(torn))] = rng.randrange(256)
        yield bytes(torn)
        yield whole[: rng.randrange(len(whole))]


def _lines(size: int, line: Callable[[random.Random], str]) -> str:
    rng, parts, length = random.Random(11), [], 0
    while length < size:
        parts.append(line(rng))
        length += len(parts[-1])
    return "".join(parts)[:size]


def _enum(names: Iterator[str], count: int) -> str:
    return json.dumps({"enum": list(itertools.islice(names, count))}, separators=(",", ":"))


def _alike() -> Iterator[str]:
    """Yield strings that all begin with the same character."""
    return (f"v{number:05d}" for number in itertools.count())


def _different() -> Iterator[str]:
    """Yield strings of which no two begin with the same character."""
    return (chr(code) for code in itertools.count(0x4E00))


DIGIT_LINES = "passport, tax and social insurance numbers:\n" + _lines(
    64 * KIB, lambda rng: f"{rng.randrange(10**9):09d}\n"
)
COLONS = _lines(64 * KIB, lambda rng: f"{rng.choice('abcdef')}:: ")
LOOPBACK = "::1\n" * (255 * KIB)
MANY = [json.dumps({"anyOf": [{}] * 43_000, "title": str(n)}, separators=(",", ":")) for n in range(4)]
"""Too many values to be checked."""
ALLOWED = [
    json.dumps(
        {"anyOf": [{"title": "some words", "type": "string"}] * 3_000, "title": str(n)}, separators=(",", ":")
    )
    for n in range(512)
]
"""Of about as many values as are checked; more of them than checks are remembered."""
OPEN = '{"title":"' + '\\"' * 60_000
"""A string without an end, in which each quote may look like the beginning of another one."""
TOOLS = [
    pb.GenerateRequest(
        messages=[pb.Message(role=pb.ROLE_USER, content="hi")],
        config=pb.GenerationConfig(
            tools=[
                pb.Tool(name=f"t{n}", parameters_json_schema=schema)
                for n, schema in enumerate(ALLOWED[begin : begin + 8])
            ]
        ),
    ).SerializeToString()
    for begin in range(0, 264, 8)
]
"""Close to a megabyte each; together they have more schemas than checks are remembered."""
EDGE = {"place": "edge"}
_DENSE = [message(text[: 64 * KIB]) for text in LARGE.values()]
_HOSTILE = [
    message("hello", labels={"place": place}) for place in ("bomb", "endless", "absurd") for _ in range(2)
]

ATTACKS: Mapping[str, Attack] = {
    "6 x schema of 43,000": calls("Explain", [message("hi", schema=each) for each in MANY], callers=6),
    "12 x schema of 43,000": calls("Explain", [message("hi", schema=each) for each in MANY], callers=12),
    "12 x schema of 9,000": calls("Explain", [message("hi", schema=each) for each in ALLOWED], callers=12),
    "6 x open string": calls("Explain", [message("hi", schema=OPEN)], callers=6),
    "6 x 8 large tools": calls("Explain", TOOLS, callers=6),
    "6 x 1 MB of ::1": calls("Explain", [message(LOOPBACK)], callers=6),
    "12 x 1 MB of ::1": calls("Explain", [message(LOOPBACK)], callers=12),
    "8 kB of ::1": calls("Explain", [message(LOOPBACK[: 8000])], callers=12),
    "64 kB of each kind": calls("Explain", _DENSE, callers=12),
    "9-digit lines": calls("Explain", [message(DIGIT_LINES)], callers=12),
    "64 kB of a::": calls("Explain", [message(COLONS)], callers=12),
    "enum, alike": calls(
        "Generate", [message("hi", labels=EDGE, schema=_enum(_alike(), 5900))],
        callers=4, timeout_s=5.0,
    ),
    "enum, different": calls(
        "Generate", [message("hi", labels=EDGE, schema=_enum(_different(), 3000))], callers=4, timeout_s=5.0
    ),
    "1,024 control tokens": calls(
        "Generate", [message(*("".join(CONTROL_TOKENS) for _ in range(1024)), labels=EDGE)], callers=4
    ),
    "1,200 slow calls": slow_calls,
    "1,200 silent": silent_connections,
    "hostile provider": calls("Generate", _HOSTILE, callers=12, timeout_s=5.0),
    "junk bodies": calls("Generate", list(_junk(32 * KIB)), callers=16),
    "cancel storm": cancel_storm,
}  # fmt: skip
"""By the names that the table has."""


def main() -> None:
    """Do one attack: `python -m benchmarks.hostile_attacks NAME TARGET KEY`; ends by a signal alone."""
    name, target, key = sys.argv[1:]
    print("begun", flush=True)

    async def attack() -> None:
        await ATTACKS[name](Aim(target, key))

    asyncio.run(attack())


if __name__ == "__main__":
    main()
