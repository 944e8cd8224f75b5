"""What each layer of the gateway adds to a call, in CPU time: a unary call, and a stream of 20 pieces.

    python benchmarks/hot_path_layers.py [--rounds 5] [--calls 400] [--profile LAYER] [--json FILE]

Everything runs on one event loop of this process, without gRPC. The provider is another process, whose time
does not count; ledger and records write to real files, and their threads count. All layers take turns in
every round, since machines are shared and noisy.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import grpc
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hot_path_provider import PIECES, serving_provider
from gateway.app.runtime import Runtime, Stores
from gateway.backends.base import Backend, Call, open_backend
from gateway.clock import Deadline, SystemClock
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.domain.decision import Decision
from gateway.domain.request import Request
from gateway.extras.cache.opener import CacheOpener
from gateway.extras.handoff.open import HandoffOpener
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.open import open_ledger
from gateway.pipeline.extras import Extras
from gateway.pipeline.run import Pipeline
from gateway.policy.loading.load import parse_policy
from gateway.records.writer import Records
from gateway.server.access import TenantRule, anyone
from gateway.server.admin.recent import Recent
from gateway.server.calls import Calls
from gateway.server.grpc.middleware import SERVICE, RpcMiddleware
from gateway.server.grpc.service import add_service
from gateway.server.grpc.wire import parse_request
from gateway.sessions.open import open_sessions
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import Measures
from gateway.telemetry.report import Observer
from gateway.v1 import gateway_pb2 as pb
from tests.support.pipeline_calls import context_of, incoming_of

TEXT = (
    "Explain step by step why the sum of two continuous functions is continuous, give a proof with epsilon"
    " and delta, and show one example where the product of two discontinuous functions is continuous."
)
MESSAGE = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=TEXT)]).SerializeToString()
POLICY = """
version: 1
models:
  cloud: {{kind: openai, model: m, base_url: "{url}", clearance: confidential,
          price_per_million_usd: {{input: 1, output: 1}}}}
  backup: {{kind: openai, model: n, base_url: "{url}", clearance: internal,
          price_per_million_usd: {{input: 2, output: 2}}}}
