"""What a request costs the gateway itself, apart from the model: CPU per stage, and per call through gRPC.

    python benchmarks/hot_path.py [--rounds 5] [--calls 1000] [--json FILE]

Stages are timed in this process. For the calls a server runs in a process of its own, with scripted models
that answer at once, and its CPU time is divided by the calls; a bare grpc.aio handler with the same messages
takes turns with it in the same run, since machines are shared and noisy: quote the ratio.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.app.observability import Observability
from gateway.clock import SystemClock
from gateway.complexity.complexity import score_complexity
from gateway.domain.answer import Answer, Attempt, FinishReason, Outcome, Route, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import RoutingState, Scores
from gateway.domain.request import Request
from gateway.policy.loading.load import parse_policy
from gateway.privacy import PrivacyScorer
from gateway.server.admin.worker import WorkerIdentity
from gateway.server.grpc.middleware import SERVICE
from gateway.server.grpc.render import render_answer
from gateway.server.grpc.wire import parse_request
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import share_numbers
from gateway.telemetry.otel import OtelTraces
from gateway.telemetry.traces import NO_SPAN
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.decisions import decide
from tests.support.policies import POLICY
from tests.support.served import served

TEXT = (
    "Explain step by step why the sum of two continuous functions is continuous, give a proof with epsilon"
    " and delta, and show one example where the product of two discontinuous functions is continuous."
)
USAGE = Usage(prompt_tokens=40, completion_tokens=2)
MESSAGE = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=TEXT)])


def stages() -> Mapping[str, Callable[[], object]]:
    """Return each stage of a request as a function without arguments."""
    policy = parse_policy(POLICY, name="policy.yaml")
    scorer = PrivacyScorer(policy.privacy, clock=SystemClock())
    request: Request = parse_request(MESSAGE, tenant="t", new_id="r")
    privacy = scorer.score(request)
    scores = Scores(complexity=0.9, privacy=privacy.score, budget=0.0)
    state = RoutingState(deadline_s=60.0)
    decision = decide(request, scores=scores, privacy=privacy, policy=policy, state=state)
    attempt = Attempt(
        model="cloud", outcome=Outcome.ANSWERED, reason=None, start_ms=0.1, duration_ms=9.0, usage=USAGE
    )
    answer = Answer(
        decision=decision,
        message=Message(role=Role.ASSISTANT, content="It is."),
        finish_reason=FinishReason.STOP,
        usage=USAGE,
        route=Route.CLOUD,
        model="cloud",
        degraded=None,
        cost_usd_nanos=90_000,
        attempts=(attempt,),
    )
    return {
        "parse": lambda: parse_request(MESSAGE, tenant="t", new_id="r"),
        "score complexity": lambda: score_complexity(request.messages),
        "score privacy": lambda: scorer.score(request),
        "decide": lambda: decide(request, scores=scores, privacy=privacy, policy=policy, state=state),
        "render": lambda: render_answer("r", answer).SerializeToString(),
    }


def microseconds(stage: Callable[[], object], *, calls: int) -> float:
    """Return the CPU time of one call of a stage."""
    stage()
    start_s = time.process_time()
    for _ in range(calls):
        stage()
    return (time.process_time() - start_s) / calls * 1e6


async def _bare(request: pb.GenerateRequest, context: object) -> pb.GenerateResponse:
    """Answer at once: what gRPC and Python cost by themselves."""
    return pb.GenerateResponse(text="It is.")


async def _serve_bare(pipe: Connection) -> None:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        _bare,
        request_deserializer=pb.GenerateRequest.FromString,
        response_serializer=pb.GenerateResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Generate": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send(f"127.0.0.1:{port}")
    await report_cpu(pipe)
    await server.stop(0)


class _Nowhere(SpanExporter):
    """Takes spans and drops them: what drawing costs, without a collector."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


def _operator(kind: str, folder: Path) -> Observability | None:
    """Return what operators get in a contest; None: nothing."""
    if kind == "gateway":
        return None
    if kind == "shared":
        share_numbers(folder, worker=0)
    tracer = OtelTraces(_Nowhere()) if kind == "traces" else NO_SPAN
    return Observability(place=WorkerIdentity(), tracer=tracer)


