"""`gateway serve` as a process: what it logs, and what it answers."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.logged_process import LoggedProcess
from tests.support.waiting import until

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
privacy: {classes: {restricted: 0.8}}
rules:
  - {name: first, route: [edge]}
replies:
  - {id: sorry, text: x}
"""


@dataclass
class Process(LoggedProcess):
    """A gateway with what it logged, and its policy file."""

    policy: Path

    async def rules(self, calls: int = 12) -> set[str]:
        """Return the rules by which new connections are decided, so that every worker is asked."""
        rules = set()
        for _ in range(calls):
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(self.address, options=options) as channel:
                stub = gateway_pb2_grpc.GatewayServiceStub(channel)
                request = pb.ExplainRequest(messages=[pb.Message(role=pb.ROLE_USER, content="Hello")])
                rules.add((await stub.Explain(request, timeout=20.0)).decision.rule)
        return rules

    async def put(self, text: str, event: str) -> None:
        """Write the policy, send SIGHUP, and wait for what the log says of it."""
        before = self.count(event)
        self.policy.write_text(text)
        self.process.send_signal(signal.SIGHUP)
        await until(lambda: self.count(event) > before)


@asynccontextmanager
async def serving(
    tmp_path: Path, *flags: str, workers: int = 1, text: str = POLICY, cwd: Path | None = None
) -> AsyncIterator[Process]:
    """Run a gateway of so many workers with a policy of its own; `cwd` is a folder beside it."""
    policy = tmp_path / "team.yaml"
    policy.write_text(text)
    named = policy if cwd is None else Path("..", policy.name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--policy", str(named), "--workers", str(workers),
        "--listen", "127.0.0.1:0", "--drain-s", "0", "--state", f"sqlite:///{tmp_path}/ledger.db",
        "--log-format", "json", *flags, stderr=subprocess.PIPE, cwd=cwd,
    )  # fmt: skip
    running = Process(process, policy)
    reading = asyncio.create_task(running.read())
    try:
        await running.wait_serving(workers)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def reload(admin: Path, *flags: str) -> tuple[int | None, str, str]:
    """Run the command; return its status, the first word that it printed, and its complaints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "reload", "--admin", f"unix:{admin}", *flags,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode().partition(":")[0], err.decode()
