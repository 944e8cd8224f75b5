"""What an engine decides before it serves: its threads, its cells, its file."""

import hashlib
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import grpc.aio
import pytest
import structlog
from structlog.testing import capture_logs

from gateway.backends.local import translate
from gateway.engine.__main__ import EXIT_DECODE, Watchdog, decode
from gateway.engine.interfaces import DecodeFailed
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.params import settings_of
from gateway.engine.load_chat import template_of
from gateway.engine.models import Progress, check_model_file, resolve_model_path
from gateway.engine.scheduler import Scheduler
from gateway.engine.template.chat_template import HUNG_AFTER_S, ChatTemplate
from gateway.engine.template.turns import Turn
from gateway.engine.threads import (
    MAX_THREADS,
    PAIRS,
    choose_threads,
    default_threads,
    parse_quota,
    thread_choices,
)
from gateway.engine.v1 import engine_pb2
from gateway.engine_host.process import SPIN_COUNT, engine_environment
from gateway.errors import NotCapable, StartupError
from gateway.policy.model import LlamaCppModel
from tests.support.fakes import FakeClock
from tests.support.real_engine import ask, request, running, spec, text_of
from tests.support.scripted_model import ScriptedModel
from tests.support.synthetic_models import write_recommending


@pytest.mark.parametrize(
    ("logical_cpus", "has_smt", "quota_cpus", "threads", "why"),
    [
        (1, False, None, 1, "there is always one"),
        (2, False, None, 1, "two that spin on two cores collapse when another process uses one"),
        (4, True, None, 1, "two threads of one core are one core"),
        (8, False, None, 4, "half of the cores"),
        (16, True, None, 4, "half of the physical cores"),
        (128, False, None, MAX_THREADS, "memory bandwidth is used up before"),
        (64, False, 4.0, 2, "a quota counts like cores: a thread that is throttled holds up all others"),
        (64, False, 0.5, 1, "a quota below one core"),
    ],
)
def test_choose_threads(
    logical_cpus: int, has_smt: bool, quota_cpus: float | None, threads: int, why: str
) -> None:
    """The default leaves half of what this process may use to others."""
    chosen = choose_threads(logical_cpus=logical_cpus, has_smt=has_smt, quota_cpus=quota_cpus)

    assert threads == chosen, why


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("max 100000\n", None), ("200000 100000\n", 2.0), ("50000 100000", 0.5), ("", None), ("x y", None)],
)
def test_parse_quota(text: str, cpus: float | None) -> None:
    """A cgroup's quota is read in CPUs; none, or one that cannot be read, is no limit."""
    assert cpus == parse_quota(text)


def test_default_threads_of_this_machine() -> None:
    """Whatever the machine, the default is a number that llama.cpp takes."""
    assert 1 <= default_threads() <= MAX_THREADS
    assert thread_choices()[-1] == default_threads()
    assert thread_choices()[0] == default_threads(1.0)


@pytest.mark.parametrize(
    ("environ", "count"),
    [({}, SPIN_COUNT), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, None)],
)
def test_how_long_threads_spin(environ: dict[str, str], count: str | None) -> None:
    """Short, so that a core that somebody else has costs little; what the operator sets holds."""
    assert engine_environment(environ).get("GOMP_SPINCOUNT") == count


async def test_an_engine_says_how_many_threads_it_takes() -> None:
    """Those of the policy; else all cores at the start, and those that its steps chose in its status."""
    said, served = [], []
    for keys in ({"threads": 2}, {}):
        with capture_logs() as logs:
            async with running(spec(**keys)) as (_, stub):
                await ask(stub, request("Tell me all.", max_tokens=4 * PAIRS))
                served.append((await stub.GetStatus(engine_pb2.GetStatusRequest())).threads)
        said += [entry["threads"] for entry in logs if entry["event"] == "engine.started"]
    assert said == [2, thread_choices()[0]]
    assert served[0] == 2
    assert served[1] in thread_choices()