rules:
  - {{name: hard, when: 'complexity >= 0.6', route: [cloud, backup]}}
  - {{name: default, route: [cloud, backup]}}
{budgets}
replies: [{{id: sorry, text: "Sorry."}}]
"""
BUDGETS = "budgets: [{name: tenants, per: tenant, window: day, limit_usd: 100000}]"
USAGE = Usage(prompt_tokens=40, completion_tokens=PIECES)
AT_ONCE = 8
"""Calls in flight."""
LONG_S = 30.0
CLOCK = SystemClock()

Layer = Callable[[bool], Awaitable[None]]
"""Makes one call; True: a stream."""


class Instant:
    """A model that answers immediately."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, call: Call) -> Reply:
        """Return the same answer each time."""
        return Reply(text="It is.", finish_reason=FinishReason.STOP, usage=USAGE)

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the same pieces each time."""
        for _ in range(PIECES):
            yield Chunk(text=" word")
        yield Chunk(finish_reason=FinishReason.STOP, usage=USAGE)

    async def aclose(self) -> None:
        """Free nothing."""


class _Rpc:
    """What the handlers see of a call of gRPC, without gRPC."""

    def time_remaining(self) -> float:
        return LONG_S

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "grpc-python-asyncio/1.85"),)

    def auth_context(self) -> Mapping[str, object]:
        return {}

    async def write(self, message: pb.StreamGenerateResponse) -> None:
        message.SerializeToString()

    def add_done_callback(self, callback: object) -> None: ...


@dataclass
class _Details:
    """Names the method that is asked for."""

    method: str
    invocation_metadata: tuple[()] = ()


class _Registry:
    """Takes the handlers in the place of a server of gRPC."""

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        self._handlers = handlers[0]

    def handler(self, method: str) -> Any:
        return self._handlers.service(cast(Any, _Details(f"/{SERVICE}/{method}")))


async def decided(pipeline: Pipeline) -> tuple[Request, Decision]:
    """Return a request and what the policy says of it."""
    request = parse_request(pb.GenerateRequest.FromString(MESSAGE), tenant="t", new_id="r")
    return request, await pipeline.decide(request, Deadline.after(LONG_S, CLOCK))


def provider_layer(backend: Backend, request: Request, decision: Decision) -> Layer:
    """Return calls of a provider alone."""

    async def call(is_stream: bool) -> None:
        permit = decision.permits["cloud"]
        asked = Call(
            request=request, max_tokens=256, deadline=Deadline.after(LONG_S, CLOCK), permit=permit, stall_s=10
        )
        if is_stream:
            async for _ in backend.stream(asked):
                pass
        else:
            await backend.generate(asked)

    return call


def bare_layer(session: aiohttp.ClientSession, url: str) -> Layer:
    """Return the same calls by aiohttp alone: what a client costs that checks nothing."""

    async def call(is_stream: bool) -> None:
        body = {"model": "m", "stream": is_stream, "messages": [{"role": "user", "content": TEXT}]}
        async with session.post(f"{url}/chat/completions", data=json.dumps(body).encode()) as response:
            if is_stream:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        json.loads(line[6:])
            else:
                json.loads(await response.read())

    return call


def dispatch_layer(dispatcher: Dispatcher, pipeline: Pipeline, request: Request, decision: Decision) -> Layer:
    """Return calls of dispatch for a request that is decided."""

    async def call(is_stream: bool) -> None:
        deadline = Deadline.after(LONG_S, CLOCK)
        if is_stream:
            async for _ in dispatcher.stream(request, decision, policy=pipeline.policy, deadline=deadline):
                pass
        else:
            await dispatcher.generate(request, decision, policy=pipeline.policy, deadline=deadline)

    return call


def pipeline_layer(pipeline: Pipeline, request: Request) -> Layer:
    """Return calls of the pipeline."""

    async def call(is_stream: bool) -> None:
        asked = incoming_of(request)
        context = context_of(request, Deadline.after(LONG_S, CLOCK), clock=CLOCK)
        if is_stream:
            async with aclosing(pipeline.stream(asked, context)) as events:
                async for _ in events:
                    pass
        else:
            await pipeline.run(asked, context)

    return call


@dataclass(frozen=True)
class Handlers:
    """The handlers of a whole gateway, as gRPC would call them, and their pipeline."""

    pipeline: Pipeline
    unary: Callable[[bytes, object], Awaitable[pb.GenerateResponse]]
    stream: Callable[[bytes, object], Awaitable[None]]

    async def call(self, is_stream: bool) -> None:
        """Make one call."""
        if is_stream:
            await self.stream(MESSAGE, _Rpc())
        else:
            await self.ask(MESSAGE)

    async def ask_stream(self, message: bytes) -> None:
        """Ask for a stream."""
        await self.stream(message, _Rpc())

    async def ask(self, message: bytes) -> None:
        """Ask for a whole answer."""
        (await self.unary(message, _Rpc())).SerializeToString()


@asynccontextmanager
async def handlers(
    state: str,
    policy: str,
    observers: tuple[Observer, ...],
    backends: Mapping[str, Backend],
    *,
    tenant_of: TenantRule = anyone,
) -> AsyncIterator[Handlers]:
    """Give the handlers of a whole gateway."""
    ledger = open_ledger(state)
    runtime = Runtime(
        lasting=backends,
        stores=Stores(
            ledger,
            open_sessions(state, has_tenants=tenant_of is not anyone, clock=CLOCK),
            CacheOpener(state_url=state, on_look_up=lambda _: None, clock=CLOCK),
        ),
        handoff=HandoffOpener(state_url=state, environ={}, clock=CLOCK),
        shadow=None,
        extras=Extras(),
        has_tenants=tenant_of is not anyone,
        environ={},
        clock=CLOCK,
    )
    active = await runtime.begin(parse_policy(policy, name="policy.yaml"))
    registry = _Registry()
    calls = Calls(active, clock=CLOCK, tenant_of=tenant_of, observers=(*observers, runtime.rates.note))
    add_service(cast(Any, registry), RpcMiddleware(calls, clock=CLOCK))
    unary, stream = registry.handler("Generate"), registry.handler("StreamGenerate")
    try:
        yield Handlers(active.pipeline, unary.unary_unary, stream.unary_stream)
    finally:
        await active.aclose()
        await runtime.aclose()
        await ledger.aclose()


@asynccontextmanager
async def layers(urls: Mapping[str, str]) -> AsyncIterator[dict[str, Layer]]:
    """Give each layer, from a provider's client to all there is but gRPC."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scripted: dict[str, Backend] = {name: Instant(name) for name in ("cloud", "backup")}
        sqlite = f"sqlite://{folder / 'ledger.db'}"
        records = Records(folder / "records.jsonl", clock=CLOCK)
        stack.callback(records.close)
        observers = (records.note, Measures().record_call, Recent().record_call)
        together = POLICY.format(url=urls["together"], budgets="")
        plain = await stack.enter_async_context(handlers("memory:", together, (), scripted))
        pipeline = plain.pipeline
        request, decision = await decided(pipeline)
        dispatcher = Dispatcher(backends=scripted, ledger=MemoryLedger(), clock=CLOCK)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = {
            "provider: bare aiohttp": bare_layer(session, urls["together"]),
            "dispatch": dispatch_layer(dispatcher, pipeline, request, decision),
            "pipeline": pipeline_layer(pipeline, request),
            "handler": plain.call,
        }
        for name, url in urls.items():
            spec = pipeline.policy.models["cloud"].model_copy(update={"base_url": url})
            backend = open_backend("cloud", spec, api_key=None, clock=CLOCK)
            stack.push_async_callback(backend.aclose)
            found[f"provider: client, {name}"] = provider_layer(backend, request, decision)
        recorded = handlers("memory:", together, observers, scripted)
        found["with records and metrics"] = (await stack.enter_async_context(recorded)).call
        policies = {name: POLICY.format(url=url, budgets=BUDGETS) for name, url in urls.items()}
        with_budget = handlers(sqlite, policies["together"], observers, scripted)
        found["with a budget in SQLite"] = (await stack.enter_async_context(with_budget)).call
        for name, policy in policies.items():
            with_provider = handlers(sqlite, policy, observers, {})
            found[f"with a provider, {name}"] = (await stack.enter_async_context(with_provider)).call
        yield found


