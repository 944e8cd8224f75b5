"""Keeps the engine process of one local model alive; runs in the gateway's event loop."""

import asyncio
import json
import re
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from gateway.clock import Clock
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel

FIRST_DELAY_S = 1.0
MOST_DELAY_S = 60.0
HEALTHY_AFTER_S = 60.0
"""A process that lived this long was well: the delay begins anew."""

_ASSERTION = re.compile(rb"^(\S+:\d+): (GGML_ASSERT\(.*\)) failed")

_log = structlog.get_logger()


class EngineSupervisor:
    """Starts an engine, watches it, and starts it again with a growing delay when it ends."""

    def __init__(
        self, model: str, spec: LlamaCppModel, *, clock: Clock, on_status: Callable[[str, bool], None]
    ) -> None:
        self.model = model
        self._spec = spec
        self._clock = clock
        self._on_status = on_status
        self._folder: Path | None = None
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.is_serving = False
        """Whether the engine takes requests."""
        self.generation = 0
        """How often an engine was started."""

    @property
    def target(self) -> str:
        """The engine's address for gRPC; the same across restarts."""
        return f"unix:{self._socket}"

    @property
    def pid(self) -> int | None:
        """The process id of the engine, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def _socket(self) -> Path:
        if self._folder is None:
            # mkdtemp gives mode 0700: nobody else on this host can connect.
            self._folder = Path(tempfile.mkdtemp(prefix="gateway-engine-"))
        return self._folder / "engine.sock"

    async def start(self) -> None:
        """Return when the model is loaded; raises StartupError when it cannot be."""
        process = await self._start_process()
        self._watch = asyncio.create_task(self._keep_alive(process), name=f"engine {self.model}")

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the engine: politely first, by force after `grace_s`."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        self._set_serving(False)
        if self._process is not None:
            await _end(self._process, grace_s)
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _set_serving(self, is_serving: bool) -> None:
        if is_serving != self.is_serving:
            self.is_serving = is_serving
            self._on_status(self.model, is_serving)

    async def _start_process(self) -> Process:
        """Start one process and return it when its model is loaded; raises StartupError."""
        self.generation += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # Not the folder that the gateway was started in: a file in it could shadow a module.
            "-m",
            "gateway.engine",
            "--model",
            self.model,
            "--socket",
            str(self._socket),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        self._process = process
        try:
            said = await self._ask(process)
        except BaseException:
            await _end(process, 0.0)
            self._process = None
            raise
        _log.info("engine.started", model=self.model, pid=process.pid, load_ms=said["load_ms"])
        self._warn(said)
        self._set_serving(True)
        return process

    async def _ask(self, process: Process) -> dict[str, Any]:
        """Give the process its spec and return its ready line; raises StartupError for anything else."""
        if process.stdin is None or process.stdout is None:
            raise StartupError(f"model {self.model}: the engine process has no pipes")
        process.stdin.write(self._spec.model_dump_json().encode() + b"\n")
        line = await process.stdout.readline()
        if not line:
            status = await process.wait()
            raise StartupError(
                f"model {self.model}: the engine process ended with status {status} while it loaded "
                f"{self._spec.path}{_guess(status)}"
            )
        said: dict[str, Any] = json.loads(line)
        if said["event"] != "ready":
            raise StartupError(f"model {self.model}: {said['message']}")
        return said

    def _warn(self, said: dict[str, Any]) -> None:
        if said["context_tokens"] < self._spec.context:
            _log.warning(
                "engine.context_reduced",
                model=self.model,
                context=self._spec.context,
                trained_context=said["context_tokens"],
            )
        if not said["has_template"]:
            _log.warning("engine.template_missing", model=self.model)

    async def _keep_alive(self, process: Process) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            start_s = self._clock.monotonic_s()
            assertion = await _last_words(process)
            status = await process.wait()
            self._set_serving(False)
            _log.error("engine.exited", model=self.model, pid=process.pid, status=status, assertion=assertion)
            if self._clock.monotonic_s() - start_s >= HEALTHY_AFTER_S:
                delay_s = FIRST_DELAY_S
            process, delay_s = await self._restart(delay_s)

    async def _restart(self, delay_s: float) -> tuple[Process, float]:
        """Try until an engine is there; return it, and the delay for the next time."""
        while True:
            _log.info("engine.restarting", model=self.model, delay_s=delay_s)
            await self._clock.sleep(delay_s)
            delay_s = min(2 * delay_s, MOST_DELAY_S)
            try:
                return await self._start_process(), delay_s
            except StartupError as error:
                _log.error("engine.start_failed", model=self.model, error=str(error))


async def _last_words(process: Process) -> str | None:
    """Read standard error to its end; return the failed assertion, the one thing that holds no caller's text."""
    assertion = None
    while process.stderr is not None and (line := await process.stderr.readline()):
        if found := _ASSERTION.match(line):
            assertion = f"{found[1].decode(errors='replace')} {found[2].decode(errors='replace')}"
    return assertion


async def _end(process: Process, grace_s: float) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), grace_s)
    except TimeoutError:
        process.kill()
        await process.wait()


def _guess(status: int) -> str:
    if status == -signal.SIGKILL:
        return " (out of memory?); choose a smaller model, or lower kv_cells"
    return "; the file may not be a model that this llama.cpp can run"
