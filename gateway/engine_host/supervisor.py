"""Supervises the engine process of one local model, in the gateway's event loop."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.domain.capability import Capability
from gateway.domain.model_facts import MemoryNeed
from gateway.domain.optional import require
from gateway.domain.template_facts import TemplateFacts
from gateway.engine_host.memory import MemoryGate
from gateway.engine_host.process import EngineProcess, Ready
from gateway.errors import StartupError
from gateway.policy.llama_cpp import AUTO
from gateway.policy.model import LlamaCppModel
from gateway.tasks import Tasks

FIRST_DELAY_S = 1.0
"""Delay before the first restart; it doubles with each restart."""
MAX_DELAY_S = 60.0
"""Longest delay before a restart."""
HEALTHY_AFTER_S = 60.0
"""After a run of this length the delay is FIRST_DELAY_S again."""

_log = structlog.get_logger()

OnStatus = Callable[[str, bool], None]
"""Called with a model's name and whether its engine accepts requests."""


class EngineSupervisor:
    """Starts an engine, watches it, and restarts it with exponential backoff when it ends."""

    def __init__(
        self,
        model: str,
        spec: LlamaCppModel,
        *,
        clock: Clock,
        on_status: OnStatus,
        tasks: Tasks | None = None,
        memory: MemoryGate | None = None,
    ) -> None:
        """`memory` adds up what the engines of one gateway take; default: this engine alone."""
        require("edge", because="this policy has a llama_cpp model")
        self.model = model
        self._spec = spec
        self._clock = clock
        self._on_status = on_status
        self._tasks = Tasks() if tasks is None else tasks
        self._memory = MemoryGate() if memory is None else memory
        self._need: MemoryNeed | None = None
        self._folder = Path(tempfile.gettempdir()) / f"gateway-engine-{secrets.token_hex(8)}"
        self._process: EngineProcess | None = None
        self._watch: asyncio.Task[None] | None = None
        self.is_serving = False
        """Whether the engine accepts requests."""
        self.generation = 0
        """Number of starts of the engine."""
        self.load_s = 0.0
        """Seconds of the last model load; 0 before the first."""
        self.lacking: frozenset[Capability] = frozenset()
        """What the model that was loaded last cannot do, of what its policy lets it do if it can."""
        self.template_sha256 = ""
        """SHA-256 of the chat template in use; empty before the first start."""
        self.template_facts = TemplateFacts()
        """What its chat template renders; nothing before the first start."""

    @property
    def target(self) -> str:
        """The engine's gRPC address; restarts keep it."""
        return f"unix:{self._folder / 'engine.sock'}"

    @property
    def pid(self) -> int | None:
        """The process id of the engine; None while it does not run."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the engine and return when its model is loaded; raises StartupError."""
        # Fails if the folder exists; with this mode no other user can connect.
        self._folder.mkdir(mode=0o700)
        try:
            process = await self._start_process()
        except BaseException:
            self._remove_folder()
            raise
        self._watch = self._tasks.start(f"engine {self.model}", self._keep_alive(process), is_critical=True)

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the engine without a restart; kill it after `grace_s`."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        self._set_serving(False)
        if self._process is not None:
            await self._process.end(grace_s)
            self._process = None
        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _set_serving(self, is_serving: bool) -> None:
        if is_serving != self.is_serving:
            self.is_serving = is_serving
            self._on_status(self.model, is_serving)

    async def _start_process(self) -> EngineProcess:
        """Start a process and return it when its model is loaded; raises StartupError."""
        self.generation += 1
        self._process = await EngineProcess.spawn(self.model, self._spec, self._folder / "engine.sock")
        try:
            ready = await self._process.ready(self._log_progress, self._admit)
        except BaseException:
            await self._process.end(0.0)
            self._process = None
            raise
        self.load_s = ready.load_ms / 1000
        self.lacking = ready.lacking
        self.template_sha256 = ready.template_sha256
        self.template_facts = ready.template_facts
        self._log_ready(self._process.pid, ready)
        self._set_serving(True)
        return self._process

    def _admit(self, need: MemoryNeed) -> None:
        self._memory.admit(self.model, need)
        self._need = need

    def _log_progress(self, phase: str, percent: int) -> None:
        _log.info("engine.loading", model=self.model, phase=phase, percent=percent)

    def _log_fault(self, message: str) -> None:
        _log.error("engine.fault", model=self.model, error=message)

    def _can(self, ready: Ready) -> dict[str, bool]:
        """Return whether a model for chats calls tools and thinks, for the log."""
        if self._spec.embeds is not None:
            return {}
        return {
            "tools": Capability.TOOLS in self._spec.capabilities - ready.lacking,
            "thinking": Capability.REASONING in self._spec.capabilities - ready.lacking,
        }

    def _log_ready(self, pid: int, ready: Ready) -> None:
        facts = ready.facts
        _log.info(
            "engine.started",
            model=self.model,
            pid=pid,
            load_ms=ready.load_ms,
            architecture=facts.architecture,
            context=facts.context_tokens,
            threads=facts.threads,
            gpu_layers=f"{facts.gpu_layers}/{facts.layers}",
            **self._can(ready),
            **self._memory_fields(),
        )
        if ready.context_tokens < self._spec.context:
            _log.warning(
                "engine.context_reduced",
                model=self.model,
                context=self._spec.context,
                trained_context=ready.context_tokens,
            )
        if not ready.has_template:
            _log.warning("engine.template_missing", model=self.model)
        if ready.folded:
            _log.info("engine.template_folds", model=self.model, folded=ready.folded)
        if ready.sampling:
            _log.info("engine.file_sampling", model=self.model, **ready.sampling)
        if self._spec.gpu_layers not in (0, AUTO) and not ready.facts.has_gpu:
            _log.warning("engine.gpu_missing", model=self.model, gpu_layers=self._spec.gpu_layers)
        left, kept = self._memory.left_bytes(), self._spec.prefix_cache_mb * 1_000_000
        if self._need is not None and left is not None and kept > left:
            _log.warning(
                "engine.memory_tight",
                model=self.model,
                prefix_cache_mb=kept // 1_000_000,
                left_mb=left // 1_000_000,
            )
        if self._spec.mlock and not ready.is_locked:
            _log.warning("engine.mlock_refused", model=self.model, limit="RLIMIT_MEMLOCK")

    def _memory_fields(self) -> dict[str, int]:
        """Return what was counted, in MB; nothing where a GPU holds a part of the model."""
        if self._need is None:
            return {}
        counted = {"memory_mb": self._need.total_bytes, "available_mb": self._memory.available_bytes}
        return {name: round(count / 1_000_000) for name, count in counted.items() if count is not None}

    async def _keep_alive(self, process: EngineProcess) -> None:
        """Watch and restart the engine; if this fails, the model accepts no more requests."""
        try:
            await self._restart_when_it_ends(process)
        finally:
            self._set_serving(False)

    async def _restart_when_it_ends(self, process: EngineProcess) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            start_s = self._clock.monotonic_s()
            ended = await process.exit(self._log_fault)
            self._process = None
            self._set_serving(False)
            _log.error(
                "engine.exited", model=self.model, pid=process.pid, status=ended.status, cause=ended.cause
            )
            if self._clock.monotonic_s() - start_s >= HEALTHY_AFTER_S:
                delay_s = FIRST_DELAY_S
            process, delay_s = await self._restart(delay_s)

    async def _restart(self, delay_s: float) -> tuple[EngineProcess, float]:
        """Retry until an engine runs; return it, and the delay of the next restart."""
        while True:
            _log.info("engine.restarting", model=self.model, delay_s=delay_s)
            await self._clock.sleep(delay_s)
            delay_s = min(2 * delay_s, MAX_DELAY_S)
            try:
                return await self._start_process(), delay_s
            except StartupError as error:
                _log.error("engine.start_failed", model=self.model, error=str(error))
