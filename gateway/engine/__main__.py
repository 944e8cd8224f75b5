"""The engine process: `python -m gateway.engine --model NAME --socket PATH`, started by its supervisor.

The model's spec comes as one line of JSON on standard input, which stays open for as long as the owner
lives: at its end the process ends, at once and in any state. One line of JSON on standard output says
`{"event": "ready", ...}` or `{"event": "failed", "message": ...}`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from gateway.clock import Clock, SystemClock
from gateway.engine.calibrated import check_calibration, sha256_of_text
from gateway.engine.interfaces import DecodeFailed
from gateway.engine.llama import LlamaModel
from gateway.engine.llama_params import LlamaSettings
from gateway.engine.models import Progress, check_model_file, resolve_model_path
from gateway.engine.parent_watch import wake_with_parent, watch_parent
from gateway.engine.prompt import PromptMaker
from gateway.engine.request_errors import location_of
from gateway.engine.requests import sampling_of_file
from gateway.engine.scheduler import Scheduler
from gateway.engine.server import EngineService, OutputRouter, make_private, serve
from gateway.engine.template import PLAIN_TEMPLATE, ChatTemplate, TemplateBroken
from gateway.engine.threads import default_threads
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel

EXIT_STARTUP = 2
"""The model cannot be loaded; standard output says why."""
EXIT_DECODE = 4
"""The decoding thread cannot go on; standard output says why."""

BATCH_TOKENS = 512
"""Tokens of one step at most; the measured pace makes it less while others answer."""
SWITCH_S = 0.0005
"""How long the event loop may keep the decoding thread waiting for the interpreter."""
BEATS = 4
"""How many signs of life fit into the time after which an engine counts as hung."""
LOADING_BEAT_S = 5.0
"""How often a process that loads says that it runs."""
GRACE_S = 3600.0
"""How long running requests may take after SIGTERM: longer than any supervisor waits, who kills then."""


_saying = threading.Lock()


class Runnable(Protocol):
    """What the decoding thread runs."""

    def run(self) -> None:
        """Return when closed; DecodeFailed when the model cannot go on."""
        ...


def settings_of(spec: LlamaCppModel, path: Path) -> LlamaSettings:
    """Return how to load a model, with the defaults of the policy filled in; StartupError if they clash."""
    if spec.kv_cells < spec.context:
        raise StartupError(f"kv_cells {spec.kv_cells} is less than context {spec.context}; raise kv_cells")
    threads = spec.threads or default_threads()
    return LlamaSettings(
        path=path,
        context_tokens=spec.context,
        slots=spec.slots,
        kv_cells=spec.kv_cells,
        batch_tokens=BATCH_TOKENS,
        threads=threads,
        prefill_threads=spec.prefill_threads or threads,
        gpu_layers=spec.gpu_layers,
        flash_attention=spec.flash_attention,
        lora=tuple((Path(adapter.path).expanduser(), adapter.scale) for adapter in spec.lora),
        numa=spec.numa,
        mlock=spec.mlock,
    )


def template_of(spec: LlamaCppModel, model: LlamaModel) -> str:
    """Return the template of the policy, else of the file; empty where neither has one."""
    return next((text for text in (spec.template, model.chat_template) if text and text.strip()), "")


def load(spec: LlamaCppModel, clock: Clock) -> tuple[LlamaModel, ChatTemplate, tuple[str, ...]]:
    """Check and load the model's file and template; return both, and what the template needs folded.

    Raises StartupError.
    """
    path = resolve_model_path(spec.path)
    checking = Progress("check", report_progress, clock=clock)
    check_model_file(path, sha256=spec.sha256, on_progress=checking.note)
    for adapter in spec.lora:
        check_model_file(Path(adapter.path).expanduser(), sha256=None)
    loading = Progress("load", report_progress, clock=clock)
    model = LlamaModel(settings_of(spec, path), on_progress=loading.note)
    source = template_of(spec, model) or PLAIN_TEMPLATE
    check_calibration(spec, path, template=source, on_progress=checking.note)
    try:
        template = ChatTemplate(source, bos=model.bos_text, eos=model.eos_text, clock=clock)
        return model, template, template.check()
    except TemplateBroken as error:
        whose, way_out = "its chat template", "set template in the policy"
        if spec.template is not None:
            whose, way_out = "the chat template of the policy", "correct it, or leave template out"
        raise StartupError(f"{path}: {whose} {error}; {way_out}") from None


async def run(name: str, socket: Path, spec: LlamaCppModel, clock: Clock) -> None:
    """Load, and serve until SIGTERM; raises StartupError."""
    start_s = clock.monotonic_s()
    make_private(socket)
    with beating_while_loading():
        model, template, folded = load(spec, clock)
    sampling_defaults = sampling_of_file(model.metadata)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    answers = OutputRouter(loop)
    scheduler = Scheduler(
        model,
        name=name,
        clock=clock,
        deliver=answers.deliver,
        queue_limit=spec.queue,
        kept_bytes=spec.prefix_cache_mb * 1_000_000,
        report=report_fault,
    )
    decoder = threading.Thread(target=decode, args=(scheduler,), name="decode")
    decoder.start()
    service = EngineService(
        name=name,
        model=model,
        prompts=PromptMaker(model, template),
        scheduler=scheduler,
        answers=answers,
        clock=clock,
        report=report_fault,
        sampling_defaults=sampling_defaults,
    )

    def ready() -> None:
        pulse = threading.Thread(
            target=beat, args=(Watchdog(scheduler, template), spec.watchdog_s / BEATS), daemon=True
        )
        say(
            event="ready",
            load_ms=round((clock.monotonic_s() - start_s) * 1000),
            context_tokens=model.context_tokens,
            template_sha256=sha256_of_text(template.source),
            has_template=template.source != PLAIN_TEMPLATE,
            folded=folded,
            has_gpu=model.has_gpu,
            is_locked=model.is_locked,
            sampling=sampling_defaults,
        )
        pulse.start()

    try:
        await serve(service, socket=socket, ready=ready, stop=stop, grace_s=GRACE_S)
    finally:
        scheduler.close()
        await asyncio.to_thread(decoder.join)
        model.close()


def decode(scheduler: Runnable) -> None:
    """Run the scheduler; when it cannot go on, end the process: its supervisor starts another."""
    cause = "the decoding thread ended"
    try:
        scheduler.run()
        cause = ""
    except DecodeFailed as error:
        cause = str(error)
    except BaseException as error:
        cause = location_of(error)
        raise
    finally:
        if cause:
            say(event="failed", message=cause)
            os._exit(EXIT_DECODE)


@contextlib.contextmanager
def beating_while_loading() -> Iterator[None]:
    """Say again and again that this process runs, until the block ends: loading has no steps to count."""
    is_loaded = threading.Event()

    def beat_slowly() -> None:
        while not is_loaded.wait(LOADING_BEAT_S):
            say(event="alive")

    threading.Thread(target=beat_slowly, daemon=True).start()
    try:
        yield
    finally:
        is_loaded.set()


class Watchdog:
    """Whether an engine is well: it has nothing to do, or made a step since the last look; nothing hangs."""

    def __init__(self, scheduler: Scheduler, template: ChatTemplate) -> None:
        self._scheduler = scheduler
        self._template = template
        self._seen = -1

    def is_healthy(self) -> bool:
        """Look once more."""
        if self._template.is_hung or not (self._scheduler.is_idle or self._scheduler.turns != self._seen):
            return False
        self._seen = self._scheduler.turns
        return True


def beat(pulse: Watchdog, pause_s: float) -> None:
    """Say again and again that all is well, as long as it is: the owner kills an engine that falls silent."""
    while True:
        if pulse.is_healthy():
            say(event="alive")
        threading.Event().wait(pause_s)


def say(**event: str | int | bool | tuple[str, ...] | Mapping[str, float]) -> None:
    """Write one line for the supervisor; called from several threads."""
    with _saying:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def report_fault(fault: str) -> None:
    """Tell the supervisor of a defect that one request met."""
    say(event="fault", message=fault)


def report_progress(phase: str, percent: int) -> None:
    """Tell the supervisor how far loading is."""
    say(event="progress", phase=phase, percent=percent)


def main() -> int:
    """Read arguments and spec, then run."""
    parser = argparse.ArgumentParser(prog="python -m gateway.engine", description="Serve one local model.")
    parser.add_argument("--model", required=True, help="its name in the policy")
    parser.add_argument("--socket", required=True, type=Path, help="the unix socket to serve on")
    arguments = parser.parse_args()
    wake_with_parent()
    # A core file would hold prompts, and so would the variables that a debugger prints: ggml calls one.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["GGML_NO_BACKTRACE"] = "1"
    # Ctrl-C in a terminal reaches the whole group; the owner decides when the engine ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Unbuffered: a thread that waits in a buffered read holds its lock, and Python aborts at its end.
    owner = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115  lives as long as we
    spec = LlamaCppModel.model_validate_json(owner.readline())
    watcher = threading.Thread(target=watch_parent, args=(owner, arguments.socket), daemon=True)
    watcher.start()
    sys.setswitchinterval(SWITCH_S)
    try:
        asyncio.run(run(arguments.model, arguments.socket, spec, SystemClock()))
    except StartupError as error:
        say(event="failed", message=str(error))
        return EXIT_STARTUP
    return 0


if __name__ == "__main__":
    sys.exit(main())
