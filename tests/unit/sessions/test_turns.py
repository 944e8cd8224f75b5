"""How a conversation is known again, what of it is kept, and what it does to the next turn."""

from dataclasses import replace

import pytest

from gateway.domain.conversation import Message, Role, Text, ToolCall, ToolResult
from gateway.domain.privacy import PrivacyClass
from gateway.domain.session import SessionStatus
from gateway.errors import SessionsUnavailable
from gateway.policy.loading.load import parse_policy
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sessions import Sessions
from tests.support.conversations import POLICY, YAML, Conversation, said, turn
from tests.support.decisions import decided
from tests.support.fakes import FakeClock

SECRET, PUBLIC = PrivacyClass.RESTRICTED, PrivacyClass.PUBLIC
CALL_ID = "call_0123456789abcdef"


def sessions_in(store: MemorySessions | None = None, clock: FakeClock | None = None) -> Sessions:
    """Return sessions in memory."""
    clock = clock or FakeClock()
    return Sessions(store or MemorySessions(clock=clock), restricts_when_lost=True, clock=clock)


async def test_the_class_stays_when_the_private_turn_is_trimmed() -> None:
    """With an id nothing of the history is needed, and the decision says why the class is what it is."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("private"), class_=SECRET, answer=said(1))

    decision = await turn(sessions, client.request("and now?"), complexity=0.9)

    assert (decision.privacy_class, decision.privacy_reason) == (SECRET, "session")
    assert decision.chain == ("edge",)
    assert decision.session is not None
    assert decision.session.privacy_class is SECRET


async def test_an_answer_of_ours_names_its_conversation() -> None:
    """Without an id the answer in the history is enough, with spaces around it as clients leave them."""
    sessions, client = sessions_in(), Conversation()
    answer = said(1)
    await turn(sessions, client.request("private"), class_=SECRET, answer=answer)
    client.messages.append(replace(answer, content=f"\n{answer.content} "))

    assert (await turn(sessions, client.request("and now?"))).privacy_class is SECRET


async def test_a_call_of_ours_names_its_conversation() -> None:
    """The id of a call is found where there is no text, and short ids that models count are not."""
    for call_id, class_ in ((CALL_ID, SECRET), ("call_0", PUBLIC)):
        sessions, client = sessions_in(), Conversation()
        call = Message(role=Role.ASSISTANT, parts=(ToolCall(id=call_id, name="f", arguments_json="{}"),))
        await turn(sessions, client.request("private"), class_=SECRET, answer=call)
        client.messages.append(call)
        assert (await turn(sessions, client.request("and now?"))).privacy_class is class_


@pytest.mark.parametrize("of", [Conversation(tenant="other", session_id="s"), Conversation(session_id="t")])
async def test_others_are_not_touched(of: Conversation) -> None:
    """Neither another tenant with the same id, nor another id of the same tenant."""
    sessions = sessions_in()
    await turn(sessions, Conversation(session_id="s").request("private"), class_=SECRET, answer=said(1))

    assert (await turn(sessions, of.request("hello"))).privacy_class is PUBLIC


async def test_another_tenant_with_the_same_history() -> None:
    """An answer is known within its tenant only."""
    sessions, other = sessions_in(), Conversation(tenant="other", messages=[said(1)])
    await turn(sessions, Conversation().request("private"), class_=SECRET, answer=said(1))

    assert (await turn(sessions, other.request("hello"))).privacy_class is PUBLIC


async def test_what_everybody_is_answered_tells_nothing() -> None:
    """A greeting that four conversations hold raises the class of none; in fewer, of all."""
    greeting = Message(role=Role.ASSISTANT, content="Hello! How can I assist you today with it?")
    for count, class_ in ((3, SECRET), (4, PUBLIC)):
        sessions = sessions_in()
        for number in range(count):
            client = Conversation(session_id=f"s{number}")
            await turn(sessions, client.request("private"), class_=SECRET, answer=greeting)
        newcomer = Conversation(messages=[greeting])
        assert (await turn(sessions, newcomer.request("hello"))).privacy_class is class_


async def test_short_answers_tell_nothing() -> None:
    """Everybody is answered "Yes."."""
    sessions, yes = sessions_in(), Message(role=Role.ASSISTANT, content="Yes.")
    await turn(sessions, Conversation().request("private"), class_=SECRET, answer=yes)

    assert (await turn(sessions, Conversation(messages=[yes]).request("x"))).privacy_class is PUBLIC


async def test_it_is_forgotten_when_it_is_idle() -> None:
    """After the policy's time without a turn, and not before."""
    clock = FakeClock()
    sessions, client = sessions_in(clock=clock), Conversation(session_id="s")
    await turn(sessions, client.request("private"), class_=SECRET, answer=said(1))
    clock.advance(1799.0)
    assert (await turn(sessions, client.request("x"))).privacy_class is SECRET
    clock.advance(1800.0)
    assert (await turn(sessions, client.request("x"))).privacy_class is PUBLIC


