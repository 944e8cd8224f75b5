"""The engine process: `python -m gateway.engine --model NAME --socket PATH`, started by its supervisor.

The parent sends the model's spec as one line of JSON on standard input and keeps it open. When it closes, the
process exits immediately, in any state. The process reports each event as one line of JSON on standard
output, such as `{"event": "ready", ...}` or `{"event": "failed", "message": ...}`."""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from gateway.clock import Clock, SystemClock
from gateway.domain.model_facts import MemoryNeed
from gateway.engine.embedding.load_embedding import load_embedding
from gateway.engine.interfaces import DecodeFailed
from gateway.engine.load_chat import load_chat
from gateway.engine.loaded import Fact, Runnable, Runner
from gateway.engine.models import Progress
from gateway.engine.parent_watch import wake_with_parent, watch_parent
from gateway.engine.request_errors import location_of
from gateway.engine.rpc import make_private, serve
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel

EXIT_STARTUP = 2
"""Exit status: the model cannot be loaded; standard output says why."""
EXIT_DECODE = 4
"""Exit status: the decoding thread cannot continue; standard output says why."""

SWITCH_S = 0.0005
"""Switch interval of the interpreter: how long the event loop may keep the decoding thread waiting."""
HEARTBEATS = 4
"""Heartbeats in each `watchdog_s`, after which the supervisor kills a silent engine."""
LOADING_HEARTBEAT_S = 5.0
"""Seconds between heartbeats while the model loads."""
GRACE_S = 3600.0
"""How long running requests may take after SIGTERM; the supervisor kills the process before that."""


_stdout_lock = threading.Lock()


def ask_for(need: MemoryNeed, is_allowed: threading.Event) -> None:
    """Tell the parent what the model takes, and return when it says to load; else it ends this process."""
    send(event="memory", need=asdict(need))
    is_allowed.wait()


async def run(
    name: str, socket: Path, spec: LlamaCppModel, clock: Clock, admit: Callable[[MemoryNeed], None]
) -> None:
    """Load the model and serve it until SIGTERM; raises StartupError."""
    start_s = clock.monotonic_s()
    make_private(socket)
    with heartbeats_while_loading():
        load = load_chat if spec.embeds is None else load_embedding
        progress = partial(Progress, report=report_progress, clock=clock)
        engine = load(name, spec, admit, progress=progress, clock=clock, report=report_fault)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    decoder = threading.Thread(target=decode, args=(engine.runner,), name="decode")
    decoder.start()

    def ready() -> None:
        watchdog = Watchdog(engine.runner, engine.is_hung)
        heartbeats = threading.Thread(
            target=send_heartbeats, args=(watchdog, spec.watchdog_s / HEARTBEATS), daemon=True
        )
        load_ms = round((clock.monotonic_s() - start_s) * 1000)
        send(event="ready", load_ms=load_ms, **engine.facts)
        heartbeats.start()

    try:
        await serve(engine.service, socket=socket, ready=ready, stop=stop, grace_s=GRACE_S)
    finally:
        engine.runner.close()
        await asyncio.to_thread(decoder.join)
        engine.close()


def decode(runner: Runnable) -> None:
    """Run a model; when it fails, end the process: the supervisor starts another."""
    cause = "the decoding thread ended"
    try:
        runner.run()
        cause = ""
    except DecodeFailed as error:
        cause = str(error)
    except BaseException as error:
        cause = location_of(error)
        raise
    finally:
        if cause:
            send(event="failed", message=cause)
            os._exit(EXIT_DECODE)


@contextlib.contextmanager
def heartbeats_while_loading() -> Iterator[None]:
    """Send heartbeats until the block ends; loading has no steps to count."""
    is_loaded = threading.Event()

    def send_until_loaded() -> None:
        while not is_loaded.wait(LOADING_HEARTBEAT_S):
            send(event="alive")

    threading.Thread(target=send_until_loaded, daemon=True).start()
    try:
        yield
    finally:
        is_loaded.set()


class Watchdog:
    """Checks that an engine is idle or made a step since the last check, and that no rendering hangs."""

    def __init__(self, runner: Runner, is_hung: Callable[[], bool]) -> None:
        self._runner = runner
        self._is_hung = is_hung
        self._last_iterations = -1

    def is_healthy(self) -> bool:
        """Check once."""
        if self._is_hung() or not (self._runner.is_idle or self._runner.iterations != self._last_iterations):
            return False
        self._last_iterations = self._runner.iterations
        return True


def send_heartbeats(watchdog: Watchdog, interval_s: float) -> None:
    """Send heartbeats while the engine is healthy; the supervisor kills an engine that sends none."""
    while True:
        if watchdog.is_healthy():
            send(event="alive")
        threading.Event().wait(interval_s)


def send(**event: Fact) -> None:
    """Send one event to the supervisor, as a line on standard output; safe to call from any thread."""
    with _stdout_lock:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def report_fault(fault: str) -> None:
    """Report to the supervisor a defect that failed one request."""
    send(event="fault", message=fault)


def report_progress(phase: str, percent: int) -> None:
    """Report the progress of loading to the supervisor."""
    send(event="progress", phase=phase, percent=percent)


def main() -> int:
    """Read the arguments and the spec, then run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gateway.engine", description="Serve one local model.")
    parser.add_argument("--model", required=True, help="name of the model in the policy")
    parser.add_argument("--socket", required=True, type=Path, help="unix socket to serve on")
    arguments = parser.parse_args()
    wake_with_parent()
    # A core file would hold prompts. So would the variables printed by the debugger that ggml calls.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["GGML_NO_BACKTRACE"] = "1"
    # Ctrl-C in a terminal reaches the whole group; the parent decides when the engine ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Unbuffered: a thread that waits in a buffered read holds its lock, and Python aborts at exit.
    parent = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115  open until the process exits
    spec = LlamaCppModel.model_validate_json(parent.readline())
    may_load = threading.Event()
    watcher = threading.Thread(
        target=watch_parent, args=(parent, arguments.socket, may_load.set), daemon=True
    )
    watcher.start()
    sys.setswitchinterval(SWITCH_S)
    try:
        admit = partial(ask_for, is_allowed=may_load)
        asyncio.run(run(arguments.model, arguments.socket, spec, SystemClock(), admit))
    except StartupError as error:
        send(event="failed", message=str(error))
        return EXIT_STARTUP
    return 0


if __name__ == "__main__":
    sys.exit(main())
