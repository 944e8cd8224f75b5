"""Small random models with a chosen vocabulary and chat template, and the templates of known families.

Both come from llama-cpp-python's source distribution: `make test-templates` unpacks it, or
LLAMA_CPP_MODELS names its folder `vendor/llama.cpp/models`.
"""

import atexit
import functools
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.repository import ROOT

_WIDTH = 32
_ALIGNMENT = 32
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the values of GGUF's plain types."""
_HEADS = 2
_MARKERS = re.compile(
    "<[|\uff5c][^<>|\uff5c\\s{}'\"]{1,40}[|\uff5c]>"  # <|im_start|>, and DeepSeek's with wide bars
    r"|<\|[a-z_]+>|<[a-z_]+\|>"  # Gemma 4's <|turn> and <turn|>
    r"|\[/?[A-Z][A-Z_]{2,}\]"  # Mistral's [INST]
    r"|</?(?:start|end)_of_(?:turn|role)>"
)
"""What templates of known families write as control tokens."""


_FOLDER = Path(os.environ.get("LLAMA_CPP_MODELS", ROOT / "build" / "llama.cpp" / "models"))


def models_folder() -> Path:
    """Return the folder with vocabularies and templates; skips the test where there is none."""
    if not (_FOLDER / "templates").is_dir():
        pytest.skip(f"{_FOLDER} holds no templates; run make test-templates, or set LLAMA_CPP_MODELS")
    return _FOLDER


def known_template_names() -> list[str]:
    """Return the names of the templates; where there are none one name, with which a test is skipped."""
    return sorted(path.stem for path in (_FOLDER / "templates").glob("*.jinja")) or ["none"]


def known_template(name: str) -> str:
    """Return a template by its name without `.jinja`; skips the test where there are none."""
    return (models_folder() / "templates" / f"{name}.jinja").read_text()


def control_texts_of(template: str) -> tuple[str, ...]:
    """Return the texts in a template that are control tokens in vocabularies of known families."""
    return tuple(dict.fromkeys(_MARKERS.findall(template)))