async def test_its_caller_may_end_it() -> None:
    """The next request begins anew; to end it again says that nothing is known."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("private"), class_=SECRET, answer=said(1))

    assert not await sessions.end("other", "s")
    assert await sessions.end("acme", "s")
    assert not await sessions.end("acme", "s")
    assert (await turn(sessions, client.request("x"))).privacy_class is PUBLIC


async def test_a_masked_turn_leaves_the_model_that_masks_open() -> None:
    """What a mask left is what such a model might have seen; a model that sees all is barred."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("private"), class_=SECRET, masked=PUBLIC, answer=said(1))

    decision = await turn(sessions, client.request("x"), complexity=0.9)

    assert decision.chain == ("masking", "edge")
    assert decision.permits["masking"].privacy_class is PUBLIC


async def test_another_policy_may_mask_less() -> None:
    """After a reload only the class of the whole is held against a model that masks."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("private"), class_=SECRET, masked=PUBLIC, answer=said(1))
    other = parse_policy(YAML.replace("0.5", "0.4"), name="p")

    assert (await turn(sessions, client.request("x"), complexity=0.9, policy=other)).chain == ("edge",)


async def test_a_model_stays_within_a_tool_loop() -> None:
    """It waits for the result; the next message of the user is decided by the rules again."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    call = Message(role=Role.ASSISTANT, parts=(ToolCall(id=CALL_ID, name="f", arguments_json="{}"),))
    first = await turn(sessions, client.request("hard"), complexity=0.9, answer=call)
    result = Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=CALL_ID, parts=(Text("4"),)),))
    request = client.request("hard")
    looping = replace(request, messages=(*request.messages, call, result))
    within = await turn(sessions, looping, complexity=0.1)
    after = await turn(sessions, client.request("easy"), complexity=0.1)

    assert [each.chain[0] for each in (first, within, after)] == ["cloud", "cloud", "edge"]
    outcomes = [each.session for each in (first, within, after) if each.session is not None]
    assert [(each.status, each.model, each.why) for each in outcomes] == [
        (SessionStatus.NEW, "", ""),
        (SessionStatus.KEPT, "cloud", ""),
        (SessionStatus.SWITCHED, "cloud", "order"),
    ]


@pytest.mark.parametrize(
    ("sticky", "complexity", "first"),
    [
        ("conversation", 0.80, "cloud"), ("conversation", 0.49, "edge"), ("tool_loop", 0.49, "edge"),
        ("none", 0.49, "edge"),
    ],
)  # fmt: skip
async def test_a_model_stays_while_the_complexity_does(sticky: str, complexity: float, first: str) -> None:
    """With `conversation`, within the margin of the turn for which it was chosen."""
    policy = parse_policy(f"{YAML}sessions: {{sticky: {sticky}, switch_margin: 0.3}}\n", name="p")
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("hard"), complexity=0.9, answer=said(1), policy=policy)

    assert (await turn(sessions, client.request("x"), complexity=complexity, policy=policy)).chain[0] == first


async def test_sticking_never_beats_clearance() -> None:
    """A model that may not see this turn is switched from, and the decision says why."""
    policy = parse_policy(f"{YAML}sessions: {{sticky: conversation}}\n", name="p")
    sessions, client = sessions_in(), Conversation(session_id="s")
    await turn(sessions, client.request("hard"), complexity=0.9, answer=said(1), policy=policy)
    decision = await turn(sessions, client.request("x"), class_=SECRET, complexity=0.9, policy=policy)

    assert decision.chain == ("edge",)
    assert decision.session is not None
    assert decision.session.why == "CLEARANCE"


