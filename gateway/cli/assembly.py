"""The composition root: everything that serves is built here, by hand, once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.backends.base import Backend
from gateway.backends.cloud import CloudBackend
from gateway.backends.local import LocalBackend
from gateway.cli.engine_board import EngineBoard
from gateway.clock import Clock, SystemClock
from gateway.dispatch.dispatcher import Dispatcher
from gateway.engine.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.ledger.open import open_ledger
from gateway.ledger.view import BudgetView
from gateway.masking.judge import Masker
from gateway.policy.model import LlamaCppModel, OpenAIModel, Policy
from gateway.scoring.privacy import PrivacyScorer
from gateway.server.pipeline import Pipeline
from gateway.server.serving import GatewayServer, ServerOptions


def _api_key(name: str, spec: OpenAIModel, environ: Mapping[str, str]) -> str | None:
    if spec.api_key_env is None:
        return None
    key = environ.get(spec.api_key_env, "").strip()
    if not key:
        raise StartupError(
            f"models.{name}.api_key_env: the variable {spec.api_key_env} is not set;"
            " set it, or take the model out of the policy"
        )
    return key


class _HealthRelay:
    """Carries what supervisors report to the server's health, once there is a server."""

    def __init__(self) -> None:
        self._server: GatewayServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, server: GatewayServer) -> None:
        self._server = server

    def report(self, model: str, is_serving: bool) -> None:
        if self._server is not None:
            task = asyncio.get_running_loop().create_task(self._server.health.set_model(model, is_serving))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def running_gateway(
    policy: Policy,
    *,
    options: ServerOptions,
    state_url: str,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    replaced: Mapping[str, Backend] | None = None,
    board: EngineBoard | None = None,
) -> AsyncIterator[GatewayServer]:
    """Run a gateway until the block ends: the port first, then engines, then health; the reverse at the end.

    `replaced` puts other backends, scripted ones for example, in the place of models of the policy. With a
    `board` the engines are those of a parent that shares them among its workers. Raises StartupError when
    something that the policy names is not to be had.
    """
    clock = clock or SystemClock()
    relay = _HealthRelay()
    async with AsyncExitStack() as stack:
        backends: dict[str, Backend] = dict(replaced or {})
        supervisors: list[EngineSupervisor] = []
        for name, spec in policy.models.items():
            if name in backends:
                continue
            if isinstance(spec, LlamaCppModel) and board is not None:
                backends[name] = LocalBackend(name, board.engines[name], clock=clock)
            elif isinstance(spec, LlamaCppModel):
                supervisor = EngineSupervisor(name, spec, clock=clock, on_status=relay.report)
                supervisors.append(supervisor)
                stack.push_async_callback(supervisor.stop)
                backends[name] = LocalBackend(name, supervisor, clock=clock)
            else:
                backends[name] = CloudBackend(name, spec, api_key=_api_key(name, spec, environ), clock=clock)
            stack.push_async_callback(backends[name].aclose)
        ledger = open_ledger(state_url, clock=clock)
        stack.push_async_callback(ledger.aclose)
        dispatcher = Dispatcher(backends=backends, ledger=ledger, clock=clock)
        stack.push_async_callback(dispatcher.drained)
        pipeline = Pipeline(
            policy=policy,
            scorer=PrivacyScorer(policy.privacy, clock=clock),
            masker=Masker(policy, clock=clock),
            dispatcher=dispatcher,
            budgets=BudgetView(ledger, clock=clock),
            clock=clock,
        )
        server = GatewayServer(pipeline, options=options, clock=clock)
        relay.attach(server)
        stack.push_async_callback(server.stop, at_once=True)
        await server.start()
        for name, spec in policy.models.items():
            if name in (replaced or {}) or isinstance(spec, OpenAIModel):
                await server.health.set_model(name, True)
        await asyncio.gather(*(supervisor.start() for supervisor in supervisors))
        if board is not None:
            watching = asyncio.create_task(board.watch(clock, relay.report), name="engine board")
            stack.callback(watching.cancel)
        await server.health.set_ready()
        yield server
