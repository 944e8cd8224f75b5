"""The guards that keep words in, each with a way to take it away, and the checks that must then fail."""

import asyncio
import contextlib
import dataclasses
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import defects, routing
from gateway.backends import permit
from gateway.backends.base import Call
from gateway.backends.http import errors as cloud_errors
from gateway.clock import Deadline
from gateway.dispatch import chain, unmask
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.conversation import Message
from gateway.domain.decision import EgressPermit
from gateway.domain.privacy import Entities, Finding, PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.session import NEW_SESSION
from gateway.errors import NotPermitted, PolicyError
from gateway.extras.cache import answer_cache
from gateway.extras.handoff import encryption, service
from gateway.extras.mirror import selection
from gateway.pipeline.steps import finished
from gateway.policy.loading import air_gap, load
from gateway.privacy import classify as verdict
from gateway.privacy import scan as search
from gateway.privacy import scanner as scanning
from gateway.privacy import scorer as scoring
from gateway.privacy import variants
from gateway.privacy.masking import masker as judge
from gateway.privacy.masking import places
from gateway.privacy.masking.restore import Restorer
from gateway.privacy.normalize import NormalText
from gateway.server.validation import config as checked_config
from gateway.sessions import sessions
from gateway.sessions import sqlite as session_file
from gateway.sessions.conversation_keys import ConversationKeys
from tests.support import egress_cases, embedding_policies
from tests.support import entity_doubles as entities
from tests.support import masking_requests as masking
from tests.support.calls import call_of
from tests.support.egress_bench import captured_logs, play
from tests.support.egress_cache import keep_everything
from tests.support.egress_cases import TEXT, directed
from tests.support.egress_conversations import directed as directed_conversations
from tests.support.egress_conversations import play as play_conversations
from tests.support.egress_handoff import hand_over_everything
from tests.support.mirror_values import check_no_leave_above_its_clearance, check_who_is_never_drawn
from tests.support.permits import WRONG, permit_for
from tests.support.policies import AIR_GAP
from tests.support.privacy_doubles import check_what_is_everywhere_is_not_listed
from tests.support.requests import request_of
from tests.support.virtual_time import VirtualLoop

DETECTORS = len(scoring.DEFAULT_DETECTORS)
Check = Callable[[], str]
"""Says what is wrong, or nothing."""


FEW = 4
"""Cases on one gateway: with more, breakers that one case opens keep the next from a model."""


def _cases() -> str:
    cases = list(directed(DETECTORS))
    for at in range(0, len(cases), FEW):
        _, leaks = play(cases[at : at + FEW])
        if leaks:
            return "; ".join(sorted(set(leaks))[:3])
    return ""


def _permits() -> str:
    for name, wrong in WRONG.items():
        call = call_of()
        bad: Call = dataclasses.replace(call, permit=wrong(call))  # type: ignore[arg-type]  # What is tested.
        with contextlib.suppress(NotPermitted):
            permit.permitted(bad, model="cloud", clearance=PrivacyClass.PUBLIC)
            return f"a permit that is wrong ({name}) let a call pass"
    return ""


def _mint() -> str:
    fields = {
        field.name: getattr(permit_for(call_of().request), field.name)
        for field in dataclasses.fields(EgressPermit)
    }
    with contextlib.suppress(TypeError):
        EgressPermit(**fields, seal=None)
        return "a permit was made without the seal"
    return ""


def _masks() -> str:
    for name, request in masking.STAYS.items():
        decision = masking.decided(request, marked=True)
        if decision.permits:
            return f"went masked though unsure: {name}"
    if "public" in masking.decided(request_of(f"Sort {masking.LIST}")).permits:
        return "a list of people went as if it were a mention of one"
    return ""


def _closed() -> str:
    for number in range(2):
        try:
            masking.check_a_closed_verdict_stays_closed(number)
        except AssertionError:
            return "a second look opened a closed verdict"
    return ""


def _original_at_the_edge() -> str:
    return _passes(masking.check_values_never_cross_requests)


def _passes(test: Callable[[], None]) -> str:
    try:
        test()
    except AssertionError:
        return "the answer is not the caller's own"
    return ""


