"""Write the constructed model, for tests and benchmarks: `python tools/make_constructed_model.py OUT.gguf`.

The model is constructed, not trained. It is a llama of two layers whose weights are computed here from
fixed integers, so that every run on every machine writes the same bytes:

* Every token has an embedding of random signs; any two are nearly orthogonal.
* The output row of a token is the sum of the embeddings of those it may follow (`SCRIPT`), so the
  likeliest next token is the next piece of a sentence. Where several may follow, the first is a little
  likelier, and sampling with a temperature takes one or the other.
* One attention head of the first layer looks for a question mark anywhere in the prompt, and so
  chooses the first sentence. All other attention and feed-forward weights are small and random:
  they change nothing that is said, but every step reads the whole KV cache, as in a real model.
* Quotes and closing brackets have a small constant in their favour, which no sentence notices, but which
  brings an answer under a JSON schema to its end.
* Its vocabulary has all 256 bytes, so any text can be a prompt, and common English words for brevity.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

CONTEXT_TOKENS = 8192
EMBEDDING = 128
HEADS = 4
HEAD = EMBEDDING // HEADS
LAYERS = 2
FEED_FORWARD = 128
ROPE_BASE = 1_000_000.0
"""So slow in its last pair that the head which looks for a question mark sees all of the context."""

ALWAYS, QUESTION, ASKED = EMBEDDING - 1, EMBEDDING - 2, EMBEDDING - 3
"""Dimensions with a meaning: always on; this token is a question mark; there is one in the prompt."""
SIGNS = EMBEDDING - 3
AMPLITUDE = 0.125
GAIN = 1.5
"""Puts the logit of a right successor near 22, and of any other below 8."""
SECOND_CHOICE = 0.95

BOS, EOS, END = "<|begin|>", "<|eos|>", "<|end|>"
ASSISTANT = "<|assistant|>"
CONTROLS: tuple[str, ...] = (BOS, EOS, END, "<|system|>", "<|user|>", ASSISTANT, "<|tool|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

ASKED_OPENING = "A good"
SCRIPT = """
<|assistant|>/Hello!
<|assistant|>/Good day,/ and thanks/ for writing./ I am
<|assistant|>/A good/ question,/ but a/ hard one/ for me./ I am
Hello!/ I am/ the small/ model/ that ships/ with the/ gateway./ I was/ constructed,/ not trained,/ and I/ know
 know/ a handful/ of sentences,/ no more./ I run
 know/ next to/ nothing,/ but I am/ quick./ I run
 I run/ in a/ process/ of my own/ on this/ machine/ and need/ neither/ a network/ nor/ a key./ For
 For/ real/ answers,/ name/ a larger/ GGUF/ file/ in your/ policy./<|end|>
 For/ anything/ serious,/ give/ your policy/ the path/ to a/ bigger/ model file./<|end|>
"""
"""What may follow what, one path a line; a piece stands once in the vocabulary, so it has one future."""

JSON_BIAS = {'"': 14.0, "}": 13.0, "]": 13.0, ":": 8.0, ",": 8.0}

WORDS = tuple(
    """
the of and to in is you that it was for on are as with they at be this have from or one had by words but not
what all were we when your can said there use an each which she do how their if will up other about out many
then them these so some her would make like him into time has look two more write go see number no way could
people my than first water been call who its now find long down day did get come made may part please answer
question explain summarize translate list show tell give help code text name email data system error why where
because example between should without after before number value file line function return model prompt token
""".split()  # noqa: SIM905  a list of words is read better as words
)


def byte_symbols() -> dict[int, str]:
    """Return how byte-level BPE writes each byte as a visible character."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


SYMBOLS = byte_symbols()


def written(text: str) -> str:
    """Return a text as byte-level BPE writes it."""
    return text if text in CONTROLS else "".join(SYMBOLS[byte] for byte in text.encode())


def word_merges() -> list[tuple[str, str]]:
    """Return merges that build each common word, after a space, letter by letter."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        spaced = written(" " + word)
        for end in range(1, len(spaced)):
            merges[spaced[:end], spaced[end]] = None
    return list(merges)


def successors() -> list[tuple[str, str, float]]:
    """Return (piece, next piece, weight); of several that follow a piece the first weighs most."""
    found: dict[tuple[str, str], float] = {}
    for line in SCRIPT.strip("\n").split("\n"):
        pieces = line.split("/")
        for piece, following in pairwise(pieces):
            is_first = all(known != piece for known, _ in found)
            found.setdefault((piece, following), 1.0 if is_first else SECOND_CHOICE)
    return [(piece, following, weight) for (piece, following), weight in found.items()]


def vocabulary(merges: list[tuple[str, str]]) -> list[str]:
    """Return the texts of all tokens: controls, bytes, parts of words, pieces of sentences."""
    pieces = [written(piece) for pair in successors() for piece in pair[:2]]
    merged = [left + right for left, right in merges]
    return list(dict.fromkeys([*CONTROLS, *SYMBOLS.values(), *merged, *pieces]))


def embeddings(tokens: list[str], random: np.random.RandomState) -> NDArray[np.float64]:
    """Return one row of signs a token, with the dimensions that mean something."""
    rows = np.zeros((len(tokens), EMBEDDING))
    rows[:, :SIGNS] = AMPLITUDE * (2 * random.randint(0, 2, (len(tokens), SIGNS)) - 1)
    rows[:, ALWAYS] = AMPLITUDE
    rows[tokens.index("?"), QUESTION] = 1.0
    return rows


def outputs(tokens: list[str], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the output row of each token: what it follows, and what favours it always."""
    index = {token: i for i, token in enumerate(tokens)}
    out = np.zeros_like(rows)
    for piece, following, weight in successors():
        out[index[written(following)], :SIGNS] += GAIN * weight * rows[index[written(piece)], :SIGNS]
    for text, bias in JSON_BIAS.items():
        out[index[written(text)], ALWAYS] = bias
    out[index[written(ASKED_OPENING)], ASKED] = 2.0
    return out


