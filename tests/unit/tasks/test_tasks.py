"""Background tasks: none fails unheard, and a critical one tells its owner."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.tasks import Tasks, all_of, child

PRIVATE = "a word that is nobody's business"


async def fail() -> None:
    """Raise what quotes a request."""
    raise KeyError(PRIVATE)


async def test_a_failure_is_logged_with_the_tasks_name_and_without_its_message() -> None:
    """Nobody awaits a background task, so the log is where its failure is heard."""
    tasks = Tasks()
    with capture_logs() as logs:
        tasks.start("reload of the policy", fail(), request_id="r")
        await tasks.drain()

    (line,) = logs
    assert (line["event"], line["error"], line["task"]) == ("defect", "KeyError", "reload of the policy")
    assert line["request_id"] == "r"
    assert line["places"][-1].rpartition(":")[0] == __file__
    assert PRIVATE not in str(logs)


@pytest.mark.parametrize(("is_critical", "told"), [(True, ["engine edge"]), (False, [])])
async def test_the_failure_of_a_critical_task_alone_is_told(is_critical: bool, told: list[str]) -> None:
    """A gateway reports NOT_SERVING when told; what it can do without stays out of it."""
    heard: list[str] = []
    tasks = Tasks(on_critical_failure=heard.append)
    tasks.start("engine edge", fail(), is_critical=is_critical)
    await tasks.drain()

    assert heard == told


async def test_a_task_that_is_cancelled_or_ends_is_no_failure() -> None:
    """Closing cancels what runs, waits for it, and says nothing; nothing is kept."""
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waited")

    tasks = Tasks(on_critical_failure=ended.append)
    with capture_logs() as logs:
        tasks.start("watch", wait(), is_critical=True)
        tasks.start("rest", asyncio.sleep(0))
        await asyncio.sleep(0)
        await tasks.aclose()

    assert ended == ["waited"]
    assert tasks.is_idle
    assert logs == []


async def test_all_of_raises_the_first_failure_when_the_others_have_ended() -> None:
    """Engines start together; when one cannot, none is left half started."""
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("waited")

    with pytest.raises(KeyError):
        await all_of(wait(), fail())
    assert ended == ["waited"]


async def test_a_child_hands_its_error_to_its_owner() -> None:
    """Whoever awaits it handles the error, so it is no line in the log."""
    with capture_logs() as logs, pytest.raises(KeyError):
        await child(fail(), name="answer")
    assert logs == []
