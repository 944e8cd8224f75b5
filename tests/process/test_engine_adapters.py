"""What llama.cpp is told of a model's entry in the policy, and that it does it: adapters, locking, GPU."""

import ctypes
import mmap
import sys
from pathlib import Path

import pytest
from llama_cpp import llama_cpp as lib
from structlog.testing import capture_logs

from gateway.engine.llama.params import context_params, model_params, settings_of
from gateway.errors import StartupError
from tests.support.interpreters import without_locking
from tests.support.real_engine import ask, request, running, spec, text_of
from tests.support.synthetic_models import write_adapter


async def answer(**keys: object) -> str:
    """Return what an engine with these keys says to a greeting."""
    async with running(spec(**keys)) as (_, stub):
        return text_of(await ask(stub, request("Hello", max_tokens=10)))


class TestAdapters:
    """`lora`: adapters that are applied to every request."""

    async def test_an_adapter_changes_the_answer_by_its_scale(self, tmp_path: Path) -> None:
        """Whole it speaks, at zero or below nothing of it is heard, and of two the stronger one wins."""
        write_adapter(tmp_path / "a.gguf", says="!")
        write_adapter(tmp_path / "b.gguf", says="?")
        a, b = ({"path": str(tmp_path / name)} for name in ("a.gguf", "b.gguf"))
        base = await answer()

        assert base.startswith("Hello!")
        assert await answer(lora=[a]) == "!" * 10
        assert await answer(lora=[a | {"scale": 0.0}]) == base
        assert await answer(lora=[a | {"scale": -1.0}]) == base
        assert await answer(lora=[a | {"scale": 0.5}, b]) == "?" * 10

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"width": 64}, "tensor 'output.weight' has incorrect shape (hint: maybe wrong base model?)"),
            ({"architecture": "qwen2"}, "model arch and LoRA arch mismatch"),
            ({"kind": "model"}, "expect general.type to be 'adapter', but got: model"),
        ],
        ids=["another width", "another architecture", "a model"],
    )
    async def test_one_that_does_not_fit_is_refused(
        self, tmp_path: Path, wrong: dict[str, int | str], said: str
    ) -> None:
        """An adapter of another model is one line at the start, with its path and llama.cpp's reason."""
        path = tmp_path / "a.gguf"
        write_adapter(path, says="!", **wrong)  # type: ignore[arg-type]  # Each its own type.

        with pytest.raises(StartupError) as refusal:
            await answer(lora=[{"path": str(path)}])

        assert str(refusal.value).startswith(f"model edge: {path}: does not load: ")
        assert said in str(refusal.value)
        assert str(refusal.value).endswith("; choose an adapter of this model")
        assert "\n" not in str(refusal.value)

    async def test_one_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        """A path without a file is said before anything is loaded."""
        with pytest.raises(StartupError, match=r"none\.gguf: no such file; correct the model's path"):
            await answer(lora=[{"path": str(tmp_path / "none.gguf")}])


async def test_numa_answers_the_same() -> None:
    """Threads that are spread over the nodes, of which there may be one, compute what they computed."""
    assert await answer(numa=True) == await answer()


def locked_kb(pid: int | None) -> int:
    """Return how much memory a process has locked."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmLck:"))


def may_lock(count: int) -> bool:
    """Whether this process, and so its children, may lock so many bytes."""
    with mmap.mmap(-1, count) as area:
        first = ctypes.c_char.from_buffer(area)
        refused = int(ctypes.CDLL(None).mlock(ctypes.byref(first), ctypes.c_size_t(count)))
        del first
    return refused == 0


class TestLocking:
    """`mlock`: the model never leaves the memory, where the kernel allows it."""

    async def test_the_model_is_locked(self) -> None:
        """As much as the file has is locked, or the log says that the kernel refused."""
        with capture_logs() as logs:
            async with running(spec(mlock=True)) as (supervisor, _):
                is_locked = locked_kb(supervisor.pid) > 500
        is_refused = any(entry["event"] == "engine.mlock_refused" for entry in logs)

        assert (is_locked, is_refused) == ((True, False) if may_lock(4_000_000) else (False, True))

    async def test_a_refusal_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the kernel refuses, the engine serves all the same, and the log says why it is not locked."""
        monkeypatch.setattr(sys, "executable", without_locking(tmp_path / "python"))
        with capture_logs() as logs:
            async with running(spec(mlock=True)) as (supervisor, stub):
                kb = locked_kb(supervisor.pid)
                said = text_of(await ask(stub, request("Hello")))
        refused = [entry for entry in logs if entry["event"] == "engine.mlock_refused"]

        assert kb == 0
        assert said.startswith("Hello!")
        assert [(entry["model"], entry["log_level"]) for entry in refused] == [("edge", "warning")]


