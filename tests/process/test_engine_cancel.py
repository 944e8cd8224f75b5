"""A cancel reaches the decoder in the middle of a long prompt: a real engine, with a model that is slow."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from gateway.engine_host.supervisor import EngineSupervisor
from tests.support.real_engine import Stub, ask, request, running, spec, text_of, until_idle, until_status
from tests.support.synthetic_models import SLOW, write_slow

WORDS = 7000
"""Words of one token each: many seconds of reading on one thread."""
LONG = "word " * WORDS
SLOTS = 2


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose prompts take seconds."""
    path = tmp_path_factory.mktemp("models") / "slow.gguf"
    write_slow(path)
    return path


@pytest.fixture
async def engine(slow_model: Path) -> AsyncIterator[tuple[EngineSupervisor, Stub]]:
    """An engine of that model, fresh: it has measured nothing, so it refuses nobody for time."""
    cells = SLOTS * SLOW.context
    model = spec(path=str(slow_model), slots=SLOTS, context=SLOW.context, kv_cells=cells, threads=1)
    async with running(model) as found:
        yield found


async def rpc_cancel(engine: tuple[EngineSupervisor, Stub]) -> None:
    """Ask, and take it back when the prompt is being read."""
    _, stub = engine
    call = stub.Generate(request(LONG, max_tokens=5))
    await in_the_middle(stub)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        async for _ in call:
            pass


async def deadline(engine: tuple[EngineSupervisor, Stub]) -> None:
    """Ask with less time than the prompt takes."""
    _, stub = engine
    call = stub.Generate(request(LONG, max_tokens=5), timeout=1.5)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async for _ in call:
            pass
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


CLIENT = """
import sys
import grpc
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc

message = engine_pb2.Message(role="user", content="word " * int(sys.argv[2]))
request = engine_pb2.GenerateRequest(request_id="r", tenant="t", max_tokens=5, messages=[message])
with grpc.insecure_channel(sys.argv[1]) as channel:
    for _ in engine_pb2_grpc.EngineServiceStub(channel).Generate(request):
        pass
"""


async def vanished_client(engine: tuple[EngineSupervisor, Stub]) -> None:
    """Ask from a process that is killed with -9 when the prompt is being read."""
    supervisor, stub = engine
    arguments = ("-c", CLIENT, supervisor.target, str(WORDS))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    await in_the_middle(stub)
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def in_the_middle(stub: Stub) -> None:
    """Return when some of a prompt is read and most of it is not."""
    status = await until_status(stub, lambda status: status.prompt_tokens > 0)
    assert status.slots_busy == 1
    assert status.prompt_tokens < WORDS / 2


Ways = pytest.mark.parametrize("way", [rpc_cancel, deadline, vanished_client], ids=lambda way: way.__name__)
Way = Callable[[tuple[EngineSupervisor, Stub]], Awaitable[None]]


@Ways
async def test_a_prompt_is_left_in_the_middle(engine: tuple[EngineSupervisor, Stub], way: Way) -> None:
    """However a caller goes, the slot and the cells are free long before its prompt would have been read."""
    supervisor, stub = engine

    await way(engine)
    status = await until_idle(stub)

    assert status.prompt_tokens < WORDS / 2
    assert (status.kv_cells_used, status.completion_tokens) == (0, 0)
    assert dict(status.requests) == {"CANCELLED": 1}
    assert text_of(await ask(stub, request("Why?", max_tokens=3)))
    assert supervisor.generation == 1


async def test_it_is_the_running_step_that_is_aborted(engine: tuple[EngineSupervisor, Stub]) -> None:
    """A cancel ends the step that runs, which then does not count: it does not wait for its end.

    The cancel may arrive between two steps, so one abort in eight tries suffices; without any, each of the
    tries would have counted one step more.
    """
    _, stub = engine
    aborted = read = 0
    for attempt in range(8):
        call = stub.Generate(request(LONG, max_tokens=5, tenant=str(attempt)))
        before = await until_status(stub, lambda status: status.prompt_tokens > read)  # noqa: B023
        call.cancel()
        after = await until_idle(stub)
        aborted += after.steps == before.steps
        read = after.prompt_tokens

    assert aborted > 0


async def test_1000_cancels_while_prompts_are_read(engine: tuple[EngineSupervisor, Stub]) -> None:
    """After them no cell is lost, nobody's answer was kept, and a greedy answer is a fresh one's."""
    supervisor, stub = engine
    dice = random.Random(11)
    fresh = text_of(await ask(stub, request("Why?", tenant="fresh")))

    async def cancelled() -> None:
        text = "word " * dice.randint(100, WORDS)
        call = stub.Generate(request(text, max_tokens=50, tenant=dice.choice("ab")))
        await asyncio.sleep(dice.expovariate(10.0))
        call.cancel()

    for _ in range(50):
        await asyncio.gather(*(cancelled() for _ in range(20)))

    status = await until_idle(stub)
    assert status.requests["CANCELLED"] > 300
    assert text_of(await ask(stub, request("Why?", tenant="again"))) == fresh
    assert supervisor.generation == 1
