"""The machine of the proof that nothing leaves: plays cases and looks wherever a word could come out."""

import asyncio
import contextlib
import io
import json
import logging
import sys
import traceback
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

import pytest
import structlog

from gateway.backends.base import Call
from gateway.backends.openai.chat_request import chat_body
from gateway.backends.openai.embeddings import embeddings_exchange
from gateway.backends.permit import permitted
from gateway.clock import Deadline
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer, Chunk, StreamEvent
from gateway.domain.capability import Capability
from gateway.domain.decision import Decision, EgressPermit
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.strings import strings_of
from gateway.errors import GatewayError, NotPermitted
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline import assessor
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.run import Pipeline
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import OpenAIModel, Policy, privacy_class
from gateway.privacy.detector import Detector
from gateway.privacy.scorer import DEFAULT_DETECTORS, scanned_strings
from gateway.server.grpc.error_status import status_of
from gateway.server.grpc.render import render_decision, render_explanation
from gateway.telemetry.logs import answer_fields, decision_fields
from gateway.testing.scripted import ScriptedBackend, Step
from tests.support.egress_cases import NAME, TEXT, VALUE, Case, Defect, Detour, FaultyDetector, step_of
from tests.support.pipeline_calls import context_of
from tests.support.virtual_time import LoopClock, VirtualLoop

_POLICY = """\
version: 1
models:
  edge:    {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud:   {kind: openai, model: a, clearance: CLEARED, price_per_million_usd: {input: 1, output: 1}}
  backup:  {kind: openai, model: b, clearance: CLEARED, price_per_million_usd: {input: 1, output: 1}}
  masking: {kind: openai, model: c, clearance: CLEARED, price_per_million_usd: {input: 1, output: 1},
            mask: [EMAIL, PHONE]}
  vectors: {kind: openai, model: d, clearance: CLEARED, price_per_million_usd: {input: 1, output: 0},
            embeds: {space: s, dimensions: 2}}
  near:    {kind: llama_cpp, path: near.gguf, clearance: restricted, embeds: {space: s, dimensions: 2}}
privacy: {unreadable: LEAST}
budgets: [{name: all, per: all, limit_usd: 100, window: day}]
rules:
  - {name: v, when: is_embedding, route: [vectors, near]}
  - {name: a, when: 'labels.path == "cloud-first"', route: [cloud, backup, edge]}
  - {name: b, when: 'labels.path == "edge-first"', route: [edge, cloud, backup]}
  - {name: c, when: 'labels.path == "masked-first"', route: [masking, cloud, edge]}
  - {name: d, route: [cloud]}
replies: [{id: sorry, text: x}]
"""


def _policy(clearance: str, *, unreadable: str = "public") -> Policy:
    return parse_policy(_POLICY.replace("CLEARED", clearance).replace("LEAST", unreadable), name="p")


POLICY = _policy("internal")
CLOSED_POLICY = _policy("internal", unreadable="restricted")
"""For what no detector reads; under the other one each string has to make the class by itself."""
OPEN_POLICY = _policy("restricted")
"""What takes its place in the middle of a request: every cloud model may see everything."""
BATCH = 25
"""Cases that share a gateway, so that breakers, pauses and first-token times carry over."""


