"""What of private requests lies in the store of hand-offs: looked for in every byte that is written."""

from pathlib import Path

from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import Answer, Degraded, Route
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, Reason, Scores
from gateway.domain.privacy import PrivacyClass
from gateway.errors import GatewayError
from gateway.extras.handoff.encryption import KeyRing, new_key
from gateway.extras.handoff.payload import answer_associated_data, request_associated_data
from gateway.extras.handoff.queue import KEY_VARIABLE, HandoffQueue, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.extras.handoff.service import HandoffService
from gateway.policy.handoff import Handoff
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.egress_cases import DATA, PLACES, TEXT, VALUE, a_request

ANSWER = "grindlewort"
"""Stands in what a person answers."""
SECTION = Handoff(queue="sqlite", store_up_to="confidential")


def _canned(decision: Decision) -> Answer:
    return Answer(
        decision=decision,
        message=Message(role=Role.ASSISTANT, content="sorry"),
        finish_reason=None,
        usage=None,
        route=Route.CANNED,
        model="",
        degraded=Degraded(reason=Reason.CLEARANCE, canned_id="sorry"),
        cost_usd_nanos=0,
        attempts=(),
    )


async def hand_over_everything(folder: Path, state_url: str = "") -> list[str]:
    """Hand over a request with data in each place, answer it, and return what should not lie in `folder`.

    Without a URL the state is a file in the folder; the server of another one has to write there.
    """
    clock, keys = SystemClock(), KeyRing.of({KEY_VARIABLE: new_key()})
    queue = open_queue(state_url or f"sqlite://{folder / 'ledger.db'}", clock=clock)
    service, responder = (
        HandoffService(queue, keys, clock=clock),
        Responder(queue, keys, by="jane", clock=clock),
    )
    scorer = PrivacyScorer(PrivacyPolicy(), clock=clock)
    wrong, stored = [], 0
    for place in PLACES:
        for kind in (
            ("EMAIL", "CREDIT_CARD") if place not in ("nowhere", "hint", "score", "number") else ("EMAIL",)
        ):
            request = a_request(place, [kind], path="edge-first")
            privacy = scorer.score(request)
            decision = Decision(
                scores=Scores(complexity=0.0, privacy=privacy.score, budget=0.0),
                privacy_class=privacy.privacy_class,
                privacy_reason=privacy.reason,
                findings=privacy.findings,
                rule="r",
                rule_errors=(),
                chain=(),
                refused=(),
                policy_hash="",
            )
            answer = await service.offer(
                request, _canned(decision), section=SECTION, deadline=Deadline.after(30.0, clock)
            )
            ticket_id = answer.degraded.ticket_id if answer.degraded is not None else ""
            if bool(ticket_id) is (privacy.privacy_class > PrivacyClass.CONFIDENTIAL):
                wrong.append(f"{place}: class {privacy.privacy_class.name}, stored: {bool(ticket_id)}")
            if ticket_id:
                stored += 1
                await responder.answer(ticket_id, f"{ANSWER} {DATA[kind]}")
                wrong += await _opened_elsewhere(queue, keys=keys, ticket_id=ticket_id)
    if not stored:
        wrong.append("nothing was stored: the check shows nothing")
    # While it is open, SQLite keeps the last commits in a file beside it.
    for moment in ("open", "closed"):
        wrong += [f"{moment}: {word} is stored in clear" for word in _found(folder)]
        if moment == "open":
            await queue.aclose()
    return wrong


async def _opened_elsewhere(queue: HandoffQueue, *, keys: KeyRing, ticket_id: str) -> list[str]:
    """Return where an answer can be decrypted as something else."""
    encrypted = await queue.answer_of(ticket_id)
    wrong = []
    for other in (
        answer_associated_data("ho_other", "acme"),
        answer_associated_data(ticket_id, "other"),
        request_associated_data(ticket_id, "acme"),
    ):
        try:
            keys.decrypt(encrypted or b"", associated_data=other)
            wrong.append("the answer can be decrypted elsewhere")
        except GatewayError:
            continue
    return wrong


def _found(folder: Path) -> list[str]:
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    if not written:
        return ["nothing was written, so nothing"]
    return [word for word in (TEXT, VALUE, ANSWER, *DATA.values()) if word.encode() in written]