async def microseconds(layer: Layer, *, calls: int, is_stream: bool) -> float:
    """Return the CPU time of this process for one call of a layer."""

    async def caller(count: int) -> None:
        for _ in range(count):
            await layer(is_stream)

    await asyncio.gather(*(caller(1) for _ in range(AT_ONCE)))
    started_s = time.process_time()
    await asyncio.gather(*(caller(calls // AT_ONCE) for _ in range(AT_ONCE)))
    return (time.process_time() - started_s) / (calls // AT_ONCE * AT_ONCE) * 1e6


Measured = dict[str, dict[str, list[float]]]
"""By `unary` or `stream`, then by layer: microseconds, a value a round."""


async def measure(*, rounds: int, calls: int) -> Measured:
    """Return what each layer costs."""
    measured: Measured = {}
    with serving_provider() as urls:
        async with layers(urls) as found:
            for _ in range(rounds):
                for name, layer in found.items():
                    for kind, is_stream in (("unary", False), ("stream", True)):
                        if is_stream or not name.endswith("one by one"):
                            taken = await microseconds(layer, calls=calls, is_stream=is_stream)
                            measured.setdefault(kind, {}).setdefault(name, []).append(taken)
    return measured


async def profile(name: str, *, calls: int, is_stream: bool) -> pstats.Stats:
    """Return where one layer's time goes, by the profiler, which makes small functions look dear."""
    with serving_provider() as urls:
        async with layers(urls) as found:
            await microseconds(found[name], calls=calls, is_stream=is_stream)
            profiler = cProfile.Profile(time.thread_time)
            profiler.enable()
            await microseconds(found[name], calls=calls, is_stream=is_stream)
            profiler.disable()
            return pstats.Stats(profiler)


def show(measured: Measured) -> None:
    """Print a table for unary calls and one for streams."""
    for kind, rows in measured.items():
        table = Table(title=f"Microseconds of CPU, {kind}", title_justify="left")
        for heading in ("", "min", "median", "max"):
            table.add_column(heading, justify="left" if not heading else "right")
        for name, values in rows.items():
            shown = (min(values), statistics.median(values), max(values))
            table.add_row(name, *(f"{value:.0f}" for value in shown))
        Console().print(table)


def main() -> None:
    """Measure, print tables, and write JSON where that was asked for."""
    parser = argparse.ArgumentParser(description="What each layer of the gateway adds to a call.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each layer takes its turn")
    parser.add_argument("--calls", type=int, default=400, help="calls in a turn")
    parser.add_argument("--profile", metavar="LAYER", help="print where the time of one layer goes")
    parser.add_argument("--sort", default="tottime", help="by what to sort the profile: tottime, cumtime")
    parser.add_argument("--lines", type=int, default=60, help="of the profile")
    parser.add_argument("--stream", action="store_true", help="profile a stream, not a unary call")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    arguments = parser.parse_args()
    with open("/dev/null", "w", encoding="utf-8") as sink:
        configure_logs("json", stream=sink)
        if arguments.profile:
            stats = asyncio.run(profile(arguments.profile, calls=arguments.calls, is_stream=arguments.stream))
            stats.sort_stats(arguments.sort).print_stats(arguments.lines)
            return
        measured = asyncio.run(measure(rounds=arguments.rounds, calls=arguments.calls))
    show(measured)
    if arguments.json:
        arguments.json.write_text(json.dumps({"microseconds": measured}, indent=2) + "\n")


if __name__ == "__main__":
    main()
