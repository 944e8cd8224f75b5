"""What the turns of a conversation know of each other, and what each of them adds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import token_bytes

import structlog

from gateway.clock import Clock
from gateway.domain.answer import Answer
from gateway.domain.conversation import Role
from gateway.domain.decision import Decision
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.session import LOST_SESSION, NEW_SESSION, SessionState, joined
from gateway.errors import SessionsUnavailable
from gateway.policy.model import Policy
from gateway.policy.stickiness import class_as_masked
from gateway.sessions.conversation_keys import HASH_BYTES, ConversationKeys
from gateway.sessions.memory import MemorySessions
from gateway.sessions.store import COMMON, SessionStore, SessionWrite, StoredSession

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTurn:
    """A request, as a turn of a conversation."""

    sessions: Sequence[bytes]
    """Names of the conversation in the store, the one that goes on first; where none was known, a new one."""
    is_known: bool
    keys: Sequence[bytes]
    """The key of an explicit id, if there is one."""
    state: SessionState
    prompt_cache_key: str = ""
    """Names it to a provider that keeps prompts; "" where it may have no second turn."""

    def with_key(self, request: Request) -> Request:
        """Return the request with what names the conversation to a provider."""
        return replace(request, prompt_cache_key=self.prompt_cache_key) if self.prompt_cache_key else request

    @property
    def state_before(self) -> SessionState:
        """What the turn goes on from, for the store.

        A conversation that could not be looked up until its answer is stored by its id, and joined with what
        the id has there. Without one it counts as restricted until it ends: nobody knows of what turns the
        answers in its history are.
        """
        return NEW_SESSION if self.state.is_lost and self.keys else self.state


_LONE_TURN = KnownTurn(sessions=(), is_known=False, keys=(), state=NEW_SESSION)


class NoSessions:
    """Each request is a conversation of its own."""

    async def begin(self, request: Request, policy: Policy) -> KnownTurn:
        """Know nothing."""
        del request, policy
        return _LONE_TURN

    async def note_decision(
        self, turn: KnownTurn, request: Request, decision: Decision, policy: Policy
    ) -> KnownTurn:
        """Take down nothing."""
        del request, decision, policy
        return turn

    async def note_answer(self, turn: KnownTurn, request: Request, answer: Answer, policy: Policy) -> None:
        """Take down nothing."""

    async def end(self, tenant: str, session_id: str) -> bool:
        """Know of no conversation."""
        del tenant, session_id
        return False


class Sessions:
    """The conversations of a gateway, for every policy and tenant of it.

    `restricts_when_lost`: whether a conversation that cannot be looked up counts as restricted, where the
    policy does not say.
    """

    def __init__(self, store: SessionStore, *, restricts_when_lost: bool, clock: Clock) -> None:
        self._store = store
        self._unwritten = MemorySessions(clock=clock)
        """What the store did not take; a turn of this process at least finds it."""
        self._known_keys: ConversationKeys | None = None
        self._restricts_when_lost = restricts_when_lost
        self._is_lost = False

    async def begin(self, request: Request, policy: Policy) -> KnownTurn:
        """Look up the conversation that a request goes on with; raises nothing.

        It may be known by its id and by several answers. The highest class of them counts, and the one of the
        id, else of the highest class, goes on.
        """
        if not (request.session_id or any(each.role is Role.ASSISTANT for each in request.messages)):
            return _new_turn(())
        by_id: Sequence[bytes] = ()
        try:
            hashes = await self._keys()
            keys, by_id = hashes.of_request(request), hashes.of_id(request.tenant, request.session_id)
            found = [*await self._store.find(keys), *await self._unwritten.find(keys)]
        except SessionsUnavailable as error:
            return replace(_new_turn(by_id), state=self._lost(error, policy))
        self._log_lost("")
        turn = _turn_of(found, by_id)
        if turn.is_known or turn.keys:
            turn = replace(turn, prompt_cache_key=hashes.prompt_cache_key(request.tenant, turn.sessions[0]))
        return turn

    async def note_decision(
        self, turn: KnownTurn, request: Request, decision: Decision, policy: Policy
    ) -> KnownTurn:
        """Take down the class of a turn before any of it is sent, if it is above public; raises nothing.

        A conversation without an id, of which no answer is known yet, cannot be found before its first one.
        One that could not be looked up is looked up once more, and returned as it is then known.
        """
        if turn.state.is_lost:
            turn = await self.begin(request, policy)
        state = state_after(decision, turn.state_before, policy)
        if state.is_private and (turn.is_known or turn.keys):
            await self._write(turn, request, state, policy, keys=turn.keys)
        return turn

    async def note_answer(self, turn: KnownTurn, request: Request, answer: Answer, policy: Policy) -> None:
        """Take down which model answered, and by what the next turn is known; raises nothing."""
        state = state_after(answer.decision, turn.state_before, policy)
        is_worth = (
            turn.is_known
            or turn.keys
            or state.privacy_class > PrivacyClass.PUBLIC
            or policy.sessions.sticky == "conversation"
            or (answer.message.tool_calls and policy.sessions.sticky != "none")
        )
        if answer.degraded is not None or not is_worth:
            return
        complexity = answer.decision.scores.complexity
        if answer.model == turn.state.model:
            complexity = turn.state.complexity
        state = replace(state, model=answer.model, complexity=complexity)
        try:
            keys = (*turn.keys, *(await self._keys()).of_answer(request.tenant, answer.message))
        except SessionsUnavailable as error:
            self._log_lost(str(error))
            return
        if keys or turn.is_known:
            await self._write(turn, request, state, policy, keys=keys)

    async def end(self, tenant: str, session_id: str) -> bool:
        """Forget a conversation by its id, and say whether it was known; raises SessionsUnavailable."""
        (key,) = (await self._keys()).of_id(tenant, session_id)
        was_unwritten = await self._unwritten.end(key)
        return await self._store.end(key) or was_unwritten

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()

    async def _keys(self) -> ConversationKeys:
        if self._known_keys is None:
            self._known_keys = ConversationKeys(await self._store.secret())
        return self._known_keys

    async def _write(
        self, turn: KnownTurn, request: Request, state: SessionState, policy: Policy, *, keys: Sequence[bytes]
    ) -> None:
        for session in turn.sessions:
            write = SessionWrite(
                session=session,
                tenant=request.tenant,
                keys=keys if session == turn.sessions[0] else (),
                state=state,
                idle_s=policy.sessions.idle_s,
            )
            try:
                await self._store.write(write)
            except SessionsUnavailable as error:
                self._log_lost(str(error))
                await self._unwritten.write(write)

    def _lost(self, error: SessionsUnavailable, policy: Policy) -> SessionState:
        self._log_lost(str(error))
        on_error = policy.sessions.on_error
        restricts = self._restricts_when_lost if on_error is None else on_error == "restricted"
        return LOST_SESSION if restricts else NEW_SESSION

    def _log_lost(self, why: str) -> None:
        """Log once that the store is gone, and once that it is back."""
        if bool(why) != self._is_lost:
            self._is_lost = bool(why)
            if why:
                _log.error("sessions.unavailable", why=why)
            else:
                _log.info("sessions.back")


def _new_turn(by_id: Sequence[bytes]) -> KnownTurn:
    # By its id, so that turns that begin one together are of the same.
    session = by_id[0] if by_id else token_bytes(HASH_BYTES)
    return KnownTurn(sessions=(session,), is_known=False, keys=by_id, state=NEW_SESSION)


def _turn_of(found: Sequence[StoredSession], by_id: Sequence[bytes]) -> KnownTurn:
    """Return the turn of a conversation of which these are known, in the order of the history."""
    sharing = Counter(each.key for each in found)
    telling = [each for each in found if each.key in by_id or sharing[each.key] < COMMON]
    if not telling:
        return _new_turn(by_id)
    best = max(reversed(telling), key=lambda each: (each.key in by_id, each.state.privacy_class))
    state = best.state
    for each in telling:
        state = joined(each.state, state)
    sessions = dict.fromkeys((best.session, *(each.session for each in telling)))
    return KnownTurn(sessions=tuple(sessions), is_known=True, keys=by_id, state=state)


def state_after(decision: Decision, before: SessionState, policy: Policy) -> SessionState:
    """Return what a decision adds to what is known of its conversation.

    That may be known by now, and was not when it was decided on.
    """
    routing_input = decision.routing_input
    if routing_input is None:
        return SessionState(privacy_class=decision.privacy_class, policy_hash=policy.hash)
    class_ = max(routing_input.privacy_class, before.privacy_class)
    masked = {}
    if class_ > PrivacyClass.PUBLIC:
        masked = {
            name: each
            for name, spec in policy.models.items()
            if spec.masked_types
            and (each := class_as_masked(name, routing_input, before, policy.hash)) < class_
        }
    return SessionState(privacy_class=class_, masked_classes=masked, policy_hash=policy.hash)
