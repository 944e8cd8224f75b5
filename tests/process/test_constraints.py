"""Constraints on the embedded model, in this process: triggers, deferral, forced tokens."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import Deadline, SystemClock
from gateway.engine.grammar.schema_grammar import grammar_of, prepared_schema
from gateway.engine.interfaces import Constraint, EngineRequest, GrammarRefused, NothingToSample, Sampling
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.params import LlamaSettings
from gateway.engine.llama.sampler import LlamaSampler
from gateway.engine.models import resolve_model_path
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from gateway.policy.builtin import DEMO

SCHEMA = (
    '{"type": "object", "properties": {"temperature": {"type": "integer", "minimum": 0, "maximum": 9}, '
    '"unit": {"const": "celsius"}}, "required": ["temperature", "unit"]}'
)
LARK = "%llguidance {}\nTEXT: /(.|\\n)*/\n"
BY_TOKEN = f"{LARK}start: (call)* TEXT\ncall: TEXT <|tool|> %json {prepared_schema(SCHEMA)} <|end|>"
BY_TEXT = (
    f'{LARK}start: (call)* TEXT\nbegin[lazy]: TEXT "<call>"\ncall: begin %json {prepared_schema(SCHEMA)}'
)


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaModel]:
    """The embedded model with two slots."""
    settings = LlamaSettings(
        path=Path(resolve_model_path(DEMO)), context_tokens=256, slots=2, kv_cells=512,
        batch_tokens=64, threads=1, prefill_threads=1,
    )  # fmt: skip
    loaded = LlamaModel(settings)
    yield loaded
    loaded.close()


def answer(model: LlamaModel, sampling: Sampling, *, max_tokens: int = 60) -> tuple[list[StepOutput], int]:
    """Return the outputs of one request, and how many steps it took."""
    scheduler = Scheduler(model, name="edge", clock=SystemClock(), deliver=lambda outputs: None)
    matcher = None if sampling.constraint is None else model.matcher(sampling.constraint)
    scheduler.submit(
        EngineRequest(
            request_id="r", tenant="t", prompt=tuple(model.tokenize("Hello", parse_special=False)),
            max_tokens=max_tokens, sampling=sampling, matcher=matcher, deadline=Deadline.never(),
        )
    )  # fmt: skip
    outputs = []
    while not scheduler.is_idle:
        outputs += scheduler.step()
    return outputs, scheduler.metrics.steps


def text_of(outputs: list[StepOutput]) -> str:
    """Return the text of an answer that did not fail."""
    assert outputs[-1].failure is None
    return "".join(output.text for output in outputs)


def constrained(grammar: str, *, is_deferred: bool = False) -> Sampling:
    """Return greedy sampling under a grammar."""
    constraint = Constraint(grammar=grammar, request_field="config.json_schema", is_deferred=is_deferred)
    return Sampling(temperature=0.0, top_p=1.0, seed=None, constraint=constraint)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_forced_tokens_save_steps_and_change_nothing(
    model: LlamaModel, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer in fewer steps, since what has no choice needs no logits."""
    sampling = replace(constrained(grammar_of(SCHEMA)), temperature=temperature, seed=7)
    outputs, steps = answer(model, sampling)
    monkeypatch.setattr(LlamaSampler, "forced", lambda self: [])
    plain, plain_steps = answer(model, sampling)

    assert text_of(outputs).startswith('{"temperature":')
    assert text_of(outputs).endswith('"celsius"}')
    assert outputs[-1].usage is not None
    assert steps < outputs[-1].usage.completion_tokens / 2
    if temperature == 0.0:
        assert text_of(plain) == text_of(outputs)
    assert plain[-1].usage is not None
    assert plain_steps == plain[-1].usage.completion_tokens


@pytest.mark.parametrize(("grammar", "trigger"), [(BY_TOKEN, "<|tool|>"), (BY_TEXT, "<call>")])
def test_a_constraint_that_begins_with_a_trigger(model: LlamaModel, grammar: str, trigger: str) -> None:
    """Text is free until a token of the vocabulary, or its text, begins what the schema holds to."""
    matcher = model.matcher(Constraint(grammar=grammar, request_field="tools"))
    for token in model.tokenize("I will look. ", parse_special=False):
        assert matcher.forced() == []
        matcher.accept(token)
    for token in model.tokenize(trigger, parse_special=True):
        matcher.accept(token)

    assert b"".join(map(model.piece, matcher.forced())) == b'{"temperature": '
    with pytest.raises(NothingToSample):
        matcher.accept(model.tokenize("I", parse_special=False)[0])


def test_a_trigger_that_the_vocabulary_does_not_have(model: LlamaModel) -> None:
    """A special token of another model is refused, in words that quote nothing."""
    with pytest.raises(GrammarRefused, match="does not compile"):
        model.matcher(Constraint(grammar="start: <|no_such_token|>", request_field="tools"))


def test_a_deferred_constraint_holds_once_it_is_armed(model: LlamaModel) -> None:
    """Before it, tokens are free and none is forced; from then on it begins at its beginning."""
    sampling = constrained(grammar_of(SCHEMA), is_deferred=True)
    assert sampling.constraint is not None
    sampler = model.sampler(sampling, model.matcher(sampling.constraint))
    assert sampler.forced() == []
    for token in model.tokenize("I think that", parse_special=False):
        sampler.accept(token)
    sampler.arm()
    assert b"".join(map(model.piece, sampler.forced())) == b'{"temperature": '
    sampler.close()


@pytest.mark.parametrize(("logprob_tokens", "is_forced_told"), [(None, True), (40, False)])
def test_forced_tokens_say_nothing_of_confidence(
    model: LlamaModel, logprob_tokens: int | None, is_forced_told: bool
) -> None:
    """A caller who asks for log-probabilities gets all tokens; confidence is that of those with a choice."""
    sampling = replace(constrained(grammar_of(SCHEMA)), logprobs=0, logprob_tokens=logprob_tokens)
    outputs, _ = answer(model, sampling)
    told = [each for output in outputs for each in output.logprobs]

    assert outputs[-1].usage is not None
    assert any(each.is_forced for each in told) == is_forced_told
    assert (len(told) == outputs[-1].usage.completion_tokens) == is_forced_told
    assert any(not each.is_forced for each in told)
    assert outputs[-1].usage.completion_tokens >= len(told)