async def _serve_gateway(pipe: Connection, kind: str, folder: Path) -> None:
    with open("/dev/null", "w", encoding="utf-8") as sink:  # noqa: ASYNC230  Opened once, before any call.
        configure_logs("json", stream=sink)
        backends = {
            name: ScriptedBackend(name, lambda _: reply("It is.", usage=USAGE)) for name in ("edge", "cloud")
        }
        async with served(backends, operator=_operator(kind, folder)) as gateway:
            pipe.send(gateway.server.target)
            await report_cpu(pipe)


async def report_cpu(pipe: Connection) -> None:
    """Send the CPU seconds of this process whenever the parent asks; return when it says stop."""
    while await asyncio.to_thread(pipe.recv) != "stop":
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(used.ru_utime + used.ru_stime)


def _child(kind: str, pipe: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_serve_bare(pipe) if kind == "bare" else _serve_gateway(pipe, kind, Path(folder)))


BARE, GATEWAY, METRICS = "gRPC call, bare handler", "gRPC call, gateway", "the same, with metrics and status"
CONTESTANTS = {
    BARE: "bare",
    GATEWAY: "gateway",
    METRICS: "metrics",
    "the same, numbers in files that workers share": "shared",
    "the same, with metrics and traces": "traces",
}


class Contestant:
    """A server in a process of its own."""

    def __init__(self, kind: str) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_child, args=(kind, other))
        self._process.start()
        self.target: str = self._pipe.recv()

    async def microseconds(self, *, calls: int, at_once: int = 16) -> float:
        """Return the server's CPU time for one call, with `at_once` callers."""
        async with grpc.aio.insecure_channel(self.target) as channel:
            stub = pb_grpc.GatewayServiceStub(channel)
            await asyncio.gather(*(stub.Generate(MESSAGE) for _ in range(at_once)))
            before_s = self._cpu_s()
            for _ in range(calls // at_once):
                await asyncio.gather(*(stub.Generate(MESSAGE) for _ in range(at_once)))
            return (self._cpu_s() - before_s) / (calls // at_once * at_once) * 1e6

    def _cpu_s(self) -> float:
        self._pipe.send("cpu")
        used: float = self._pipe.recv()
        return used

    def stop(self) -> None:
        """End the process."""
        self._pipe.send("stop")
        self._process.join()


async def measure(*, rounds: int, calls: int) -> dict[str, list[float]]:
    """Return microseconds of CPU for each stage and each contestant, a value a round."""
    measured: dict[str, list[float]] = {}
    contestants = {name: Contestant(kind) for name, kind in CONTESTANTS.items()}
    try:
        for _ in range(rounds):
            for name, stage in stages().items():
                measured.setdefault(name, []).append(microseconds(stage, calls=calls))
            for name, contestant in contestants.items():
                measured.setdefault(name, []).append(await contestant.microseconds(calls=calls))
    finally:
        for contestant in contestants.values():
            contestant.stop()
    return measured


def main() -> None:
    """Measure, print a table, and write JSON where that was asked for."""
    parser = argparse.ArgumentParser(
        description="CPU per request of the gateway itself, apart from the model."
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each contestant takes its turn")
    parser.add_argument("--calls", type=int, default=1000, help="calls in a turn")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    arguments = parser.parse_args()
    measured = asyncio.run(measure(rounds=arguments.rounds, calls=arguments.calls))
    table = Table(title="Microseconds of CPU", title_justify="left")
    for heading in ("", "min", "median", "max"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, values in measured.items():
        shown = (min(values), statistics.median(values), max(values))
        table.add_row(name, *(f"{value:.0f}" for value in shown))
    console = Console()
    console.print(table)
    ratio = statistics.median(
        gateway / bare for gateway, bare in zip(measured[GATEWAY], measured[BARE], strict=True)
    )
    console.print(f"gateway / bare handler, median of rounds: {ratio:.2f}")
    for name in list(CONTESTANTS)[2:]:
        more = [after - before for after, before in zip(measured[name], measured[GATEWAY], strict=True)]
        console.print(f"{name}: {statistics.median(more):+.0f} microseconds, median of rounds")
    if arguments.json:
        arguments.json.write_text(json.dumps({"microseconds": measured, "ratio": ratio}, indent=2) + "\n")


if __name__ == "__main__":
    main()
