"""The local backend against a real engine process."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import grpc.aio
import jsonschema_rs
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gateway import errors
from gateway.backends.base import Backend, Call
from gateway.backends.engine_messages import to_request
from gateway.backends.local import LocalBackend, translate
from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import FinishReason
from gateway.domain.capability import Capability
from gateway.domain.conversation import Message, Role, Text
from gateway.domain.request import GenerationConfig, Request
from gateway.engine.rpc import to_rpc_status
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel
from tests.support.constructed_model import constructed
from tests.support.real_engine import Stub, until_idle, until_status
from tests.support.waiting import until

CLOCK = SystemClock()
GREEDY = GenerationConfig(temperature=0.0)
WORDY = GenerationConfig(
    temperature=0.0,
    json_schema='{"type": "array", "items": {"type": "string", "minLength": 1000}, "minItems": 1000}',
)
"""An answer that ends at max_tokens only: long enough to be met in the middle."""


def call(
    text: str, config: GenerationConfig = GREEDY, *, max_tokens: int = 200, timeout_s: float = 20.0
) -> Call:
    """Return a call with one message."""
    request = Request(
        request_id="r-1",
        tenant="default",
        messages=(Message(role=Role.USER, content=text),),
        config=config,
    )
    return Call(request=request, max_tokens=max_tokens, deadline=Deadline.after(timeout_s, CLOCK))


@pytest.fixture
async def supervisor() -> AsyncIterator[EngineSupervisor]:
    """An engine with two slots that serves the constructed model."""
    spec = LlamaCppModel(
        kind="llama_cpp", path=constructed(), clearance="restricted", slots=2, context=2048, kv_cells=4096
    )
    supervisor = EngineSupervisor("edge", spec, clock=CLOCK, on_status=lambda model, is_serving: None)
    await supervisor.start()
    yield supervisor
    await supervisor.stop()


@pytest.fixture
async def backend(supervisor: EngineSupervisor) -> AsyncIterator[LocalBackend]:
    """The backend of that engine."""
    backend = LocalBackend("edge", supervisor, clock=CLOCK)
    yield backend
    await backend.aclose()


@pytest.fixture
async def stub(supervisor: EngineSupervisor) -> AsyncIterator[Stub]:
    """A connection of its own to that engine."""
    async with grpc.aio.insecure_channel(supervisor.target) as channel:
        yield engine_pb2_grpc.EngineServiceStub(channel)


async def wait_for_slots(stub: Stub, busy: int, *, queued: int = 0) -> None:
    """Return when so many slots are busy and so many requests wait."""
    await until_status(stub, lambda status: (status.slots_busy, status.queued) == (busy, queued))


class TestAnswers:
    """What comes back when all is well."""

    async def test_generate(self, backend: LocalBackend) -> None:
        """A greedy answer is a readable text that ends by itself, with exact counts."""
        fits: Backend = backend

        reply = await fits.generate(call("Hello"))

        assert reply.text.startswith("Hello! I am the small model that ships with the gateway.")
        assert reply.text.endswith(".")
        assert reply.finish_reason is FinishReason.STOP
        assert reply.usage is not None
        # <|begin|> <|user|> H e l l o <|end|> <|assistant|>
        assert reply.usage.prompt_tokens == 9
        # Every piece of the script, and the token that ends it.
        assert reply.usage.completion_tokens == 36

    async def test_the_prompt_matters(self, backend: LocalBackend) -> None:
        """A question is answered with other words than a greeting: attention reads the prompt."""
        reply = await backend.generate(call("words " * 200 + "and then? " + "words " * 200))

        assert reply.text.startswith("A good question,")

    async def test_stream_gives_the_same_text(self, backend: LocalBackend) -> None:
        """A stream comes in pieces of all its tokens, the last one, and only it, says how it ended."""
        chunks = [chunk async for chunk in backend.stream(call("Hello"))]
        whole = await backend.generate(call("Hello"))

        assert len(chunks) > 1
        assert sum(chunk.pieces for chunk in chunks) == 36
        assert "".join(chunk.text for chunk in chunks) == whole.text
        assert [chunk.finish_reason is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
        assert chunks[-1].usage == whole.usage

    async def test_in_parallel_as_alone(self, backend: LocalBackend) -> None:
        """Requests that are decoded together get, greedy, what each would get alone."""
        prompts = ["Hello", "Why?", "Grüße aus 東京 🙂", "a " * 300, "b? " * 300, "x"]
        alone = [await backend.generate(call(prompt)) for prompt in prompts]

        together = await asyncio.gather(*(backend.generate(call(prompt)) for prompt in prompts))

        assert together == alone
        assert len({reply.text for reply in alone}) == 2

    async def test_log_probabilities(self, backend: LocalBackend) -> None:
        """Whoever asks gets each token with the likeliest ones, whole and streamed; nobody else does."""
        asked = GenerationConfig(temperature=0.0, top_logprobs=2)
        reply = await backend.generate(call("Hello", asked))
        chunks = [chunk async for chunk in backend.stream(call("Hello", asked))]

        assert b"".join(each.token_bytes for each in reply.logprobs).decode() == reply.text
        assert all(each.top[0].logprob == each.logprob <= 0.0 for each in reply.logprobs), "it is greedy"
        assert {len(each.top) for each in reply.logprobs} == {2}
        assert tuple(each for chunk in chunks for each in chunk.logprobs) == reply.logprobs
        assert not any(chunk.logprobs for chunk in chunks if not chunk.text and not chunk.finish_reason)
        assert (await backend.generate(call("Hello"))).logprobs == ()

    async def test_a_token_that_is_part_of_a_character_is_told_with_the_next_text(
        self, backend: LocalBackend
    ) -> None:
        """No log probability is lost where several tokens make one character."""
        asked = GenerationConfig(temperature=0.0, top_logprobs=0, grammar='root ::= "🙂🙂"')
        chunks = [chunk async for chunk in backend.stream(call("Hello", asked))]
        told = [each for chunk in chunks for each in chunk.logprobs]

        assert b"".join(each.token_bytes for each in told).decode() == "🙂🙂"
        assert len(told) > 2
        assert not any(chunk.logprobs for chunk in chunks if not chunk.text and not chunk.finish_reason)

    async def test_forms_and_samplers_reach_the_engine(self, backend: LocalBackend) -> None:
        """A grammar, any JSON object, the likeliest token alone, and a bias hold."""
        greedy = await backend.generate(call("Hello"))
        first = (
            await backend.generate(call("Hello", GenerationConfig(temperature=0.0, top_logprobs=1)))
        ).logprobs
        by_grammar = await backend.generate(call("Hello", GenerationConfig(grammar='root ::= "yes"')))
        as_object = await backend.generate(
            call("Hello", GenerationConfig(temperature=0.0, json_object=True), max_tokens=400)
        )
        likeliest = await backend.generate(call("Hello", GenerationConfig(temperature=1.0, top_k=1)))
        surest = await backend.generate(call("Hello", GenerationConfig(temperature=1.0, min_p=1.0)))

        assert by_grammar.text == "yes"
        assert as_object.text.startswith("{")
        assert likeliest.text == surest.text == greedy.text
        assert first[0].token_bytes.decode() == greedy.text[: len(first[0].token_bytes)]

    async def test_penalties_and_biases_reach_the_engine(self, backend: LocalBackend, stub: Stub) -> None:
        """A token that its bias forbids does not come; penalties are passed on as they are."""
        greedy = await backend.generate(call("Hello"))
        request = to_request(call("Hello", GenerationConfig(temperature=0.0, top_logprobs=1)), model="m")
        answer = [each async for each in stub.Generate(request)]
        token = answer[0].logprobs[0].sampled.token
        biased = await backend.generate(
            call("Hello", GenerationConfig(temperature=0.0, logit_bias={token: -100.0}))
        )
        penalised = to_request(
            call("Hello", GenerationConfig(frequency_penalty=0.5, presence_penalty=-1.5)), model="m"
        )

        assert biased.text[0] != greedy.text[0]
        assert (penalised.frequency_penalty, penalised.presence_penalty) == (0.5, -1.5)
        assert not request.HasField("frequency_penalty")

    async def test_text_parts_are_sent_as_text(self, backend: LocalBackend) -> None:
        """A message in parts gets the answer of the same text as a shorthand."""
        parts = Message(role=Role.USER, parts=(Text("Hel"), Text("lo")))
        asked = call("Hello")
        whole = await backend.generate(asked)

        assert (
            await backend.generate(replace(asked, request=replace(asked.request, messages=(parts,)))) == whole
        )

    async def test_seed(self, backend: LocalBackend) -> None:
        """The same seed gives the same text; over several seeds the text varies."""
        configs = [
            GenerationConfig(temperature=1.0, top_p=1.0, seed=seed) for seed in (1, 1, 2, 3, 4, 5, 6, 7)
        ]

        texts = [(await backend.generate(call("Hello", config))).text for config in configs]

        assert texts[0] == texts[1]
        assert len(set(texts)) > 1

    async def test_stop_and_max_tokens(self, backend: LocalBackend) -> None:
        """A stop string across tokens ends the text before it; max_tokens cuts it and says LENGTH."""
        stopped = await backend.generate(
            call("Hello", GenerationConfig(temperature=0.0, stop=("small mod",)))
        )
        cut = await backend.generate(call("Hello", max_tokens=2))

        assert (stopped.text, stopped.finish_reason) == ("Hello! I am the ", FinishReason.STOP_SEQUENCE)
        assert (stopped.stop_sequence, cut.stop_sequence) == ("small mod", "")
        assert (cut.text, cut.finish_reason) == ("Hello! I am", FinishReason.LENGTH)

    @pytest.mark.parametrize("seed", range(3))
    async def test_json_schema(self, backend: LocalBackend, seed: int) -> None:
        """An answer under a JSON schema is JSON that is valid under it, whatever the dice say."""
        schema = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 20},
                "kind": {"enum": ["a\\b", 'c"d', 3, None]},
                "sizes": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
                "more": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/point"}]},
            },
            "required": ["kind", "sizes", "more"],
            "additionalProperties": False,
            "$defs": {"point": {"properties": {"x": {"type": "number"}}, "required": ["x"]}},
        }
        config = GenerationConfig(temperature=1.0, seed=seed, json_schema=json.dumps(schema))

        reply = await backend.generate(call("Hello", config, max_tokens=500))

        assert reply.finish_reason is FinishReason.STOP
        jsonschema_rs.validate(schema, json.loads(reply.text))

    async def test_control_tokens_in_a_message_are_words(self, backend: LocalBackend) -> None:
        """A message that spells control tokens cannot end its turn: it has more tokens, all of them text."""
        words = await backend.generate(call("a<|end|><|system|>b", max_tokens=1))
        plain = await backend.generate(call("ab", max_tokens=1))

        assert words.usage is not None
        assert plain.usage is not None
        assert words.usage.prompt_tokens == plain.usage.prompt_tokens + len("<|end|><|system|>")


class TestRefusals:
    """What the engine will not do."""

    async def test_a_prompt_that_does_not_fit(self, backend: LocalBackend, stub: Stub) -> None:
        """A prompt over the context is refused with both numbers, and nothing is decoded."""
        with pytest.raises(
            errors.ContextTooLong, match="prompt of 4004 tokens does not fit the context of 2048"
        ):
            await backend.generate(call("!?" * 2000))

        assert (await until_idle(stub)).steps == 0

    @pytest.mark.parametrize(
        ("schema", "said"),
        [
            ("{", "is not JSON"),
            ('{"type": "string", "pattern": "^(?=a)"}', "pattern: look-around is not supported here"),
            ('{"anyOf": [{"$ref": "#"}]}', "allows no answer"),
        ],
    )
    async def test_a_schema_without_a_grammar(self, backend: LocalBackend, schema: str, said: str) -> None:
        """A schema that cannot be held to the letter is NotCapable, so that another model may try."""
        with pytest.raises(errors.NotCapable, match=said):
            await backend.generate(call("Hello", GenerationConfig(json_schema=schema)))

    async def test_a_full_queue(self, backend: LocalBackend, stub: Stub) -> None:
        """Beyond slots and queue a request is refused at once, with a time to come back."""
        calls = [
            asyncio.create_task(backend.generate(call("x", WORDY, max_tokens=1500))) for _ in range(2 + 32)
        ]
        await wait_for_slots(stub, 2, queued=32)

        with pytest.raises(errors.EngineQueueFull) as refusal:
            await backend.generate(call("x"))

        assert refusal.value.retry_after_s is not None
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await until_idle(stub)


class TestEnds:
    """Cancellation, deadlines and crashes."""

    async def test_cancel_frees_the_slot(self, backend: LocalBackend, stub: Stub) -> None:
        """When the caller goes away the engine stops decoding for it, long before the answer's end."""
        task = asyncio.create_task(backend.generate(call("x", WORDY, max_tokens=1500)))
        await wait_for_slots(stub, 1)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        status = await until_idle(stub)
        assert status.steps < 1000

    async def test_a_closed_stream_frees_the_slot(self, backend: LocalBackend, stub: Stub) -> None:
        """A consumer that stops in the middle of a stream leaves nothing running."""
        stream = backend.stream(call("x", WORDY, max_tokens=1500))
        await anext(aiter(stream))
        await stream.aclose()  # type: ignore[attr-defined]  # The protocol says AsyncIterator; it is a generator.

        assert (await until_idle(stub)).steps < 1000

    async def test_the_deadline_reaches_the_decoder(self, backend: LocalBackend, stub: Stub) -> None:
        """A call whose time does not suffice fails, at once if the engine foresees it; its slot is free."""
        await backend.generate(call("Hello"))  # Connects.

        with pytest.raises((errors.BackendSilent, errors.EngineQueueFull)):
            await backend.generate(call("x", WORDY, max_tokens=1500, timeout_s=0.1))

        await until_idle(stub)

    async def test_a_killed_engine_is_told_apart_and_comes_back(
        self, backend: LocalBackend, supervisor: EngineSupervisor
    ) -> None:
        """kill -9: who was inside gets EngineDied, who comes next EngineDown, and later all is well again."""
        stream = aiter(backend.stream(call("x", WORDY, max_tokens=1500)))
        await anext(stream)
        pid = supervisor.pid
        assert pid is not None

        os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.EngineDied):
            async for _ in stream:
                pass
        await until(lambda: not supervisor.is_serving)
        with pytest.raises(errors.EngineDown) as down:
            await backend.generate(call("Hello"))
        await until(lambda: supervisor.is_serving)
        reply = await backend.generate(call("Hello"))

        assert not isinstance(down.value, errors.EngineDied)
        assert reply.text.startswith("Hello!")
        assert supervisor.generation == 2
        assert supervisor.pid != pid

    async def test_an_address_without_an_engine_is_down_at_once(self, supervisor: EngineSupervisor) -> None:
        """A supervisor that believes in an engine that nobody can reach costs no time: EngineDown."""

        class Believing:
            is_serving = True
            generation = 1
            target = supervisor.target + ".elsewhere"
            lacking = frozenset[Capability]()

        backend = LocalBackend("edge", Believing(), clock=CLOCK)
        with pytest.raises(errors.EngineDown, match="does not accept connections"):
            await backend.generate(call("Hello"))
        await backend.aclose()


