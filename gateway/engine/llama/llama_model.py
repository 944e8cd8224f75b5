"""A model loaded by llama.cpp with its context, as typed calls; samplers are in `llama_sampler`.

One thread at a time may call `decode`, `share`, `truncate` and samplers. Any thread may call `interrupt`,
`tokenize` and other calls that only read the vocabulary. A failed assertion ends the process.
"""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from llama_cpp import llama_cpp as lib

from gateway.engine.interfaces import (
    BatchToken,
    Constraint,
    DecodeFailed,
    DecodeInterrupted,
    GrammarRefused,
    KvCacheFull,
    Matcher,
    Sampling,
)
from gateway.engine.llama.library_calls import load_file, put_tokens, tokens_of
from gateway.engine.llama.library_log import log
from gateway.engine.llama.matchers import matchers_of
from gateway.engine.llama.model_file_facts import model_facts
from gateway.engine.llama.params import LlamaSettings, context_params
from gateway.engine.llama.sampler import LlamaSampler
from gateway.errors import StartupError

_METADATA_BYTES = 64
"""Buffer size for a metadata value: enough for the text of any number."""
_CONTINUE, _ABORT = b"\0", b"\1"


class LlamaModel:
    """A loaded GGUF file with its KV cache."""

    def __init__(
        self, settings: LlamaSettings, *, on_progress: Callable[[float], None] = lambda share: None
    ) -> None:
        self._model = load_file(settings, on_progress)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.trained_context_tokens: int = lib.llama_model_n_ctx_train(self._model)
        self.context_tokens = min(
            settings.context_tokens, self.trained_context_tokens or settings.context_tokens
        )
        self.facts = model_facts(self._model, settings, context_tokens=self.context_tokens)
        self.slots = settings.slots
        self.can_share = not (
            lib.llama_model_is_recurrent(self._model)
            or lib.llama_model_is_hybrid(self._model)
            or lib.llama_model_n_swa(self._model) > 0
        )
        self.kv_cells = settings.kv_cells
        self.batch_tokens = settings.batch_tokens
        self._context = self._open_context(settings)
        self._adapters = self._apply_lora(settings.lora)
        self._memory = lib.llama_get_memory(self._context)
        if not self._memory:
            raise StartupError(
                f"{settings.path}: is an embedding model; write embeds in the policy, or choose another"
            )
        self._stop = ctypes.create_string_buffer(2)
        if self.can_share:
            self._watch_for_interrupt()
        self._batch = lib.llama_batch_init(settings.batch_tokens, 0, 1)
        self._pieces: dict[int, bytes] = {}
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self._vocab)
        self._matchers = matchers_of(self._vocab, is_end=self.is_end)
        self._warm_up(settings)

    @property
    def threads(self) -> int:
        """With how many threads it decodes."""
        return self.facts.threads

    @property
    def is_locked(self) -> bool:
        """Whether the kernel locked all the memory that `mlock` asked for."""
        return not log.has_warned("mlock")

    def _warm_up(self, settings: LlamaSettings) -> None:
        """Decode one token, to find a model that does not run and to load it into memory.

        In one thread: OpenMP keeps the threads of each thread that had some, and lets none of them spin at a
        barrier when there are more of them than cores; then those of the decoding thread would sleep 380
        times a token, which takes 14 ms instead of 9.
        """
        lib.llama_set_n_threads(self._context, 1, 1)
        try:
            LlamaModel.decode(self, [BatchToken(max(0, lib.llama_vocab_bos(self._vocab)), 0, 0, True)])
        except DecodeFailed as error:
            raise StartupError(f"{settings.path}: does not run: {error}; choose another file") from None
        self.clear()
        self.set_threads(settings.threads, settings.prefill_threads)

    def set_threads(self, threads: int, prefill_threads: int) -> None:
        """Decode with so many threads from the next step on."""
        lib.llama_set_n_threads(self._context, threads, prefill_threads)
        self.facts = replace(self.facts, threads=threads)

    def clear(self) -> None:
        """Forget all sequences."""
        lib.llama_memory_clear(self._memory, True)

    def _watch_for_interrupt(self) -> None:
        """Let llama.cpp check before every operation whether to abort; only its CPU code does.

        A Python callback would take the interpreter lock a thousand times a step. strlen of the buffer
        returns 0 while its first byte is 0, and 1 otherwise: llama.cpp reads these as "continue" and "abort".
        """
        callback = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
        lib.llama_set_abort_callback(self._context, callback, ctypes.cast(self._stop, ctypes.c_void_p))

    def _apply_lora(self, lora: tuple[tuple[Path, float], ...]) -> list[int]:
        adapters = []
        for path, _ in lora:
            adapter = lib.llama_adapter_lora_init(self._model, os.fsencode(path))
            if not adapter:
                raise StartupError(f"{path}: does not load: {log.reason()}; choose an adapter of this model")
            adapters.append(adapter)
        if adapters:
            array = (lib.llama_adapter_lora_p_ctypes * len(adapters))(*adapters)
            scales = (ctypes.c_float * len(adapters))(*(scale for _, scale in lora))
            lib.llama_set_adapters_lora(self._context, array, len(adapters), scales)
        return adapters

    def _open_context(self, settings: LlamaSettings) -> int:
        context = lib.llama_init_from_model(self._model, context_params(settings))
        if not context:
            raise StartupError(
                f"{settings.path}: no memory for {settings.kv_cells} cells of KV cache: {log.reason()}; "
                "lower kv_cells, slots or context"
            )
        return int(context)

    def close(self) -> None:
        """Free the model; it must not be used afterwards."""
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)

    def token_texts(self) -> list[bytes]:
        """Return the text of every token, by which vocabularies are compared."""
        every = range(self.vocabulary_size)
        return [lib.llama_vocab_get_text(self._vocab, token) or b"" for token in every]

    @property
    def chat_template(self) -> str | None:
        """The chat template in the file; None if it has none."""
        source = lib.llama_model_chat_template(self._model, None)
        return None if source is None else source.decode("utf-8", "replace")

    def metadata(self, key: str) -> str | None:
        """Return the value of a metadata key as text; None if it is missing or longer than a number."""
        buffer = ctypes.create_string_buffer(_METADATA_BYTES)
        length = lib.llama_model_meta_val_str(self._model, key.encode(), buffer, _METADATA_BYTES)
        return buffer.value.decode("utf-8", "replace") if 0 <= length < _METADATA_BYTES else None

    @property
    def bos_text(self) -> str:
        """The text of the BOS token in templates; empty if there is none."""
        return self._token_text(lib.llama_vocab_bos(self._vocab))

    @property
    def eos_text(self) -> str:
        """The text of the EOS token in templates; empty if there is none."""
        return self._token_text(lib.llama_vocab_eos(self._vocab))

    def _token_text(self, token: int) -> str:
        if token < 0:
            return ""
        return (lib.llama_vocab_get_text(self._vocab, token) or b"").decode("utf-8", "replace")

    def control_texts(self) -> tuple[str, ...]:
        """Return the texts of all control tokens; a caller's text must not become one."""
        controls = (t for t in range(self.vocabulary_size) if lib.llama_vocab_is_control(self._vocab, t))
        return tuple(text for text in map(self._token_text, controls) if text)

    def special_tokens(self) -> Mapping[str, int]:
        """Return control tokens, and tokens that their text always becomes, by their texts."""
        special = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        every = range(self.vocabulary_size)
        found = {self._token_text(t): t for t in every if lib.llama_vocab_get_attr(self._vocab, t) & special}
        return {text: token for text, token in found.items() if text}

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of `text`; with `parse_special`, texts of control tokens become control
        tokens."""
        return tokens_of(self._vocab, text, add_special=False, parse_special=parse_special)

    def begin(self, tokens: list[int]) -> list[int]:
        """Return `tokens` with the BOS token in front, if the model needs one and it is missing."""
        bos = int(lib.llama_vocab_bos(self._vocab))
        if not lib.llama_vocab_get_add_bos(self._vocab) or bos < 0 or tokens[:1] == [bos]:
            return tokens
        return [bos, *tokens]

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; a control token has none."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read_piece(token)
        return known

    def _read_piece(self, token: int) -> bytes:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def is_end(self, token: int) -> bool:
        """Whether a token ends generation: end of text, of turn, of message."""
        return bool(lib.llama_vocab_is_eog(self._vocab, token))

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Run one step over tokens of any sequences; KvCacheFull changes nothing, DecodeFailed is fatal."""
        put_tokens(self._batch, tokens)
        code = lib.llama_decode(self._context, self._batch)
        if code == 1:
            raise KvCacheFull
        if code == 2:
            raise DecodeInterrupted
        if code != 0:
            raise DecodeFailed(f"llama_decode returned {code}")

    def interrupt(self) -> None:
        """End the running or next decode early; no effect for a model whose sequences cannot be truncated."""
        self._stop[0] = _ABORT

    def resume(self) -> None:
        """Cancel an interrupt."""
        self._stop[0] = _CONTINUE

    def share(self, source: int, target: int, count: int) -> None:
        """Let an empty sequence share the first `count` tokens of another, without a copy."""
        lib.llama_memory_seq_cp(self._memory, source, target, 0, count)

    def truncate(self, sequence: int, count: int) -> None:
        """Keep the first `count` tokens of a sequence."""
        if not lib.llama_memory_seq_rm(self._memory, sequence, count if count else -1, -1):
            raise DecodeFailed("llama.cpp cannot truncate a sequence")

    def state_bytes(self, sequence: int) -> int:
        """Return the size of the saved state of a sequence."""
        return int(lib.llama_state_seq_get_size(self._context, sequence))

    def save(self, sequence: int) -> bytearray:
        """Return a copy of the cached state of a sequence."""
        state = bytearray(self.state_bytes(sequence))
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if lib.llama_state_seq_get_data(self._context, buffer, len(state), sequence) != len(state):
            raise DecodeFailed("llama.cpp cannot save a sequence")
        return state

    def load(self, sequence: int, state: bytearray) -> None:
        """Restore an empty sequence from the result of `save`."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if lib.llama_state_seq_set_data(self._context, buffer, len(state), sequence) == 0:
            raise DecodeFailed("llama.cpp cannot load a sequence")

    def matcher(self, constraint: Constraint) -> Matcher:
        """Return a matcher for one request; for any thread; raises GrammarRefused."""
        if self._matchers is None:
            raise GrammarRefused("is not supported with the vocabulary of this model")
        return self._matchers.matcher(constraint)

    def sampler(self, sampling: Sampling, matcher: Matcher | None = None) -> LlamaSampler:
        """Return a sampler for one request; `matcher` is that of its constraint."""
        return LlamaSampler(self._context, self._vocab, sampling, matcher)
