"""One engine process, as its parent sees it."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.domain.capability import Capability
from gateway.domain.model_facts import MemoryNeed, ModelFacts
from gateway.domain.template_facts import TemplateFacts
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel
from gateway.tasks import child

_ASSERTION = re.compile(rb"([^/\s]+:\d+: (?:GGML_ASSERT\(.*\) failed|fatal error))$", re.MULTILINE)
_NO_MEMORY = re.compile(rb"std::bad_alloc|^MemoryError|pthread_create failed", re.MULTILINE)
OUT_OF_MEMORY = "out of memory"
"""Cause of an exit after a failed allocation. A SIGKILL by the kernel's OOM killer reports no cause."""
SPIN_COUNT = "1000"
"""How often a decoding thread looks for the others at a barrier before it sleeps: some 25 us. On two cores
with nothing else on them a token of SmolLM2-135M takes 8.3 ms, as with OpenMP's own 300,000, and 14 ms if it
sleeps soon. Where other processes want the cores, 300,000 take five to ten times the CPU time of 1,000."""
LOADING_PATIENCE_S = 30.0
"""How long a loading engine may send nothing; it sends a heartbeat every 5 s."""
_GRACE_S = 1.0
"""How much longer a silent engine is waited for, in case this process was delayed."""
_TAIL_BYTES = 16 * 1024
"""Bytes at the end of standard error that are searched for a failed assertion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The event of an engine whose model is loaded; one that embeds has no template and no sampling."""

    load_ms: int
    context_tokens: int
    has_template: bool
    folded: tuple[str, ...]
    """Which conversations its template folds; see `ChatTemplate.check`."""
    template_facts: TemplateFacts
    """What its template renders by itself."""
    template_sha256: str
    """SHA-256 of the chat template in use."""
    is_locked: bool
    """Whether the kernel locked the memory that `mlock` asked for."""
    sampling: Mapping[str, float]
    """Sampling parameters of the model file."""
    lacking: frozenset[Capability] = frozenset()
    """What the model cannot do, of what its policy lets it do if it can."""
    facts: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an engine ended: its exit status (negative: the signal), and the cause if it is known."""

    status: int
    cause: str | None


class EngineProcess:
    """An engine process, which lives while its standard input is open."""

    def __init__(self, process: Process, *, model: str, spec: LlamaCppModel) -> None:
        self._process = process
        self._model = model
        self._spec = spec
        # Read from the start: a full pipe would stop the process.
        self._tail = child(_tail(process), name=f"stderr of engine {model}")

    @classmethod
    async def spawn(cls, model: str, spec: LlamaCppModel, socket: Path) -> "EngineProcess":
        """Start the process of a model that will serve on `socket`; raises StartupError."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # Without the working folder in sys.path, where a file could shadow a module.
                "-m",
                "gateway.engine",
                "--model",
                model,
                "--socket",
                str(socket),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=engine_environment(os.environ),
                # A signal to the gateway's process group must not end the engine: the gateway ends it.
                start_new_session=True,
            )
        except OSError as error:  # No memory or too many processes; may be temporary.
            raise StartupError(f"model {model}: cannot start the engine process: {error.strerror}") from None
        return cls(process, model=model, spec=spec)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def ready(
        self,
        on_progress: Callable[[str, int], None] = lambda phase, percent: None,
        admit: Callable[[MemoryNeed], None] = lambda need: None,
    ) -> Ready:
        """Send the spec and return when the model is loaded; raises StartupError.

        `admit` is called with the memory that the model takes, before it loads; raises StartupError if that
        is not to be had.
        """
        self._write(self._spec.model_dump_json())
        try:
            message = await self._next_message(LOADING_PATIENCE_S)
            while message is not None and message["event"] in ("progress", "alive", "memory"):
                if message["event"] == "progress":
                    on_progress(message["phase"], message["percent"])
                elif message["event"] == "memory":
                    admit(MemoryNeed(**message["need"]))
                    self._write("load")
                message = await self._next_message(LOADING_PATIENCE_S)
        except TimeoutError:
            raise StartupError(
                f"model {self._model}: the engine process sent no heartbeat for {LOADING_PATIENCE_S:g} s "
                f"while it loaded {self._spec.path}; check whether it is stopped"
            ) from None
        if message is None:
            status = await self._process.wait()
            raise StartupError(
                f"model {self._model}: the engine process ended with status {status} while it loaded "
                f"{self._spec.path}{_guess(status, await self._tail)}"
            )
        if message["event"] != "ready":
            raise StartupError(f"model {self._model}: {message['message']}")
        return Ready(
            load_ms=message["load_ms"],
            context_tokens=message["context_tokens"],
            has_template=message.get("has_template", True),
            folded=tuple(message.get("folded", ())),
            template_facts=_facts(message.get("template_facts", {"efforts": ()})),
            template_sha256=message.get("template_sha256", ""),
            is_locked=message["is_locked"],
            sampling=message.get("sampling", {}),
            lacking=frozenset(map(Capability, message.get("lacking", ()))),
            facts=ModelFacts(**message["facts"]),
        )

    async def exit(self, on_fault: Callable[[str], None] = lambda message: None) -> Exit:
        """Return when the process has ended; kill it if it sends no heartbeat for `watchdog_s`."""
        cause = None
        try:
            while (message := await self._next_message(self._spec.watchdog_s)) is not None:
                if message["event"] == "failed":
                    cause = message["message"]
                elif message["event"] == "fault":
                    on_fault(message["message"])
        except TimeoutError:
            cause = f"no step for {self._spec.watchdog_s:g} s"
            self._process.kill()
        status = await self._process.wait()
        return Exit(status=status, cause=cause or await self._tail)

    def _write(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode() + b"\n")

    async def _next_message(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next event, None at the end; raises TimeoutError after `timeout_s` without one."""
        reading = child(self._read_message(), name=f"output of engine {self._model}")
        try:
            for wait_s in (timeout_s, _GRACE_S):
                done, _ = await asyncio.wait({reading}, timeout=wait_s)
                if done:
                    return reading.result()
        finally:
            reading.cancel()
        raise TimeoutError

    async def end(self, grace_s: float) -> None:
        """Send SIGTERM; kill the process after `grace_s`."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._tail

    async def _read_message(self) -> dict[str, Any] | None:
        """Return the next event on standard output; None when the process has ended."""
        line = b"" if self._process.stdout is None else await self._process.stdout.readline()
        return json.loads(line) if line else None


def engine_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an engine, in which the operator's wishes for OpenMP hold."""
    is_set = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & environ.keys()
    return {**environ} if is_set else {**environ, "GOMP_SPINCOUNT": SPIN_COUNT}


def _facts(message: dict[str, Any]) -> TemplateFacts:
    return TemplateFacts(**message | {"efforts": tuple(message["efforts"])})


async def _tail(process: Process) -> str | None:
    """Read standard error to its end; return a failed assertion of llama.cpp, or OUT_OF_MEMORY.

    The rest is dropped: llama.cpp prints grammars and pieces of answers there.
    """
    tail = b""
    while process.stderr is not None and (data := await process.stderr.read(_TAIL_BYTES)):
        tail = (tail + data)[-_TAIL_BYTES:]
    found = _ASSERTION.findall(tail)
    if found:
        return str(found[-1].decode(errors="replace"))
    return OUT_OF_MEMORY if _NO_MEMORY.search(tail) else None


def _guess(status: int, cause: str | None) -> str:
    if status == -signal.SIGKILL or cause == OUT_OF_MEMORY:
        return " (out of memory?); choose a smaller model, or lower kv_cells"
    reported = "" if cause is None else f" ({cause})"
    return f"{reported}; llama.cpp may not be able to run this file, or its adapters"
