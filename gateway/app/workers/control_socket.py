"""How workers speak to their parent: a unix socket in the folder that they share, one JSON object a line."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from gateway.app.reload.policy_file import ReloadResult
from gateway.defects import log_defect

SOCKET = "parent.sock"
ANSWER_S = 30.0
"""How long the parent may take for a reload."""


class WorkerParent(Protocol):
    """What a parent does for its workers."""

    async def reload(self, *, allow_loosening: bool) -> ReloadResult:
        """Change the policy of all workers; raises nothing."""
        ...

    async def serves(self, worker: int, policy_hash: str) -> None:
        """Take down what a worker serves."""
        ...


async def listen(folder: Path, parent: WorkerParent) -> asyncio.Server:
    """Answer the workers until the server is closed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline() or b"{}")
            if "serves" in asked:
                await parent.serves(asked["worker"], asked["serves"])
            elif "reload" in asked:
                reloaded = await parent.reload(allow_loosening=asked["reload"])
                writer.write(json.dumps(asdict(reloaded)).encode() + b"\n")
                await writer.drain()
        except OSError:
            return  # The worker has gone.
        except Exception as error:  # noqa: BLE001  Nobody awaits this; the worker reads the end of the line.
            log_defect(error, task="answer to a worker")
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, folder / SOCKET)


class ParentClient:
    """A worker's side."""

    def __init__(self, folder: Path, *, worker: int) -> None:
        self._path = folder / SOCKET
        self._worker = worker

    async def reload(self, *, allow_loosening: bool) -> ReloadResult:
        """Have the parent change the policy of all workers."""
        try:
            async with asyncio.timeout(ANSWER_S):
                said = json.loads(await self._ask({"reload": allow_loosening}))
        except (OSError, ValueError, TimeoutError):
            problem = "gateway: the parent of its workers does not answer"
            said = {"outcome": "refused", "policy_hash": "", "problems": [problem]}
        return ReloadResult(
            outcome=said["outcome"],
            policy_hash=said["policy_hash"],
            changes=tuple(said.get("changes", ())),
            problems=tuple(said.get("problems", ())),
        )

    async def serves(self, policy_hash: str) -> None:
        """Tell the parent what this worker serves."""
        try:
            await self._ask({"worker": self._worker, "serves": policy_hash})
        except OSError:
            return  # The parent has gone, and this process ends with it.

    async def _ask(self, question: dict[str, object]) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()