@pytest.mark.parametrize(("layers", "number"), [(0, 0), (7, 7), (-1, -1), ("auto", -1)])
@pytest.mark.parametrize(("wish", "kind"), [(None, -1), (True, 1), (False, 0)])
def test_gpu_layers_and_flash_attention_reach_llama_cpp(
    layers: int | str, number: int, wish: bool | None, kind: int
) -> None:
    """Both stand in llama.cpp's parameters as the policy has them; unset, llama.cpp decides."""
    settings = settings_of(spec(gpu_layers=layers, flash_attention=wish), Path("m"))

    assert model_params(settings).n_gpu_layers == number
    assert context_params(settings).flash_attn_type == kind


def test_the_numbers_of_a_model_reach_llama_cpp() -> None:
    """Cells, sequences, threads of both kinds and locking, as the policy has them."""
    keys = {"slots": 3, "context": 512, "kv_cells": 1024, "threads": 2, "prefill_threads": 5, "mlock": True}
    settings = settings_of(spec(**keys), Path("m"))
    model, context = model_params(settings), context_params(settings)

    assert (context.n_ctx, context.n_seq_max) == (1024, 3)
    assert (context.n_threads, context.n_threads_batch) == (2, 5)
    assert (context.kv_unified, model.load_mode) == (True, lib.LLAMA_LOAD_MODE_MMAP_MLOCK)
    assert model_params(settings_of(spec(), Path("m"))).load_mode == lib.LLAMA_LOAD_MODE_AUTO


@pytest.mark.parametrize("wish", [True, False])
async def test_both_ways_of_attention_answer_alike(wish: bool) -> None:
    """The answer does not depend on how attention is computed."""
    assert await answer(flash_attention=wish) == await answer()


async def test_guessed_tokens_change_no_answer() -> None:
    """Each is checked by the logits of its row, and a wrong one leaves nothing in the cache."""
    assert await answer(speculation="prompt_lookup") == await answer()


@pytest.mark.parametrize(("layers", "is_wish"), [(99, True), ("auto", False)])
async def test_layers_for_a_gpu_that_is_not_there_are_told(layers: int | str, is_wish: bool) -> None:
    """A llama.cpp that was built without a GPU computes on the CPU; the log says so where it was a wish."""
    with capture_logs() as logs:
        said = await answer(gpu_layers=layers)
    is_told = any(entry["event"] == "engine.gpu_missing" for entry in logs)
    (started,) = [entry for entry in logs if entry["event"] == "engine.started"]
    done, of = map(int, started["gpu_layers"].split("/"))

    assert said.startswith("Hello!")
    assert is_told is (is_wish and not lib.llama_supports_gpu_offload())
    assert done == (of if lib.llama_supports_gpu_offload() else 0)


@pytest.mark.parametrize(("tools", "told"), [("auto", False), (True, True)])
async def test_what_a_model_can_do_is_told_when_it_starts(tools: bool | str, told: bool) -> None:
    """The template of the demo model shows no tools and no reasoning; the policy may give it tools."""
    with capture_logs() as logs:
        await answer(tools=tools)
    (started,) = [entry for entry in logs if entry["event"] == "engine.started"]
    assert (started["tools"], started["thinking"]) == (told, False)