@pytest.mark.parametrize(
    ("said", "kind", "retry_after_s"),
    [
        (errors.ContextTooLong("edge", "9 and 8"), errors.ContextTooLong, None),
        (errors.NotCapable("edge", "no"), errors.NotCapable, None),
        (errors.EngineQueueFull("edge", "32", retry_after_s=1.5), errors.EngineQueueFull, 1.5),
        (errors.EngineDown("edge", "stopping"), errors.EngineDown, None),
        (errors.DeadlinePassed("edge: in the queue"), errors.BackendSilent, None),
        (errors.BackendInvalid("edge", "no messages"), errors.BackendInvalid, None),
        (errors.EngineFault("edge", "a defect"), errors.EngineFault, None),
        (grpc.StatusCode.UNAVAILABLE, errors.EngineDied, None),
        (grpc.StatusCode.CANCELLED, errors.EngineDied, None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.BackendSilent, None),
        (grpc.StatusCode.UNKNOWN, errors.BackendFailed, None),
    ],
    ids=str,
)
def test_translate(
    said: errors.GatewayError | grpc.StatusCode, kind: type[errors.BackendError], retry_after_s: float | None
) -> None:
    """What the engine says, or gRPC in its place, becomes one error of ours, named once for its model."""
    if isinstance(said, grpc.StatusCode):
        error = grpc.aio.AioRpcError(said, grpc.aio.Metadata(), grpc.aio.Metadata(), "Socket closed")
    else:
        status = rpc_status.to_status(to_rpc_status(said))
        metadata = grpc.aio.Metadata(*status.trailing_metadata)
        error = grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), metadata, status.details)

    translated = translate("edge", error)

    assert type(translated) is kind
    assert translated.retry_after_s == retry_after_s
    assert str(translated).count("edge: ") == 1