@pytest.mark.parametrize(
    ("keys", "kv_cells"),
    [({}, 16384), ({"slots": 1}, 4096), ({"slots": 2, "context": 2048}, 2048), ({"kv_cells": 5000}, 5000)],
)
def test_kv_cells(keys: dict[str, int], kv_cells: int) -> None:
    """The cache has slots x context / 2 cells, at least one context, or what the policy says."""
    keys_of_file = {"kind": "llama_cpp", "path": "m.gguf", "clearance": "public", **keys}
    spec = LlamaCppModel.model_validate(keys_of_file)

    assert settings_of(spec, Path("m.gguf")).kv_cells == kv_cells


def test_threads_of_the_policy() -> None:
    """The policy's threads are taken; prompts use as many unless it says otherwise."""
    spec = LlamaCppModel(kind="llama_cpp", path="m.gguf", clearance="public", threads=3)
    both = spec.model_copy(update={"prefill_threads": 5})

    assert (settings_of(spec, Path("m")).threads, settings_of(spec, Path("m")).prefill_threads) == (3, 3)
    assert (settings_of(both, Path("m")).threads, settings_of(both, Path("m")).prefill_threads) == (3, 5)


def test_a_file_with_the_right_hash_is_taken() -> None:
    """The embedded model is a file of the package, and passes its own hash."""
    path = resolve_model_path("builtin:demo")

    check_model_file(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_progress_is_told_in_tenths_from_the_second_second_on() -> None:
    """Each tenth is said once, at most one a second, and a fast load says nothing."""
    clock, said = FakeClock(), list[tuple[str, int]]()
    progress = Progress("load", lambda phase, percent: said.append((phase, percent)), clock=clock)
    for percent in range(101):
        clock.advance(0.2)
        progress.update(percent / 100)
    fast = Progress("check", lambda phase, percent: said.append((phase, percent)), clock=clock)
    fast.update(1.0)

    assert said == [("load", percent) for percent in range(10, 101, 10)]


@pytest.mark.parametrize(
    ("of_policy", "of_file", "taken"),
    [
        ("a", "b", "a"),
        (None, "b", "b"),
        ("", "b", "b"),
        (" \n", "b", "b"),
        (None, "  ", ""),
        (None, None, ""),
    ],
)
def test_the_template_that_is_taken(of_policy: str | None, of_file: str | None, taken: str) -> None:
    """The policy's, else the file's; one of white space alone is none."""
    model = cast(LlamaModel, SimpleNamespace(chat_template=of_file))

    assert template_of(spec(template=of_policy), model) == taken


def test_an_engine_whose_template_hangs_is_not_well() -> None:
    """A thread that hangs in the template ends the signs of life, even where all else goes on."""
    clock, looks = FakeClock(), list[bool]()
    template = ChatTemplate("{{ messages[0].content }}", bos="", eos="", clock=clock)
    model = ScriptedModel()
    scheduler = Scheduler(
        model, name="edge", clock=clock, deliver=lambda _: None, queue_limit=1, kept_bytes=0
    )
    pulse = Watchdog(scheduler, lambda: template.is_hung)

    class Endless(str):
        def __str__(self) -> str:
            looks.append(pulse.is_healthy())
            clock.advance(HUNG_AFTER_S)
            looks.append(pulse.is_healthy())
            return "text"

    template.render([Turn("user", Endless("x"))])

    assert [*looks, pulse.is_healthy()] == [True, False, True]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            "{{ raise_exception('not here') }}",
            'the chat template of the policy refuses a conversation of user: "not here"; correct it',
        ),
        (
            "{% for %}",
            "the chat template of the policy does not compile (TemplateSyntaxError in line 1); correct it",
        ),
    ],
)
async def test_a_template_that_would_refuse_every_request(template: str, said: str) -> None:
    """Such an engine never serves: it fails at its start, and says why."""
    reports = list[bool]()

    with pytest.raises(StartupError, match=re.escape(said)):
        async with running(spec(template=template), reports=reports):
            pass

    assert reports == []