@functools.cache
def model_with(template: str, *, vocab: str = "qwen2") -> str:
    """Return the path of a model as `write_model_with` writes it, written once a process."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "model.gguf"
    write_model_with(path, template, vocab=vocab)
    return str(path)


def write_model_with(
    path: Path,
    template: str,
    *,
    vocab: str = "qwen2",
    controls: Sequence[str] | None = None,
    user_defined: Sequence[str] = (),
    context: int = 4096,
) -> None:
    """Write a model of random weights with the vocabulary `ggml-vocab-VOCAB.gguf` and a template.

    `controls` are added as control tokens; default: what `control_texts_of` finds in the template.
    `user_defined` are tokens that are always read as one, such as "<think>" in many families.
    """
    kept, known, known_kinds, scores = _vocabulary(models_folder() / f"ggml-vocab-{vocab}.gguf")
    tokens, kinds = list(known), list(known_kinds)
    at = {token: number for number, token in enumerate(tokens)}
    added = dict.fromkeys(user_defined, gguf.TokenType.USER_DEFINED)
    added |= dict.fromkeys(
        control_texts_of(template) if controls is None else controls, gguf.TokenType.CONTROL
    )
    for text, kind in added.items():
        if text.encode() in at:
            kinds[at[text.encode()]] = kind
        else:
            tokens.append(text.encode())
            kinds.append(kind)
    values = [
        _string("general.architecture", "llama"),
        _number("llama.context_length", context),
        _number("llama.embedding_length", _WIDTH),
        _number("llama.block_count", 1),
        _number("llama.feed_forward_length", _WIDTH),
        _number("llama.attention.head_count", _HEADS),
        _number("llama.rope.dimension_count", _WIDTH // _HEADS),
        _number("llama.vocab_size", len(tokens)),
        _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
        _string("tokenizer.chat_template", template),
        _text("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, len(tokens))
        + b"".join(struct.pack("<Q", len(token)) + token for token in tokens),
        _text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds),
        *kept,
    ]
    if scores:
        scores = (*scores, *[0.0] * (len(tokens) - len(scores)))
        values.append(
            _text("tokenizer.ggml.scores") + struct.pack(f"<IIQ{len(scores)}f", 9, 6, len(scores), *scores)
        )
    infos, data = _weights(len(tokens))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(values)) + b"".join([*values, *infos])
    path.write_bytes(_padded(head) + data)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _string(key: str, value: str) -> bytes:
    return _text(key) + struct.pack("<I", 8) + _text(value)


def _number(key: str, value: int) -> bytes:
    return _text(key) + struct.pack("<II", 4, value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)


def _weights(tokens: int) -> tuple[list[bytes], bytes]:
    """Return what a file says of its tensors, and the tensors."""
    dice = np.random.default_rng(1)
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes = {"token_embd": (tokens, _WIDTH)} | {f"blk.0.{name}": (_WIDTH, _WIDTH) for name in names}
    tensors: dict[str, NDArray[Any]] = {
        name: (dice.standard_normal(shape, dtype=np.float32) / np.float32(_WIDTH**0.5)).astype(np.float16)
        for name, shape in shapes.items()
    }
    norms = ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")
    tensors |= {name: np.ones(_WIDTH, dtype=np.float32) for name in norms}
    infos, data = [], b""
    for name, tensor in tensors.items():
        sizes = struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *reversed(tensor.shape))
        infos.append(
            _text(f"{name}.weight") + sizes + struct.pack("<IQ", tensor.dtype == np.float16, len(data))
        )
        data += _padded(tensor.tobytes())
    return infos, data


@functools.cache
def _vocabulary(path: Path) -> tuple[list[bytes], list[bytes], tuple[int, ...], tuple[float, ...]]:
    """Return of a vocabulary's file the values to keep as they are, the tokens, their kinds and scores.

    GGUFReader takes half a minute for a large one.
    """
    kept, tokens, kinds, scores = [], list[bytes](), tuple[int, ...](), tuple[float, ...]()
    for key, value in _values(path.read_bytes()):
        if key == "tokenizer.ggml.tokens":
            tokens = list(_strings(value, 16))
        elif key == "tokenizer.ggml.token_type":
            kinds = struct.unpack(f"<{(len(value) - 16) // 4}i", value[16:])
        elif key == "tokenizer.ggml.scores":
            scores = struct.unpack(f"<{(len(value) - 16) // 4}f", value[16:])
        elif key == "tokenizer.ggml.model" and value.endswith(b"gemma4"):
            # This tokenizer needs an architecture of its own; as one of GPT-2's kind it splits otherwise.
            kept += [_string(key, "gpt2"), _string("tokenizer.ggml.pre", "default")]
        elif key.startswith("tokenizer.ggml."):
            kept.append(_text(key) + value)
    return kept, tokens, kinds, scores


def _values(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the keys of a GGUF file, and the bytes of type and value."""
    at = 24
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        size = struct.unpack_from("<Q", data, at)[0]
        key = data[at + 8 : at + 8 + size].decode()
        start = at + 8 + size
        kind = struct.unpack_from("<I", data, start)[0]
        if kind == 8:
            at = start + 12 + struct.unpack_from("<Q", data, start + 4)[0]
        elif kind == 9:
            each, count = struct.unpack_from("<IQ", data, start + 4)
            at = (
                start
                + 16
                + (
                    sum(8 + len(text) for text in _strings(data, start + 16, count))
                    if each == 8
                    else count * _SIZES[each]
                )
            )
        else:
            at = start + 4 + _SIZES[kind]
        yield key, data[start:at]


def _strings(data: bytes, at: int, count: int | None = None) -> Iterator[bytes]:
    """Yield the texts of an array that begins at an offset; without a count, to the end of the data."""
    read = struct.Struct("<Q").unpack_from
    while at < len(data) if count is None else count:
        size = read(data, at)[0]
        yield data[at + 8 : at + 8 + size]
        at += 8 + size
        count = None if count is None else count - 1