class Wire(ScriptedBackend):
    """A cloud model up to the point where bytes would leave; they are recorded in its place."""

    def __init__(self, name: str, spec: OpenAIModel, bench: "EgressBench") -> None:
        super().__init__(name, bench.next_step, clock=bench.clock)
        self._spec = spec
        self._bench = bench

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Record what would be sent, then play the script."""
        permit = permitted(call, model=self.name, clearance=privacy_class(self._spec.clearance))
        body = self._body(permit, call)
        # Also what this kind of backend does not send: another one may.
        strings = [string.text for string in scanned_strings(permit.request)]
        self._bench.wire.append((self.name, json.dumps([body, strings], ensure_ascii=False)))
        async with aclosing(super().stream(call)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _body(self, permit: EgressPermit, call: Call) -> dict[str, object]:
        if self._spec.embeds is not None:
            return embeddings_exchange(self._spec, self._spec.embeds, permit, lambda _: None).body
        return chat_body(self.name, self._spec, permit, call.max_tokens, is_stream=True)


class EgressBench:
    """A gateway from scorer to backends, with every way out recorded; for one batch of cases."""

    def __init__(self, logs: io.StringIO) -> None:
        self.clock = LoopClock()
        self.wire: list[tuple[str, str]] = []
        self.said: list[str] = []
        """What callers are told: statuses, errors, decisions."""
        self.leaks: list[str] = []
        self.counts: Counter[str] = Counter()
        self._logs = logs
        self._case: Case | None = None
        self._calls: Counter[str] = Counter()
        models = POLICY.models
        backends = {
            name: Wire(name, spec, self)
            if isinstance(spec, OpenAIModel)
            else ScriptedBackend(name, self.next_step, clock=self.clock)
            for name, spec in models.items()
        }
        self._ledger = MemoryLedger(clock=self.clock)
        self._dispatcher = Dispatcher(backends=backends, ledger=self._ledger, clock=self.clock)
        self._budgets = SpendCache(self._ledger, clock=self.clock)

    def next_step(self, call: Call) -> Step:
        """Return what the case says that the model does now."""
        assert self._case is not None
        model = call.permit.model if call.permit is not None else "edge"
        steps = self._case.steps.get(model, ())
        number = self._calls[model]
        self._calls[model] += 1
        sent = " ".join(string.text for string in strings_of(call.request))
        return step_of(steps[number] if number < len(steps) else "answers", model, sent)

    def _pipeline(self, case: Case, policy: Policy) -> Pipeline:
        detour = Detour(self.clock)
        detectors: list[Detector] = list(DEFAULT_DETECTORS)
        if case.detector_fault is not None:
            index, fault = case.detector_fault
            detectors[index] = FaultyDetector(detectors[index].types, fault, detour)
        return Pipeline(
            policy=policy,
            assessor=PolicyAssessor(policy, Assessor(policy, clock=detour, detectors=detectors)),
            dispatcher=self._dispatcher,
            budgets=self._budgets,
            clock=self.clock,
        )

    async def play(self, case: Case) -> None:
        """Send the request of a case through the gateway, then look everywhere."""
        self._case = case
        self._calls.clear()
        self.wire.clear()
        self.said.clear()
        pipeline = self._pipeline(case, CLOSED_POLICY if case.is_unreadable else POLICY)
        decision = await pipeline.decide(
            case.request, pipeline.deadline(Deadline.after(case.timeout_s, self.clock))
        )
        self.said += [
            str(render_explanation(decision)),
            json.dumps(decision_fields(decision)),
            repr(decision),
        ]
        if case.is_swapped:
            pipeline.policy = OPEN_POLICY
        for _ in range(2 if case.is_replayed else 1):
            await self._dispatch(case, pipeline, decision)
        self._look(case, decision)
        self._logs.seek(0)
        self._logs.truncate()

    async def _dispatch(self, case: Case, pipeline: Pipeline, decision: Decision) -> None:
        task = asyncio.ensure_future(self._answer(case, pipeline, decision))
        if case.cancel_after_s is not None:
            asyncio.get_running_loop().call_later(case.cancel_after_s, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            self.counts["cancelled"] += 1
        except GatewayError as error:
            self.counts["ended with an error"] += 1
            self.said += [str(error), repr(error), "".join(traceback.format_exception(error))]
            self.said.append(str(status_of(error, request_id="", attempts=error.attempts)))
        except NotPermitted as error:
            self.said += [str(error), repr(error)]
            if not case.is_swapped:
                self.leaks.append(f"permit: a second guard had to stop it ({error})")
            self.counts["stopped under another policy"] += 1
        except Defect:
            self.counts["ended with a defect"] += 1
        else:
            if case.is_swapped:
                self.leaks.append("policy: a decision was carried out under another policy")

    async def _answer(self, case: Case, pipeline: Pipeline, decision: Decision) -> None:
        deadline = pipeline.deadline(Deadline.after(case.timeout_s, self.clock))
        context = context_of(case.request, deadline, clock=self.clock)
        delivery = Delivery.PIECES if case.is_streamed else Delivery.WHOLE
        async with aclosing(pipeline._dispatch(case.request, decision, context, delivery)) as events:
            async for event in events:
                self._note(event)

    def _note(self, event: StreamEvent) -> None:
        if isinstance(event, Answer):
            self.counts["canned" if event.degraded else f"answered by {event.model}"] += 1
            self.said += [repr(event), json.dumps(answer_fields(event))]

    def _look(self, case: Case, decision: Decision) -> None:
        kind = "private" if case.is_private else "public"
        self.counts[f"{kind} requests"] += 1
        self.counts[f"{kind} calls at providers"] += len(self.wire)
        self.counts["requests that went masked"] += bool(decision.masked) and bool(self.wire)
        if case.is_private and decision.privacy_class < PrivacyClass.CONFIDENTIAL:
            self.leaks.append(f"class: private, and judged {decision.privacy_class.name}")
        for model, body in self.wire:
            is_masked = case.may_mask and model == "masking"
            self._search(f"provider {model}", body, (NAME,))
            if case.is_private:
                self._search(f"provider {model}", body, (VALUE, *case.data, *(() if is_masked else (TEXT,))))
        words = (TEXT, VALUE, *case.data)
        self._search("log", self._logs.getvalue(), (*words, NAME))
        self._search("caller", "\n".join(self.said), words)
        self._search("repr", repr(case.request), words)
        self.said.append(str(render_decision(decision)))

    def _search(self, where: str, text: str, words: Iterable[str]) -> None:
        found = [word for word in words if word in text]
        if found:
            self.counts[f"canary bytes: {where}"] += sum(len(word) for word in found)
            self.leaks.append(f"{where}: {len(found)} canaries")


@contextlib.contextmanager
def captured_logs() -> Iterator[io.StringIO]:
    """Send every event of structlog and of logging, of any level, to a buffer while the block runs."""
    buffer = io.StringIO()
    handler = logging.StreamHandler(buffer)
    root = logging.getLogger()
    level, config = root.level, structlog.get_config()
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("gateway") and hasattr(module, "_log")
    ]
    loggers = [vars(module)["_log"] for module in modules]
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.PrintLoggerFactory(buffer),
        cache_logger_on_first_use=False,
    )
    for module in modules:
        vars(module)["_log"] = structlog.get_logger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield buffer
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.configure(**config)
        for module, logger in zip(modules, loggers, strict=True):
            vars(module)["_log"] = logger


def _needs_of(request: Request) -> tuple[Capability, ...]:
    """Let every model do everything, so that the class alone keeps a request home."""
    return () if request.embedding is None else (Capability.EMBEDDINGS,)


def play(cases: Iterable[Case]) -> tuple[Counter[str], list[str]]:
    """Play cases, some at a time on one gateway; return what happened how often, and every leak."""
    counts: Counter[str] = Counter()
    leaks: list[str] = []
    waiting = iter(cases)
    with captured_logs() as logs, pytest.MonkeyPatch.context() as patch:
        patch.setattr(assessor, "needs_of", _needs_of)
        while batch := [case for _, case in zip(range(BATCH), waiting, strict=False)]:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                bench = runner.run(_play_batch(batch, logs))
            counts += bench.counts
            counts["cases"] += len(batch)
            leaks += bench.leaks
    return counts, leaks


async def _play_batch(batch: Iterable[Case], logs: io.StringIO) -> EgressBench:
    bench = EgressBench(logs)
    for case in batch:
        await bench.play(case)
    return bench
