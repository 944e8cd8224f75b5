"""What an engine decides before it serves: its threads, its cells, its file."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from gateway.engine.__main__ import EXIT_DECODE, decode, settings_of
from gateway.engine.models import Progress, check_model_file, resolve_model_path
from gateway.engine.steps import DecodeFailed
from gateway.engine.threads import MOST_THREADS, choose_threads, default_threads, parse_quota
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("logical_cpus", "has_smt", "quota_cpus", "threads", "why"),
    [
        (1, False, None, 1, "there is always one"),
        (2, False, None, 1, "two that spin on two cores collapse when another process uses one"),
        (4, True, None, 1, "two threads of one core are one core"),
        (8, False, None, 4, "half of the cores"),
        (16, True, None, 4, "half of the physical cores"),
        (128, False, None, MOST_THREADS, "memory bandwidth is used up before"),
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
    assert 1 <= default_threads() <= MOST_THREADS


@pytest.mark.parametrize(
    ("keys", "kv_cells"),
    [({}, 16384), ({"slots": 1}, 4096), ({"slots": 2, "context": 2048}, 2048), ({"kv_cells": 5000}, 5000)],
)
def test_kv_cells(keys: dict[str, int], kv_cells: int) -> None:
    """The cache has slots x context / 2 cells, at least one context, or what the policy says."""
    spec = LlamaCppModel(kind="llama_cpp", path="m.gguf", clearance="public").model_copy(update=keys)

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
        progress.note(percent / 100)
    fast = Progress("check", lambda phase, percent: said.append((phase, percent)), clock=clock)
    fast.note(1.0)

    assert said == [("load", percent) for percent in range(10, 101, 10)]


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


def test_there_is_one_built_in_model() -> None:
    """Another built-in name is refused with the one that there is."""
    with pytest.raises(StartupError, match=r'there is no builtin:other; write "builtin:demo"'):
        resolve_model_path("builtin:other")