def small(random: np.random.RandomState, shape: tuple[int, int], exponent: int) -> NDArray[np.float64]:
    """Return random multiples of a power of two, exact in half precision on every machine."""
    return np.float64(2.0 ** (exponent - 3)) * random.randint(-8, 9, shape).astype(np.float64)


def layer(index: int, random: np.random.RandomState) -> dict[str, NDArray[np.float64]]:
    """Return the weights of one layer; the first one has the head that looks for a question mark."""
    square, wide, tall = (EMBEDDING, EMBEDDING), (FEED_FORWARD, EMBEDDING), (EMBEDDING, FEED_FORWARD)
    weights = {
        "attn_q": small(random, square, -5),
        "attn_k": small(random, square, -5),
        "attn_v": small(random, square, -7),
        "attn_output": small(random, square, -7),
        "ffn_gate": small(random, wide, -5),
        "ffn_up": small(random, wide, -5),
        "ffn_down": small(random, tall, -6),
    }
    if index == 0:
        slowest = HEAD - 2
        for name in ("attn_q", "attn_k", "attn_v"):
            weights[name][:HEAD] = 0.0
        weights["attn_output"][:, :HEAD] = 0.0
        weights["attn_q"][slowest, ALWAYS] = 4.0
        weights["attn_k"][slowest, QUESTION] = 4.0
        weights["attn_v"][0, QUESTION] = 1.0
        weights["attn_output"][ASKED, 0] = 0.078125
    return weights


def write(path: Path, *, add: Callable[[gguf.GGUFWriter], None] = lambda writer: None) -> None:
    """Write the model; `add` may put more into its metadata."""
    random = np.random.RandomState(20_260_101)  # Its stream of integers never changes, says NumPy.
    merges = word_merges()
    tokens = vocabulary(merges)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("constructed")
    writer.add_description("Constructed, not trained; see tools/make_constructed_model.py.")
    writer.add_license("Apache-2.0")
    add(writer)
    write_head(
        writer, context=CONTEXT_TOKENS, embedding=EMBEDDING, layers=LAYERS, feed_forward=FEED_FORWARD,
        heads=HEADS, kv_heads=HEADS, rope_base=ROPE_BASE, norm_epsilon=1e-6,
        file_type=gguf.LlamaFileType.MOSTLY_F16, tokens=tokens, merges=merges,
    )  # fmt: skip
    rows = embeddings(tokens, random)
    writer.add_tensor("token_embd.weight", rows.astype(np.float16))
    for index in range(LAYERS):
        for name, weights in layer(index, random).items():
            writer.add_tensor(f"blk.{index}.{name}.weight", weights.astype(np.float16))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{index}.{name}.weight", np.ones(EMBEDDING, dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.ones(EMBEDDING, dtype=np.float32))
    writer.add_tensor("output.weight", outputs(tokens, rows).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_head(
    writer: gguf.GGUFWriter,
    *,
    context: int,
    embedding: int,
    layers: int,
    feed_forward: int,
    heads: int,
    kv_heads: int,
    rope_base: float,
    norm_epsilon: float,
    file_type: gguf.LlamaFileType,
    tokens: list[str],
    merges: list[tuple[str, str]],
    head: int | None = None,
) -> None:
    """Write what a file says before its weights: the shape of the model, its vocabulary and its template.

    `head` is the width of one attention head; default: embedding / heads.
    """
    writer.add_context_length(context)
    writer.add_embedding_length(embedding)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(head or embedding // heads)
    if head is not None:
        writer.add_key_length(head)
        writer.add_value_length(head)
    writer.add_rope_freq_base(rope_base)
    writer.add_layer_norm_rms_eps(norm_epsilon)
    writer.add_file_type(file_type)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL if t in CONTROLS else gguf.TokenType.NORMAL for t in tokens]
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(EOS))
    writer.add_eot_token_id(tokens.index(END))
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
