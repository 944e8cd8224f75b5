"""The scheduler on llama.cpp with a model: what no script can show."""

import asyncio
import math
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import gguf
import grpc
import grpc.aio
import pytest
from structlog.testing import capture_logs

from gateway.backends.base import QueueForecast
from gateway.backends.local import LocalBackend
from gateway.clock import SystemClock
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from tests.support.constructed_model import constructed
from tests.support.real_engine import Stub, ask, request, running, spec, text_of, until_idle
from tests.support.waiting import until

WORDS = ("why?", "hello", "the time", "Grüße", "a list", "東京", "more words", "and then?", "stop")


@pytest.fixture
async def engine() -> AsyncIterator[tuple[EngineSupervisor, Stub]]:
    """An engine with four slots."""
    async with running(spec()) as found:
        yield found


@pytest.fixture
def supervisor(engine: tuple[EngineSupervisor, Stub]) -> EngineSupervisor:
    """Its supervisor."""
    return engine[0]


@pytest.fixture
def stub(engine: tuple[EngineSupervisor, Stub]) -> Stub:
    """A connection to it."""
    return engine[1]


def vocabulary_size() -> int:
    """Return how many tokens the constructed model has."""
    reader = gguf.GGUFReader(constructed())
    return len(reader.fields["tokenizer.ggml.tokens"].data)


async def test_200_random_requests_in_random_interleavings(stub: Stub) -> None:
    """Whatever they are decoded with, and whatever of their prompt was in memory: as alone, greedily."""
    dice = random.Random(5)
    asked = [(" ".join(dice.choices(WORDS, k=dice.randint(1, 60))), dice.randint(1, 40)) for _ in range(200)]
    alone = {each: text_of(await ask(stub, request(each[0], max_tokens=each[1]))) for each in set(asked)}

    async def one(each: tuple[str, int]) -> str:
        await asyncio.sleep(dice.uniform(0.0, 2.0))
        while True:
            try:
                return text_of(await ask(stub, request(each[0], max_tokens=each[1])))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(0.05)

    together = await asyncio.gather(*(one(each) for each in asked))

    assert list(together) == [alone[each] for each in asked]
    status = await until_idle(stub)
    assert status.prompt_tokens_reused > 0


async def test_a_seed_gives_the_same_answer_in_company(stub: Stub) -> None:
    """The same dice fall in whatever company: forty seeded answers together are what each is alone."""
    wanted = [
        request(text, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=seed, max_tokens=30)
        for seed in range(20)
        for text in ("Hello", "Tell me more")
    ]
    alone = [text_of(await ask(stub, each)) for each in wanted]

    together = await asyncio.gather(*(ask(stub, each) for each in wanted[:20]))
    together += await asyncio.gather(*(ask(stub, each) for each in wanted[20:]))

    assert [text_of(each) for each in together] == alone
    assert len(set(alone)) > 3


async def test_1000_random_cancels_lose_no_cell(stub: Stub) -> None:
    """After a thousand cancels in any phase the cache is empty, and a greedy answer is as before."""
    dice = random.Random(7)
    fresh = text_of(await ask(stub, request("Why?")))

    async def cancelled() -> None:
        call = stub.Generate(request(" ".join(dice.choices(WORDS, k=dice.randint(1, 300))), max_tokens=500))
        await asyncio.sleep(dice.expovariate(50.0))
        call.cancel()
        await asyncio.gather(call.wait_for_connection(), return_exceptions=True)

    for _ in range(50):
        await asyncio.gather(*(cancelled() for _ in range(20)))

    await until_idle(stub)
    assert text_of(await ask(stub, request("Why?"))) == fresh


async def test_a_prefix_is_read_once(stub: Stub) -> None:
    """The second request with the same beginning decodes only the rest of it; another tenant's, all."""
    system = "the " * 500
    first = await ask(stub, request(f"{system}one"))
    second = await ask(stub, request(f"{system}two"))
    other = await ask(stub, request(f"{system}two", tenant="somebody else"))

    assert first[-1].finished.reused_tokens == 0
    assert second[-1].finished.reused_tokens > 500
    assert other[-1].finished.reused_tokens == 0
    assert text_of(second) == text_of(other)