def _schemas() -> str:
    text = json.dumps({"title": "jane.roe\u0040example.org"}).replace("@", "\\u0040")
    plain = finished(checked_config.config_steps(GenerationConfig(json_schema=text))).json_schema or ""
    is_plain = "jane.roe@example.org" in plain
    return "" if is_plain else "an escape in a schema hides what a provider would read"


def _air_gap() -> str:
    for url in ("https://llm.example.com/v1", "http://localhost/v1"):
        with contextlib.suppress(PolicyError):
            load.parse_policy(AIR_GAP % f'base_url: "{url}"', name="p", air_gap=True)
            return "an address of another host was taken"
    return ""


def _defects() -> str:
    with captured_logs() as logs:
        try:
            raise ValueError(TEXT)
        except ValueError as error:
            defects.log_defect(error, request_id="r")
        return "a defect's message is in the log" if TEXT in logs.getvalue() else ""


def _handoffs() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return "; ".join(asyncio.run(hand_over_everything(Path(folder))))


def _entities() -> str:
    request = call_of().request
    closed = (
        Entities(failure="entities failed"),
        Entities(findings=(Finding(type="SHOE", start=0, end=1, confidence=1.0),)),
    )
    verdicts = [entities.SCORER.score(request, each).privacy_class for each in closed]
    return "" if set(verdicts) == {PrivacyClass.RESTRICTED} else "who failed to find entities is believed"


def _late() -> str:
    late = entities.desk([], limit_s=0.01, delay_s=0.2).ask(call_of().request, Deadline.never())
    return "" if asyncio.run(late).failure else "who is late with entities is waited for"


def _full() -> str:
    return _passes(check_what_is_everywhere_is_not_listed)


def _never_drawn() -> str:
    return _passes(check_who_is_never_drawn)


def _judges() -> str:
    return _passes(check_no_leave_above_its_clearance)


def _kept() -> str:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return "; ".join(runner.run(keep_everything()))


def _spaces() -> str:
    chain = embedding_policies.chain_of_another_space()
    return f"vectors of another space come from {chain}" if chain else ""


def _conversations() -> str:
    _, leaks = play_conversations(directed_conversations())
    return "; ".join(sorted(set(leaks))[:3])


CHECKS: Mapping[str, Check] = {
    "test_each_way_to_forget_a_private_turn": _conversations,
    "test_who_is_never_drawn": _never_drawn,
    "test_no_leave_for_a_judge_above_its_clearance": _judges,
    "test_whatever_goes_wrong_restricts_the_request": _entities,
    "test_what_takes_too_long_restricts_the_request": _late,
    "test_what_is_everywhere_is_not_listed_to_the_end": _full,
    "test_every_place_and_every_fault_once": _cases,
    "test_no_permit_that_fits_no_byte": _permits,
    "test_without_the_seal_there_is_none": _mint,
    "test_what_is_unsure_stays_home": _masks,
    "test_a_verdict_that_is_closed_stays_closed": _closed,
    "test_values_never_cross_requests": _original_at_the_edge,
    "test_a_schema_has_no_escapes_to_hide_behind": _schemas,
    "test_any_other_address_in_the_policy_is_refused_with_its_line": _air_gap,
    "test_a_defects_message_stays_out_of_the_log": _defects,
    "test_what_waits_for_people_is_sealed": _handoffs,
    "test_no_model_of_another_space_is_asked": _spaces,
    "test_what_is_private_is_not_kept": _kept,
}
"""Every check in its fast form, by the test that it stands for."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One thing that keeps words in, where it is, and how to take it away."""

    name: str
    where: str
    remove: Callable[[pytest.MonkeyPatch], None]


