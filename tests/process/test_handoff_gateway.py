"""Hand-off from end to end: real gRPC, real stores, a killed process, and the command line on both sides."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_status import rpc_status
from structlog.testing import capture_logs

from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.errors import EngineDown, StartupError
from gateway.extras.handoff.encryption import KeyRing, new_key
from gateway.extras.handoff.queue import KEY_VARIABLE, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.server.access import by_header
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.redis_server import running_redis
from tests.support.served import Served, ask, served

KEY = new_key()
ENVIRON = {KEY_VARIABLE: KEY}
DOWN = EngineDown("edge", "no engine")
SECTION = "\nhandoff: {queue: sqlite, store_up_to: internal}"
MAIL = "jane.roe@example.org"


@pytest.fixture(params=["sqlite", "redis"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A state of each kind that outlives a process."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'ledger.db'}"
        return
    with running_redis() as server:
        yield server.url


@asynccontextmanager
async def gateway(
    state_url: str, *, section: str = SECTION, environ: Mapping[str, str] = ENVIRON, answers: bool = False
) -> AsyncIterator[Served]:
    """Run a gateway whose models fail, or answer."""
    step = reply("fine") if answers else DOWN
    backends = {name: ScriptedBackend(name, lambda _: step) for name in ("edge", "cloud")}
    if "redis" in state_url:
        section = section.replace("queue: sqlite", "queue: redis")
    running = served(
        backends, policy=POLICY + section, tenant_of=by_header, state_url=state_url, environ=environ
    )
    async with running as serving:
        yield serving


async def ticket_of(
    running: Served, text: str = "why?", *, is_streamed: bool = False, tenant: str = "acme"
) -> str:
    """Ask, and return the ticket of the canned reply; empty if it has none."""
    metadata = (("x-tenant", tenant), ("accept-language", "pl"))
    request = ask(text, labels={"team": "red"})
    if is_streamed:
        streamed = pb.StreamGenerateRequest.FromString(request.SerializeToString())
        events = [
            event async for event in running.stub.StreamGenerate(streamed, timeout=9, metadata=metadata)
        ]
        response = events[-1].completed
    else:
        response = await running.stub.Generate(request, timeout=9, metadata=metadata)
    assert response.route == pb.ROUTE_CANNED
    return response.degraded.ticket_id


async def fetch(running: Served, ticket_id: str, *, tenant: str = "acme") -> pb.GetHandoffResponse:
    """Ask for the answer."""
    request = pb.GetHandoffRequest(ticket_id=ticket_id)
    return await running.stub.GetHandoff(request, timeout=9, metadata=(("x-tenant", tenant),))


async def work_off(state_url: str, text: str) -> list[str]:
    """Take and answer all that waits; return what was asked."""
    queue = open_queue(state_url, clock=SystemClock())
    responder = Responder(queue, KeyRing.of(ENVIRON), by="jane", clock=SystemClock())
    asked = []
    while (taken := await responder.take_next(lease_s=60)) is not None:
        ticket, question = taken
        assert (question.labels, question.languages) == ({"team": "red"}, ("pl",))
        asked.append(question.messages[0].content)
        await responder.answer(ticket.id, text)
    await queue.aclose()
    return asked


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_person_answers(state_url: str, is_streamed: bool) -> None:
    """A canned reply has a ticket, a person answers, another gateway on the same state gives it out."""
    async with gateway(state_url) as running:
        ticket_id = await ticket_of(running, is_streamed=is_streamed)
        pending = await fetch(running, ticket_id)
    assert (pending.state, pending.HasField("answer")) == (pb.HANDOFF_STATE_PENDING, False)
    assert await work_off(state_url, "Because.") == ["why?"]
    async with gateway(state_url) as running:
        answered = await fetch(running, ticket_id)
    assert (answered.ticket_id, answered.state) == (ticket_id, pb.HANDOFF_STATE_ANSWERED)
    assert answered.answer.text == "Because."
    assert answered.create_time.ToSeconds() <= answered.answer.answer_time.ToSeconds()
    assert answered.answer.answer_time.ToSeconds() < answered.expire_time.ToSeconds()


async def test_the_ticket_of_another_is_like_none(state_url: str) -> None:
    """Another tenant's and one that never was are told apart by nobody; one that cannot be is a mistake."""
    async with gateway(state_url) as running:
        ticket_id = await ticket_of(running)
        await work_off(state_url, "Because.")
        told = []
        for wanted, tenant in ((ticket_id, "other"), ("ho_" + "0" * 32, "other"), ("ho_" + "0" * 32, "acme")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await fetch(running, wanted, tenant=tenant)
            status = rpc_status.from_call(refused.value)
            reasons = [detail.value.split(b"request_id")[0] for detail in status.details]
            told.append((refused.value.code(), refused.value.details(), reasons))
        with pytest.raises(grpc.aio.AioRpcError) as wrong:
            await fetch(running, "no ticket!")
    assert told[0] == told[1] == told[2]
    assert told[0][0] is grpc.StatusCode.NOT_FOUND
    assert wrong.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("text", "section"),
    [
        (f"mail {MAIL}", SECTION),
        ("why?", "\nhandoff: {queue: sqlite, store_up_to: restricted, when_reason: [BUDGET_EXHAUSTED]}"),
        ("why? " * 300, "\nhandoff: {queue: sqlite, store_up_to: restricted, max_bytes: 1024}"),
        ("why?", ""),
    ],
    ids=["class", "reason", "size", "no section"],
)
async def test_what_is_not_handed_over_has_no_ticket(text: str, section: str, tmp_path: Path) -> None:
    """A class above the policy's, another reason, too large a request: a canned reply and nothing stored."""
    state_url = f"sqlite://{tmp_path / 'ledger.db'}"
    async with gateway(state_url, section=section) as running:
        assert await ticket_of(running, text) == ""
        if not section:
            with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
                await fetch(running, "ho_1")
    if section:
        queue = open_queue(state_url, clock=SystemClock())
        assert await queue.tickets() == []
        await queue.aclose()