class TestSampling:
    """What a caller of the engine may ask for beyond the public contract."""

    async def test_logprobs(self, stub: Stub) -> None:
        """Each token comes with its log-probability, the margin of the first, and the likeliest ones."""
        responses = await ask(stub, request("Hello", logprobs=3))

        reported = [each for response in responses for each in response.logprobs]
        assert len(reported) == responses[-1].finished.completion_tokens
        assert b"".join(each.sampled.piece for each in reported).decode() == text_of(responses)
        for each in reported:
            assert len(each.likeliest) == 3
            assert each.likeliest[0].token == each.sampled.token
            assert each.margin == pytest.approx(each.likeliest[0].logprob - each.likeliest[1].logprob)
            assert each.sampled.logprob < 0.0

    async def test_logprobs_of_the_first_tokens(self, stub: Stub) -> None:
        """Who asks for a report on so many tokens gets that, with an entropy, and the same answer."""
        whole = await ask(stub, request("Hello", logprobs=0))
        first = await ask(stub, request("Hello", logprobs=0, logprob_tokens=3))

        reported = [each for response in first for each in response.logprobs]
        assert len(reported) == 3
        assert reported == [each for response in whole for each in response.logprobs][:3]
        assert all(0.0 <= each.entropy <= math.log(10_000) for each in reported)
        assert first[0].prompt_tokens == first[-1].finished.prompt_tokens
        assert text_of(first) == text_of(whole)

    async def test_no_logprobs_unless_asked(self, stub: Stub) -> None:
        """Who asks for none gets none."""
        assert not any(response.logprobs for response in await ask(stub, request("Hello")))

    async def test_logit_bias(self, stub: Stub) -> None:
        """A token that is biased away is not sampled."""
        first = (await ask(stub, request("Hello", logprobs=1)))[0].logprobs[0].sampled
        banned = await ask(stub, request("Hello", logprobs=1, logit_bias={first.token: -100.0}))

        assert banned[0].logprobs[0].sampled.token != first.token

    async def test_a_presence_penalty_forbids_what_was_said(self, stub: Stub) -> None:
        """With a large penalty no token of an answer comes twice."""
        responses = await ask(stub, request("Hello", logprobs=1, presence_penalty=100.0, max_tokens=30))

        tokens = [each.sampled.token for response in responses for each in response.logprobs]
        assert len(set(tokens)) == len(tokens)

    @pytest.mark.parametrize("field", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 0.0}])
    async def test_a_cut_to_one_token_is_greedy(self, stub: Stub, field: dict[str, Any]) -> None:
        """top-k of one, and min-p or top-p at its end, leave the likeliest token at any temperature."""
        greedy = text_of(await ask(stub, request("Hello")))

        assert text_of(await ask(stub, request("Hello", temperature=2.0, **field))) == greedy

    async def test_grammar(self, stub: Stub) -> None:
        """An answer follows a grammar of the caller's."""
        grammar = 'root ::= "yes" | "no" more\nmore ::= "!" "!"'
        text = text_of(await ask(stub, request("Hello", grammar=grammar)))

        assert text in {"yes", "no!!"}

    async def test_control_tokens_are_no_part_of_an_answer_under_a_grammar(self, stub: Stub) -> None:
        """llama.cpp reads their names as text of the answer, where nobody sees it: they are not sampled."""
        wide: dict[str, Any] = {"temperature": 100.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        for seed in range(10):
            wanted = request("Hello", grammar="root ::= [a-z<|>]{40}", seed=seed, **wide)
            assert len(text_of(await ask(stub, wanted))) == 40

    async def test_grammar_with_dice_is_reproducible(self, stub: Stub) -> None:
        """A seed gives the same answer under a grammar, too."""
        wanted = request("Hello", grammar="root ::= [a-z]{20}", temperature=1.5, seed=3, top_k=0)

        texts = {text_of(await ask(stub, wanted)) for _ in range(2)}

        assert len(texts) == 1
        assert texts.pop().isalpha()

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"grammar": "root ::= " + "(" * 40 + '"a"' + ")" * 40}, "grammar: is nested deeper than 32"),
            ({"grammar": 'root ::= "' + "a" * 70_000 + '"'}, "grammar: is longer than 65536 bytes"),
            ({"grammar": "root ::= root"}, "config.grammar: allows no answer"),
            (
                {"grammar": 'root ::= "a"', "json_schema": "{}"},
                "grammar: must not be set together with json_schema",
            ),
            ({"top_k": -1}, "top_k: must be from 0"),
            ({"temperature": float("nan")}, "temperature: must be from 0"),
            ({"logprobs": 21}, "logprobs: must be from 0 to 20"),
            ({"logit_bias": {1_000_000: 1.0}}, "logit_bias: tokens must be from 0 to"),
            ({"logit_bias": {1: float("nan")}}, "logit_bias: values must be at most 1e+06"),
            ({"logit_bias": {1: float("inf")}}, "logit_bias: values must be at most 1e+06"),
        ],
    )
    async def test_refused(self, stub: Stub, fields: dict[str, Any], said: str) -> None:
        """What cannot be done is refused with the field, and none of its text."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(stub, request("Hello", **fields))

        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in (refusal.value.details() or "")

    @pytest.mark.parametrize("temperature", [0.0, 1.0])
    @pytest.mark.parametrize("grammar", ['root ::= "a"', None])
    async def test_no_token_is_left(
        self, supervisor: EngineSupervisor, stub: Stub, grammar: str | None, temperature: float
    ) -> None:
        """Biases that forbid all that a grammar allows, or everything, end their request, not the engine.

        llama.cpp would abort when it is told of a token that the grammar does not allow.
        """
        forbidden = [await self.token_of(stub, "a")] if grammar else range(vocabulary_size())
        wanted = request(
            "Hello",
            temperature=temperature,
            grammar=grammar,
            logit_bias=dict.fromkeys(forbidden, float("-inf")),
        )

        with pytest.raises(grpc.aio.AioRpcError, match="allows no further token"):
            await ask(stub, wanted)

        assert text_of(await ask(stub, request("Hello"))).startswith("Hello!")
        assert supervisor.generation == 1

    async def token_of(self, stub: Stub, text: str) -> int:
        """Return the token that a text is."""
        (response,) = await ask(stub, request("x", grammar=f'root ::= "{text}"', max_tokens=1, logprobs=0))
        return response.logprobs[0].sampled.token

    @pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e-30])
    async def test_next_to_no_temperature_is_greedy(self, stub: Stub, temperature: float) -> None:
        """A temperature that would take logits out of the range of a float takes the likeliest token."""
        greedy = text_of(await ask(stub, request("Hello")))

        assert text_of(await ask(stub, request("Hello", temperature=temperature))) == greedy

    async def test_deltas_are_whole_characters(self, stub: Stub) -> None:
        """Under dice that pick single bytes, every delta is valid text and they add up."""
        responses = await ask(stub, request("Hello", temperature=50.0, seed=1, top_k=0, top_p=1.0, min_p=0.0))

        assert len(responses) > 1
        assert all(response.text.encode().decode() == response.text for response in responses)


async def test_the_numbers_of_an_engine(stub: Stub) -> None:
    """What was asked, sampled and reused is counted, and each histogram holds one value for each request."""
    for _ in range(3):
        await ask(stub, request("Hello there", max_tokens=5))
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(stub, request("!?" * 2000))
    status = await until_idle(stub)

    assert status.requests == {"LENGTH": 3, "CONTEXT_LENGTH_EXCEEDED": 1}
    assert status.completion_tokens == 15
    assert (
        sum(status.first_token_s.counts) == sum(status.per_token_s.counts) == sum(status.queue_s.counts) == 3
    )
    assert sum(status.batch_sequences.counts) == status.steps
    assert 0.0 < status.decode_s <= status.step_s
    assert status.prompt_tokens_reused == 2 * (status.prompt_tokens - 3)
    assert status.token_s > 0.0


@pytest.mark.parametrize(
    ("number", "status", "cause"),
    [
        (signal.SIGKILL, -signal.SIGKILL, None),
        (signal.SIGABRT, -signal.SIGABRT, None),
        (signal.SIGSEGV, -signal.SIGSEGV, None),
        (signal.SIGSTOP, -signal.SIGKILL, "no step for 1 s"),
    ],
    ids=["kill -9", "an assertion", "a wild pointer", "a hang"],
)
async def test_every_way_to_die_is_noticed_and_healed(number: int, status: int, cause: str | None) -> None:
    """The call inside ends with UNAVAILABLE, the cause is logged, and the next engine answers."""
    supervisor = EngineSupervisor(
        "edge", spec(watchdog_s=1.0), clock=SystemClock(), on_status=lambda *_: None
    )
    with capture_logs() as logs:
        await supervisor.start()
        try:
            async with grpc.aio.insecure_channel(supervisor.target) as channel:
                stub = engine_pb2_grpc.EngineServiceStub(channel)
                call = aiter(stub.Generate(request("Hello", max_tokens=1900, grammar="root ::= [a-z]{1900}")))
                await anext(call)
                pid = supervisor.pid
                assert pid is not None
                os.kill(pid, number)
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    async for _ in call:
                        pass
            await until(lambda: supervisor.generation == 2 and supervisor.is_serving)
            async with grpc.aio.insecure_channel(supervisor.target) as channel:
                answer = await ask(engine_pb2_grpc.EngineServiceStub(channel), request("Hello"))
        finally:
            await supervisor.stop()

    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert text_of(answer).startswith("Hello!")
    (exited,) = [entry for entry in logs if entry["event"] == "engine.exited"]
    assert (exited["status"], exited["cause"]) == (status, cause)


async def test_an_idle_engine_is_not_taken_for_a_hung_one() -> None:
    """An engine that has nothing to do for longer than `watchdog_s` lives on."""
    supervisor = EngineSupervisor(
        "edge", spec(watchdog_s=0.2), clock=SystemClock(), on_status=lambda *_: None
    )
    await supervisor.start()
    start_s = time.perf_counter()
    await asyncio.sleep(1.5)
    generation, waited_s = supervisor.generation, time.perf_counter() - start_s
    await supervisor.stop()

    assert waited_s > 1.0
    assert generation == 1


async def test_an_answer_that_was_begun_is_gone_on_with(stub: Stub) -> None:
    """Given what it said itself, the model is as sure of each token as it was; in a new turn it is not."""
    asked = await ask(stub, request("x", grammar='root ::= "0"', logprobs=1))
    zero = asked[0].logprobs[0].sampled.token

    async def sure(max_tokens: int, **fields: Any) -> list[float]:
        message = request("why?", max_tokens=max_tokens, logprobs=1, logit_bias={zero: 100.0}, **fields)
        responses = await ask(stub, message)
        assert text_of(responses) == "0" * max_tokens
        return [each.sampled.logprob for response in responses for each in response.logprobs]

    whole = await sure(12)
    begun = [engine_pb2.Message(role="assistant", content="0" * 7)]
    rest = await sure(5, messages=begun, continue_final_message=True)
    anew = await sure(5, messages=begun)

    assert rest == pytest.approx(whole[7:], abs=0.02)
    assert anew[0] != pytest.approx(whole[7], abs=1.0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": [engine_pb2.Message(role="assistant", content="x")], "json_schema": "{}"},
    ],
    ids=["no answer was begun", "with a schema"],
)
async def test_what_cannot_be_gone_on_with_is_refused(stub: Stub, fields: dict[str, Any]) -> None:
    """It is the caller's mistake to name no beginning, and a grammar cannot begin in the middle."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(stub, request("why?", continue_final_message=True, **fields))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_gateway_knows_the_queue(supervisor: EngineSupervisor, stub: Stub) -> None:
    """What the engine foresees is known at once after it was asked for once, and no more when it is gone."""
    backend = LocalBackend("edge", supervisor, clock=SystemClock())

    def latest() -> QueueForecast | None:
        backend.refresh_forecast()
        return backend.forecast()

    try:
        assert (await stub.GetStatus(engine_pb2.GetStatusRequest())).forecast == engine_pb2.Forecast()
        for _ in range(8):
            await ask(stub, request("Hello there", max_tokens=20))
        assert backend.forecast() is None, "who looks does not ask"
        await until(lambda: latest() is not None)
        idle = latest()
        assert idle is not None
        assert (idle.wait_s, idle.token_s > 0.0, 0.0 < idle.answer_tokens <= 20.0) == (0.0, True, True)

        busy = [asyncio.create_task(ask(stub, request("why? " * 200, max_tokens=1500))) for _ in range(20)]
        await until(lambda: (said := latest()) is not None and said.wait_s > 0.0)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await supervisor.stop()
        assert backend.forecast() is None
    finally:
        await backend.aclose()
