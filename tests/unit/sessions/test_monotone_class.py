"""No turn of a conversation goes where an earlier turn of it might not have gone."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sessions import Sessions
from gateway.sessions.sqlite import SqliteSessions, open_file
from gateway.sessions.store import SessionStore
from tests.support.conversations import Conversation, said, turn
from tests.support.draws import examples
from tests.support.fakes import FakeClock


@dataclass(frozen=True)
class Step:
    """One turn of one of several conversations."""

    of: int
    class_: PrivacyClass
    mask_to: PrivacyClass | None
    sends_id: bool
    keeps: int
    """How many messages of the end the client still sends."""
    fails: bool
    restarts: bool


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Draw turns of three conversations, in any order, with trims, masks, failures and restarts."""
    classes = st.sampled_from(PrivacyClass)
    return [
        Step(
            of=draw(st.integers(0, 2)),
            class_=draw(classes),
            mask_to=draw(st.none() | classes),
            sends_id=draw(st.booleans()),
            keeps=draw(st.integers(1, 6)),
            fails=draw(st.booleans()),
            restarts=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(2, 8)))
    ]


@dataclass
class Client:
    """A conversation, and the models that its earlier turns might not go to."""

    conversation: Conversation
    barred: set[str] = field(default_factory=set)


@contextmanager
def in_memory() -> Iterator[Callable[[], SessionStore]]:
    """A store that no restart outlives."""
    store = MemorySessions(clock=FakeClock())
    yield lambda: store


@contextmanager
def in_a_file() -> Iterator[Callable[[], SessionStore]]:
    """A store that is opened again at each restart."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: SqliteSessions(open_file(Path(folder) / "s"), clock=FakeClock())


async def play(played: list[Step], opened: Callable[[], SessionStore]) -> None:
    """Play the turns; an id, or the last answer, says in each which conversation it is."""
    clients = [Client(Conversation()) for _ in range(3)]
    store = opened()
    for number, step in enumerate(played):
        if step.restarts:
            await store.aclose()
            store = opened()
        client = clients[step.of]
        past = client.conversation.messages
        kept = range(max(0, len(past) - step.keeps), len(past))
        has_answer = any(past[at].role is Role.ASSISTANT for at in kept)
        client.conversation.session_id = f"s{step.of}" if step.sends_id or not has_answer else ""
        request = client.conversation.request(f"question {number}", kept=kept)
        mask = None if step.mask_to is None else min(step.mask_to, step.class_)
        answer = None if step.fails else said(number)
        sessions = Sessions(store, restricts_when_lost=True, clock=FakeClock())
        decision = await turn(sessions, request, class_=step.class_, masked=mask, answer=answer)
        assert client.barred.isdisjoint(decision.chain)
        assert decision.privacy_class >= step.class_
        assert all(permit.privacy_class <= permit.clearance for permit in decision.permits.values())
        client.barred |= {each.model for each in decision.refused if each.reason is Reason.CLEARANCE}
        past.append(Message(role=Role.USER, content=f"question {number}"))
        if answer is not None:
            past.append(answer)
    await store.aclose()


@pytest.mark.parametrize("stored", [in_memory, in_a_file])
@settings(max_examples=examples(60))
@given(played=steps())
def test_no_model_is_open_again(
    stored: Callable[[], AbstractContextManager[Callable[[], SessionStore]]], played: list[Step]
) -> None:
    """Whatever is trimmed, interleaved, failed, masked or restarted, a barred model stays barred."""
    with stored() as opened:
        asyncio.run(play(played, opened))
