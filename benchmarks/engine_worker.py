"""Contestants without a socket, for `benchmarks/engine.py`: `engine_worker.py bare|lock MODEL THREADS ...`.

`bare` is the least that batching costs: one `llama_decode` for all sequences, the likeliest token by numpy,
no text. `lock` is llama-cpp-python's `Llama`, one request at a time. One line of JSON in, one line out.
"""

import ctypes
import json
import sys
import threading
from collections.abc import Callable
from time import perf_counter

import numpy as np
from llama_cpp import Llama
from llama_cpp import llama_cpp as lib

BATCH = 512


class Bare:
    """A loop around `llama_decode`."""

    def __init__(self, model: str, threads: int, slots: int, kv_cells: int) -> None:
        self._model = lib.llama_model_load_from_file(model.encode(), lib.llama_model_default_params())
        params = lib.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.n_batch, params.n_ubatch = kv_cells, slots, BATCH, BATCH
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = params.no_perf = True
        self._context = lib.llama_init_from_model(self._model, params)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self._width = lib.llama_vocab_n_tokens(self._vocab)
        self._batch = lib.llama_batch_init(BATCH, 0, 1)

    def run(self, prompts: list[str], max_tokens: int) -> list[list[float]]:
        """Read all prompts in batches, then decode all sequences in step."""
        start_s = perf_counter()
        texts = [self._tokens(prompt) for prompt in prompts]
        given: list[list[float]] = [[] for _ in prompts]
        latest = [0] * len(prompts)
        rows = [(t, i, s, i == len(x) - 1) for s, x in enumerate(texts) for i, t in enumerate(x)]
        for offset in range(0, len(rows), BATCH):
            self._step(rows[offset : offset + BATCH], latest, given, start_s)
        for i in range(max_tokens - 1):
            batch = [(latest[s], len(x) + i, s, True) for s, x in enumerate(texts)]
            self._step(batch, latest, given, start_s)
        for s in range(len(prompts)):
            lib.llama_memory_seq_rm(lib.llama_get_memory(self._context), s, -1, -1)
        return given

    def _step(
        self,
        rows: list[tuple[int, int, int, bool]],
        latest: list[int],
        given: list[list[float]],
        start_s: float,
    ) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wants_logits) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wants_logits
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        code = lib.llama_decode(self._context, batch)
        if code:
            raise SystemExit(f"llama_decode returned {code}")
        for i, (_, _, sequence, wants_logits) in enumerate(rows):
            if wants_logits:
                pointer = lib.llama_get_logits_ith(self._context, i)
                row = (ctypes.c_float * self._width).from_address(ctypes.addressof(pointer.contents))
                latest[sequence] = int(np.frombuffer(row, dtype=np.float32).argmax())
                given[sequence].append(perf_counter() - start_s)

    def _tokens(self, text: str) -> list[int]:
        data = text.encode()
        room = (lib.llama_token * (len(data) + 8))()
        count = lib.llama_tokenize(self._vocab, data, len(data), room, len(room), True, True)
        return list(room[:count])


class Locked:
    """llama-cpp-python's high-level class behind a lock, as its own server uses it."""

    def __init__(self, model: str, threads: int, context: int) -> None:
        self._llama = Llama(
            model, n_ctx=context, n_threads=threads, n_threads_batch=threads, n_batch=BATCH, verbose=False
        )
        self._lock = threading.Lock()

    def run(self, prompts: list[str], max_tokens: int) -> list[list[float]]:
        """Answer from as many threads as there are prompts."""
        start_s = perf_counter()
        given: list[list[float]] = [[] for _ in prompts]

        def one(i: int) -> None:
            with self._lock:
                for _ in self._llama(prompts[i], max_tokens=max_tokens, temperature=0.0, stream=True):
                    given[i].append(perf_counter() - start_s)

        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [at_s[:max_tokens] for at_s in given]


def main() -> None:
    """Load, say so, and answer line by line."""
    kind, model, *numbers = sys.argv[1:]
    threads, slots, context, kv_cells = map(int, numbers)
    run: Callable[[list[str], int], list[list[float]]]
    run = Bare(model, threads, slots, kv_cells).run if kind == "bare" else Locked(model, threads, context).run
    print("[]", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(run(order["prompts"], order["max_tokens"])), flush=True)


if __name__ == "__main__":
    main()