async def test_what_a_template_does_not_take_is_logged_once() -> None:
    """An engine whose template takes no system turn says so at its start, and answers all the same."""
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no such role') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
    )
    with structlog.testing.capture_logs() as logs:
        async with running(spec(template=template)) as (_, stub):
            system = engine_pb2.Message(role="system", content="Be brief.")
            for _ in range(2):
                assert text_of(await ask(stub, request("Hello", messages=[system])))

    folds = [line["folded"] for line in logs if line["event"] == "engine.template_folds"]
    assert folds == [("system", "later_system")]


async def test_what_a_template_renders_is_reported() -> None:
    """The facts of a template reach the gateway, and the variables of the policy the template."""
    template = (
        "{{ tools | tojson if tools }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}<|end|>{% endfor %}"
        "{{ '<|assistant|><think>' if enable_thinking else '<|assistant|>' }}"
    )
    lengths = []
    for variables in ({}, {"enable_thinking": True}):
        async with running(spec(template=template, template_kwargs=variables)) as (supervisor, stub):
            facts = supervisor.template_facts
            assert (facts.takes_tools, facts.thinking_variable) == (True, "enable_thinking")
            assert facts.thinks_by_default == bool(variables)
            messages = [engine_pb2.Message(role="user", content="Hello")]
            counted = await stub.CountTokens(engine_pb2.CountTokensRequest(messages=messages))
            lengths.append(counted.prompt_tokens)

    assert lengths[0] < lengths[1]


async def test_a_conversation_that_a_template_refuses_is_the_messages_fault() -> None:
    """The refusal names the field, and holds no word of the conversation or of the template."""
    template = (
        "{% for m in messages %}{{ m.content }}{% if 'turnip' in m.content %}"
        "{{ raise_exception('no ' ~ m.content) }}{% endif %}{% endfor %}"
    )
    async with running(spec(template=template)) as (_, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(stub, request("a turnip"))

    error = translate("edge", caught.value)
    assert isinstance(error, NotCapable)
    assert (error.field, str(error)) == (
        "messages",
        "edge: messages: the chat template refuses this conversation (Refused)",
    )


class Ending:
    """A scheduler whose model cannot go on."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def run(self) -> None:
        if self.error is not None:
            raise self.error


def test_a_model_that_cannot_go_on_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fatal return code of the decoder is said, and ends the process with a status of its own."""
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)

    decode(Ending(None))
    decode(Ending(DecodeFailed("llama_decode returned -3")))

    assert statuses == [EXIT_DECODE]
    assert json.loads(capsys.readouterr().out) == {"event": "failed", "message": "llama_decode returned -3"}


def test_a_fault_of_our_own_ends_the_process_without_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other error in the decoding thread is said by type and place: its text may quote a request."""
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)

    with pytest.raises(ValueError, match="secret"):
        decode(Ending(ValueError("secret")))

    said = capsys.readouterr().out
    assert statuses == [EXIT_DECODE]
    assert "ValueError at test_engine_start.py:" in said
    assert "secret" not in said


def test_an_unknown_built_in_model() -> None:
    """Another built-in name is refused with those that there are."""
    with pytest.raises(StartupError, match="builtin:other: unknown builtin model; known: builtin:demo"):
        resolve_model_path("builtin:other")


async def test_what_a_file_recommends_is_read_and_told(tmp_path: Path) -> None:
    """What the publisher put into the file holds, and the log says so when the engine starts."""
    write_recommending(tmp_path / "model.gguf")
    with capture_logs() as logs:
        async with running(spec(path=str(tmp_path / "model.gguf"))):
            pass
    (line,) = [each for each in logs if each["event"] == "engine.file_sampling"]
    assert (line["model"], line["temperature"], line["top_k"]) == ("edge", 0.5, 7)