async def test_a_person_is_asked_for_canned_replies_alone(tmp_path: Path) -> None:
    """A model's answer makes no ticket, nor does a caller who declines a canned reply."""
    state_url = f"sqlite://{tmp_path / 'ledger.db'}"
    async with gateway(state_url, answers=True) as running:
        response = await running.stub.Generate(ask("why?"), timeout=9)
        assert not response.HasField("degraded")
    async with gateway(state_url) as running:
        with pytest.raises(grpc.aio.AioRpcError):
            await running.stub.Generate(ask("why?", hints=pb.Hints(allow_degraded=False)), timeout=9)
    queue = open_queue(state_url, clock=SystemClock())
    assert await queue.tickets() == []
    await queue.aclose()


async def test_a_full_queue_is_no_failure(tmp_path: Path) -> None:
    """One more than the policy keeps gets the canned reply as it is; the log says why, without its words."""
    section = "\nhandoff: {queue: sqlite, max_waiting: 1}"
    async with gateway(f"sqlite://{tmp_path / 'ledger.db'}", section=section) as running:
        assert await ticket_of(running)
        with capture_logs() as logs:
            assert await ticket_of(running, "quibberflax?") == ""
        assert await ticket_of(running, tenant="other")
    assert [entry["why"] for entry in logs if entry["event"] == "handoff.not_stored"] == [
        "the tenant's limit of requests that wait for a person is reached: 1"
    ]
    assert "quibberflax" not in str(logs)