async def test_a_plain_call_is_not_kept() -> None:
    """Public, without an id, without calls of tools: nothing could come of it."""
    store = MemorySessions(clock=FakeClock())
    await turn(sessions_in(store), Conversation().request("hello"), answer=said(1))

    assert store.size == 0


async def test_turns_that_overlap() -> None:
    """Two turns that began before either was taken down: the class of both holds, whichever is later."""
    sessions, client = sessions_in(), Conversation(session_id="s")
    begun = [await sessions.begin(client.request(text), POLICY) for text in ("private", "x")]
    for each, class_ in zip(begun, (SECRET, PUBLIC), strict=True):
        request = client.request("x")
        decision = decided(POLICY, request=request, privacy=class_)
        await sessions.note_decision(each, request, decision, POLICY)

    assert (await turn(sessions, client.request("x"))).privacy_class is SECRET


class LostStore(MemorySessions):
    """A store that is lost, or takes no writes, when a test says so."""

    is_lost = takes_nothing = False

    async def find(self, keys):  # type: ignore[no-untyped-def]
        """Find, unless it is lost."""
        if self.is_lost:
            raise SessionsUnavailable("gone")
        return await super().find(keys)

    async def write(self, write):  # type: ignore[no-untyped-def]
        """Write, unless it takes nothing."""
        if self.takes_nothing:
            raise SessionsUnavailable("full")
        await super().write(write)


@pytest.mark.parametrize(
    ("on_error", "class_", "reason"),
    [("restricted", SECRET, "sessions unavailable"), ("stateless", PUBLIC, "score")],
)
async def test_a_lost_store(on_error: str, class_: PrivacyClass, reason: str) -> None:
    """By policy such a turn is restricted, or judged by itself; it does not make later turns restricted."""
    policy = parse_policy(f"{YAML}sessions: {{on_error: {on_error}}}\n", name="p")
    store, client = LostStore(clock=FakeClock()), Conversation(session_id="s")
    sessions = sessions_in(store)
    store.is_lost = True
    lost = await turn(sessions, client.request("x"), answer=said(1), policy=policy)
    store.is_lost = False
    back = await turn(sessions, client.request("x"), policy=policy)

    assert (lost.privacy_class, lost.privacy_reason) == (class_, reason)
    assert back.privacy_class is PUBLIC


async def test_what_the_store_does_not_take_is_known_to_this_process() -> None:
    """A private turn during a failed write holds in the next one."""
    store, client = LostStore(clock=FakeClock()), Conversation(session_id="s")
    sessions = sessions_in(store)
    store.takes_nothing = True
    await turn(sessions, client.request("private"), class_=SECRET, answer=said(1))
    store.takes_nothing = False

    assert (await turn(sessions, client.request("x"))).privacy_class is SECRET


async def test_a_provider_is_told_a_hash_of_the_conversation() -> None:
    """The same in each turn and in every process, another one for another tenant; none of a lone request."""
    store, request = MemorySessions(clock=FakeClock()), Conversation(session_id="mine").request("x")
    first = await sessions_in(store).begin(request, POLICY)
    await turn(sessions_in(store), request, answer=said(1))
    again = await sessions_in(store).begin(request, POLICY)
    other = await sessions_in(store).begin(replace(request, tenant="other"), POLICY)
    lone = await sessions_in(store).begin(replace(request, session_id=""), POLICY)

    assert first.prompt_cache_key == again.prompt_cache_key
    assert len({first.prompt_cache_key, other.prompt_cache_key, lone.prompt_cache_key}) == 3
    assert lone.prompt_cache_key == ""
    assert "mine" not in first.prompt_cache_key
    assert bytes.fromhex(first.prompt_cache_key) not in first.sessions


async def test_policy_says_whether_nothing_said() -> None:
    """The default of a policy leaves it to the kind of store."""
    assert POLICY.sessions.on_error is None