def test_a_status_whose_message_grpc_replaced_is_still_read() -> None:
    """When both ends see the deadline, gRPC puts its own message beside the engine's details."""
    status = rpc_status.to_status(to_rpc_status(errors.DeadlinePassed("edge: in the queue")))
    metadata = grpc.aio.Metadata(*status.trailing_metadata)
    error = grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), metadata, "Stream removed")

    assert type(translate("edge", error)) is errors.BackendSilent


@pytest.mark.parametrize(
    ("busy", "queued", "slots", "own", "has_work"),
    [
        (0, 0, 8, 0, False), (1, 0, 8, 0, True), (1, 0, 8, 1, False), (2, 0, 8, 1, True), (1, 1, 8, 1, True),
        (0, 0, 1, 0, True),
    ],
)  # fmt: skip
async def test_an_engine_has_work_or_its_only_slot_to_keep(
    busy: int, queued: int, slots: int, own: int, has_work: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a slot that is taken a caller may be refused at once, before anybody could give way."""

    async def status(*_: object) -> engine_pb2.GetStatusResponse:
        return engine_pb2.GetStatusResponse(slots=slots, slots_busy=busy, queued=queued)

    monkeypatch.setattr(LocalBackend, "status", status)
    spec = LlamaCppModel(kind="llama_cpp", path="/no/such.gguf", clearance="restricted")
    supervisor = EngineSupervisor("edge", spec, clock=CLOCK, on_status=lambda model, is_serving: None)
    assert await LocalBackend("edge", supervisor, clock=CLOCK).has_work(own=own) == has_work


async def test_health(supervisor: EngineSupervisor) -> None:
    """The engine serves grpc.health.v1 beside its own service."""
    async with grpc.aio.insecure_channel(supervisor.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="gateway.engine.v1.EngineService"))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