async def test_a_store_that_is_down_is_no_failure() -> None:
    """While Redis is away canned replies go without a ticket; a ticket that is asked for is UNAVAILABLE."""
    with running_redis() as server:
        async with gateway(server.url) as running:
            ticket_id = await ticket_of(running)
            server.kill()
            assert await ticket_of(running) == ""
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await fetch(running, ticket_id)
            server.start()
            assert (await fetch(running, ticket_id)).state == pb.HANDOFF_STATE_PENDING
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_another_key_is_no_start(state_url: str) -> None:
    """Another key than the queue has is one line; the old key behind the new one is enough."""
    async with gateway(state_url) as running:
        ticket_id = await ticket_of(running)
    await work_off(state_url, "Because.")
    other = new_key()
    with pytest.raises(StartupError, match="append the old key to the new one") as refused:
        async with gateway(state_url, environ={KEY_VARIABLE: other}):
            pass
    assert other not in str(refused.value)
    async with gateway(state_url, environ={KEY_VARIABLE: f"{other},{KEY}"}) as running:
        assert (await fetch(running, ticket_id)).answer.text == "Because."


PROCESS_POLICY = """
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud]}]
resilience: {attempts: 1}
replies: [{id: sorry, text: "Sorry."}]
handoff: {queue: sqlite}
"""


@asynccontextmanager
async def process(folder: Path, *, environ: Mapping[str, str]) -> AsyncIterator[tuple[int, str]]:
    """Run `gateway serve` in a process of its own; yield its id and address."""
    (folder / "policy.yaml").write_text(PROCESS_POLICY)
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--policy", str(folder / "policy.yaml")),
        *("--listen", "127.0.0.1:0", "--drain-s", "0", "--log-format", "json"),
        env={**os.environ, **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    assert started.stderr is not None
    target = ""
    while not target:
        event = json.loads(await asyncio.wait_for(started.stderr.readline(), 60))
        target = event.get("listen", "")
    try:
        yield started.pid, target
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


def command(*arguments: str, environ: Mapping[str, str], text: str = "") -> tuple[int, str, str]:
    """Run a command; return status, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**os.environ, **environ},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_nothing_is_lost_by_a_kill(tmp_path: Path) -> None:
    """kill -9 right after the reply; then list, take, answer; a new process gives the answer out."""
    environ = {"GATEWAY_STATE": f"sqlite://{tmp_path / 'ledger.db'}", **ENVIRON}

    async def gateway_command(*arguments: str, text: str = "") -> tuple[int, str, str]:
        return await asyncio.to_thread(command, *arguments, environ=environ, text=text)

    async with process(tmp_path, environ=environ) as (pid, target):
        status, out, told = await gateway_command("generate", "--server", target, "Is quibberflax real?")
        os.kill(pid, signal.SIGKILL)
    assert (status, out) == (3, "Sorry.\n")
    ticket_id = told.split()[-1]
    assert ticket_id.startswith("ho_")

    status, listed, _ = await gateway_command("handoff", "list")
    assert ticket_id in listed
    assert "quibberflax" not in listed
    status, shown, told = await gateway_command("handoff", "take", "--as", "jane")
    assert (status, "quibberflax" in shown) == (0, True)
    assert (await gateway_command("handoff", "take"))[0] == 4
    status, _, told = await gateway_command("handoff", "answer", ticket_id, "Yes.", "--as", "bob")
    assert (status, told.count("\n"), "jane has taken it" in told) == (1, 1, True)

    async with process(tmp_path, environ=environ) as (_, target):
        fetch_it = ("handoff", "fetch", "--server", target, ticket_id)
        assert (await gateway_command(*fetch_it))[0] == 4
        answering = ("handoff", "answer", ticket_id, "-", "--as", "jane")
        assert (await gateway_command(*answering, text="No.\n"))[0] == 0
        status, out, told = await gateway_command(*fetch_it)
        assert (status, out, "a person's answer" in told) == (0, "No.\n", True)
        status, out, _ = await gateway_command(*fetch_it, "--json")
        assert json.loads(out)["answer"]["text"] == "No."


def test_air_gap_holds_for_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A queue on another host is refused by the flag, as for serve."""
    assert run(["handoff", "list", "--air-gap", "--state", "redis://db.example.com/0"]) == 2
    assert "--state: is not on this host" in capsys.readouterr().err


def test_the_wrong_state_is_no_empty_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place without a queue is an error with the way out, and makes no file."""
    assert run(["handoff", "list", "--state", f"sqlite://{tmp_path / 'other.db'}"]) == 2
    assert "give the --state of gateway serve" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