def _set(owner: object, name: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def _wrapped(owner: object, name: str, wrap: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, wrap(getattr(owner, name)))


def _without(path: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what leaves the strings unscanned whose path matches."""

    def wrap(strings_of: Any) -> Any:
        return lambda request: [each for each in strings_of(request) if not re.fullmatch(path, each.path)]

    def remove(patch: pytest.MonkeyPatch) -> None:
        for name in ("strings_of", "opaque_strings"):
            _wrapped(scoring, name, wrap)(patch)

    return remove


def _in_any_space(refuse: Any) -> Any:
    return lambda model, spec, **state: refuse(model, spec, **{**state, "space": spec.space})


def _chats_only(strings_of: Any) -> Any:
    return lambda request: [] if request.embedding is not None else strings_of(request)


def _without_hint(class_of: Any) -> Any:
    return lambda score, evidence, scale, _: class_of(score, evidence, scale, None)


def _forgiving(found: Any) -> Any:
    def wrapped(*args: Any) -> Any:
        try:
            return found(*args)
        except search.ScanFailed:
            return search.DetectorRun((), is_full=False)

    return wrapped


def _only_found(_: Any) -> Any:
    return lambda *_, **__: []


def _always(value: object) -> Callable[[Any], Any]:
    return lambda _: lambda *args, **kwargs: value


def _permit_without(text: str) -> Callable[[Any], Any]:
    """Return a wrapper that swallows the refusals of which the message says `text`."""

    def wrap(permitted: Any) -> Any:
        def lenient(call: Call, **kwargs: Any) -> EgressPermit | None:
            try:
                return permitted(call, **kwargs)  # type: ignore[no-any-return]
            except NotPermitted as error:
                if text in str(error):
                    return call.permit
                raise

        return lenient

    return wrap


class _NoDeadline:
    @staticmethod
    def after(*_: object) -> Deadline:
        return Deadline.never()


def _all_models(turns: Any) -> Any:
    def more(self: Any, run: Any) -> Iterable[Any]:
        decision = dataclasses.replace(run.work.decision, chain=tuple(run.work.policy.models))
        run.work = dataclasses.replace(run.work, decision=decision)
        yield from turns(self, run)

    return more


def _under_any_policy(dispatch: Any) -> Any:
    def wrapped(self: Any, request: Request, decision: Any, *, policy: Any, **more: Any) -> Any:
        decision = dataclasses.replace(decision, policy_hash=policy.hash)
        return dispatch(self, request, decision, policy=policy, **more)

    return wrapped


def _loud(refused: Any) -> Any:
    def wrapped(model: str, **kwargs: Any) -> Any:
        error = refused(model, **kwargs)
        error.args = (f"{error}: {kwargs['body']}",)
        return error

    return wrapped


def _loud_log(error: Exception, **_: str) -> None:
    defects._log.error("defect", message=str(error))


def _unbind(patch: pytest.MonkeyPatch) -> None:
    sealed, opened = encryption.KeyRing.encrypt, encryption.KeyRing.decrypt
    patch.setattr(
        encryption.KeyRing, "encrypt", lambda self, text, **_: sealed(self, text, associated_data="")
    )
    patch.setattr(
        encryption.KeyRing, "decrypt", lambda self, text, **_: opened(self, text, associated_data="")
    )


def _without_session(choose: Any) -> Any:
    return lambda routing_input, state, policy: choose(
        routing_input, dataclasses.replace(state, session=NEW_SESSION), policy
    )


def _without_masked_session(class_as_masked: Any) -> Any:
    return lambda model, routing_input, _, policy_hash: class_as_masked(
        model, routing_input, NEW_SESSION, policy_hash
    )


def _unnoted(_: Any) -> Any:
    async def note_decision(_: object, turn: object, *__: object) -> object:
        return turn

    return note_decision


def _restricted_is_public(_: object, __: object, ___: object, hint: PrivacyClass | None) -> Any:
    return hint or PrivacyClass.PUBLIC, "none"


STRINGS = {
    "stop": r"config\.stop.*",
    "json_schema": r"config\.json_schema",
    "a text part": r"parts\[\d+\]\.text",
    "the name of a participant": "name",
    "the URL of an image": r".*\.image\.url",
    "the name of a file": r".*\.file\.name",
    "the id of a call": r".*\.tool_call\.id",
    "the name of a called tool": r".*\.tool_call\.name",
    "arguments": r".*\.arguments_json",
    "the input of a custom tool": r".*\.input",
    "the id of a result": r".*\.tool_call_id",
    "the text of a result": r".*\.tool_result\.parts.*\.text",
    "reasoning": r".*\.reasoning\.text",
    "a signature": r".*\.opaque",
    "the name of a tool": r"config\.tools.*\.name",
    "the description of a tool": r"config\.tools.*\.description",
    "the parameters of a tool": r"config\.tools.*\.parameters_json_schema",
    "the grammar of a tool": r"config\.tools.*\.input_grammar",
    "the grammar of an answer": r"config\.grammar",
}
"""What is scanned beside the content of messages, by its paths."""
GUARDS: Sequence[Guard] = (
    Guard(name="a detector that fails closes the verdict", where="scan.run_detector",
          remove=_wrapped(scanning, "run_detector", _forgiving)),
    Guard(name="a match is checked", where="scan._check",
          remove=_set(search, "_check", lambda *_: None)),
    Guard(name="detectors over time close the verdict", where="scanner.Scanner.scan",
          remove=_set(scanning, "Deadline", _NoDeadline)),
    Guard(name="entities that fail close the verdict", where="scan.with_entities",
          remove=_wrapped(scoring, "with_entities", _only_found)),
    Guard(name="entities have their time", where="ask.EntityLookup.ask",
          remove=_set(asyncio, "timeout", lambda _: contextlib.nullcontext())),
    Guard(name="what is left out counts as certain and many", where="scorer._evidence",
          remove=_wrapped(scoring, "_evidence", lambda evidence: lambda located, _: evidence(located, ()))),
    Guard(name="every message counts", where="scorer.scanned_strings", remove=_without("content")),
    *(
        Guard(name=f"{name} counts", where="scorer.scanned_strings", remove=_without(path))
        for name, path in STRINGS.items()
    ),
    Guard(name="the texts of an embedding count", where="scorer.scanned_strings",
          remove=_wrapped(scoring, "strings_of", _chats_only)),
    Guard(name="what is too private is not kept", where="answer_cache.may_be_kept",
          remove=_set(answer_cache, "may_be_kept", lambda *_: True)),
    Guard(name="vectors are of the space that is asked for", where="routing._refuse",
          remove=_wrapped(routing, "_refuse", _in_any_space)),
    Guard(name="what no detector reads is restricted", where="scorer.assessment",
          remove=_wrapped(scoring, "unreadable_places", _always([]))),
    Guard(name="the hint counts", where="classify.class_of",
          remove=_wrapped(scoring, "class_of", _without_hint)),
    Guard(name="the class of the score", where="classify._class_of_score",
          remove=_set(verdict, "_class_of_score", lambda *_: PrivacyClass.PUBLIC)),
    Guard(name="a list of many is a class more", where="classify.MANY", remove=_set(verdict, "MANY", 10**9)),
    Guard(name="floors, score, many and hint together", where="classify.class_of",
          remove=_set(scoring, "class_of", _restricted_is_public)),
    Guard(name="disguises are undone", where="normalize.normalise",
          remove=_set(variants, "normalise", NormalText)),
    Guard(name="the clearance filter", where="routing._refuse",
          remove=_set(routing, "_refuse", lambda *_, **__: None)),
    Guard(name="dispatch walks the chain only", where="chain.Chain._turns",
          remove=_wrapped(chain.Chain, "_turns", _all_models)),
    Guard(name="one policy from decision to answer", where="dispatcher._work",
          remove=_wrapped(Dispatcher, "_work", _under_any_policy)),
    *(
        Guard(name=f"the permit check: {text}", where="permit.permitted",
              remove=_wrapped(permit, "permitted", _permit_without(text)))
        for text in ("without a permit", "another model", "another request", "above the model")
    ),
    Guard(name="routing alone mints", where="decision.EgressPermit",
          remove=_set(EgressPermit, "__post_init__", lambda *_: None)),
    Guard(name="no text in a repr", where="conversation.Message",
          remove=_set(Message, "__repr__", lambda self: self.content)),
    Guard(name="no provider's words in an error", where="cloud_errors.refused",
          remove=_set(egress_cases, "refused", _loud(cloud_errors.refused))),
    Guard(name="no exception's words in the log", where="defects.log_defect",
          remove=_set(defects, "log_defect", _loud_log)),
    Guard(name="a schema has no escapes", where="validation.config.checked_schema",
          remove=_set(checked_config, "checked_schema", lambda field, text: text)),
    Guard(name="masking: sure of type, place and text", where="masker._can_mask",
          remove=_wrapped(judge, "_can_mask", _always(True))),
    Guard(name="masking: only where nothing else refers to the place", where="places.Places.is_maskable",
          remove=_wrapped(places.Places, "is_maskable", _always(True))),
    Guard(name="masking: an altered thought is not sent signed", where="places.without_altered_thoughts",
          remove=_set(judge, "without_altered_thoughts", lambda masked, _: masked)),
    Guard(name="masking: no places that overlap", where="masker._overlaps",
          remove=_wrapped(judge, "_overlaps", _always(False))),
    Guard(name="masking: no bound on values", where="masker.MAX_VALUES",
          remove=_set(judge, "MAX_VALUES", 10**9)),
    Guard(name="masking: the value stands nowhere else", where="masker._remains_in",
          remove=_wrapped(judge, "_remains_in", _always(False))),
    Guard(name="masking: no value is found afterwards", where="masker._finds_more",
          remove=_wrapped(judge, "_finds_more", _always(False))),
    Guard(name="masking: no other finding loses its context", where="masker._is_still_found",
          remove=_wrapped(judge, "_is_still_found", _always(True))),
    Guard(name="masking: the answer can be restored", where="masker._is_restorable",
          remove=_wrapped(judge, "_is_restorable", _always(True))),
    Guard(name="masking: many values are a list", where="masker._with_many",
          remove=_set(judge, "_with_many", lambda class_, *_: class_)),
    Guard(name="masking: the hint and all else count again", where="masker.Masked",
          remove=_set(judge, "_with_many", lambda *_: PrivacyClass.PUBLIC)),
    Guard(name="masking: a value is of its request alone", where="unmask.UnmaskLayer",
          remove=_set(unmask, "Restorer", lambda *_, make=Restorer, **__: make(masking.FIRST_VALUES))),
    Guard(name="handoff: what is stored is encrypted", where="encryption.KeyRing.encrypt",
          remove=_set(encryption.KeyRing, "encrypt", lambda _, text, **__: text.encode())),
    Guard(name="handoff: a class above store_up_to is not stored", where="service._is_wanted",
          remove=_wrapped(service, "_is_wanted", _always(True))),
    Guard(name="handoff: a text decrypts with its associated data only", where="encryption.KeyRing.encrypt",
          remove=_unbind),
    Guard(name="sample: a class that is not named is not drawn from", where="selection.is_drawn_from",
          remove=_set(selection, "is_drawn_from", lambda *_: True)),
    Guard(name="sessions: the class of earlier turns counts", where="routing.choose",
          remove=_wrapped(routing, "choose", _without_session)),
    Guard(name="sessions: so does what a mask left of them", where="stickiness.class_as_masked",
          remove=_wrapped(routing, "class_as_masked", _without_masked_session)),
    Guard(name="sessions: no class falls where turns overlap", where="domain.session.joined",
          remove=_set(session_file, "joined", lambda _, later: later)),
    Guard(name="sessions: of several conversations the highest class", where="domain.session.joined",
          remove=_set(sessions, "joined", lambda _, state: state)),
    Guard(name="sessions: an id is a key", where="conversation_keys.of_id",
          remove=_set(ConversationKeys, "of_id", lambda *_: ())),
    Guard(name="sessions: an answer is a key", where="conversation_keys.of_answer",
          remove=_set(ConversationKeys, "of_answer", lambda *_: ())),
    Guard(name="sessions: a class is taken down before anything is sent", where="Sessions.note_decision",
          remove=_wrapped(sessions.Sessions, "note_decision", _unnoted)),
    Guard(name="sessions: what is lost is restricted", where="Sessions._lost",
          remove=_set(sessions.Sessions, "_lost", lambda *_: NEW_SESSION)),
    Guard(name="--air-gap reads the policy", where="air_gap.check_air_gap",
          remove=_wrapped(load, "check_air_gap", _always([]))),
    Guard(name="--air-gap takes digits only", where="air_gap.is_on_this_host",
          remove=_wrapped(air_gap, "is_on_this_host", _always(True))),
)  # fmt: skip


def woken() -> dict[str, str]:
    """Run every check; return those that fail, with what they say."""
    found = {}
    for name, check in CHECKS.items():
        try:
            said = check()
        except Exception as error:  # noqa: BLE001 - A mutant may break anything; that is seen, too.
            said = f"{type(error).__name__}"
        if said:
            found[name] = said
    return found
