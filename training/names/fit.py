"""Fits the network of `gateway.privacy.names.network` with PyTorch, on one thread, with a fixed seed."""

import random
from collections import Counter, deque
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gateway.privacy.names.network import FAR, NEAR, Network
from gateway.privacy.names.words import (
    BORDERS,
    EMPTY,
    FIXED,
    REACH,
    TOKEN,
    KnownWords,
    is_listed,
    keys,
    read_words,
)
from training.names.rows import LABELS, Labelled

WIDTH, HIDDEN = 40, 52
SIZES = {"word": 26_000, "end3": 5_000, "end2": 3_000, "start3": 7_000}
"""Most keys of each kind in the vocabulary: the most frequent."""
RARE = 5
ORDINARY, TELLING, FREQUENT = 0.02, 0.5, 12
"""Shares of a word's places that are of names, and how often it must occur for its share to count."""
LEAD, LEADING = 3, 0.5
"""A word tells of a name or an address so many words on, in this share of its places."""
BATCH = 6_000
"""Words of a batch."""
STEPS_PER_LOOK = 200


class Example(NamedTuple):
    """A text as numbers: rows of the table for each word, and a bit for each label that it may have."""

    rows: NDArray[np.int32]
    allowed: NDArray[np.uint8]


def vocabulary_of(rows: Sequence[Labelled]) -> KnownWords:
    """Return the keys that are frequent enough, with their rows; a word that is only a name is none."""
    counts, persons, others, leading = (Counter[str](), Counter[str](), Counter[str](), Counter[str]())
    for row in rows:
        near = deque[str](maxlen=LEAD)
        before = ""
        for start, end in words_of(row.text):
            own = keys(row.text[start:end])
            counts.update(own)
            kind = next((s.kind for s in row.spans if s.start <= start and end <= s.end), "O")
            if kind == "PERSON":
                persons.update(own[:1])
            elif kind in LABELS[1:] and own[0][0].isalpha():
                others.update(own[:1])
            if kind in ("PERSON", "ADDRESS") and before == "O":
                leading.update(set(near))
            near.append(own[0] if kind == "O" else "")
            before = kind
    chosen: list[str] = []
    sort = {"word": [], "end3": [], "end2": [], "start3": []}  # type: dict[str, list[str]]
    for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if not key or count < RARE or (persons[key] > 0.8 * count and key <= _LAST_LATIN):
            continue
        name = "word"
        if len(key) > 1 and key[0] == "-":
            name = "end3" if len(key) == 4 else "end2"
        elif len(key) > 1 and key[-1] == "-":
            name = "start3"
        sort[name].append(key)
    words = sort["word"][: SIZES["word"]]
    named = {key: (persons[key] + others[key]) / counts[key] for key in words}
    ordinary = [key for key in words if named[key] < ORDINARY and counts[key] >= FREQUENT]
    telling = [
        key
        for key in words
        if max(others[key] / TELLING, leading[key] / LEADING) > counts[key] and counts[key] >= FREQUENT
        if key[0].isalpha()
    ]
    apart = set(telling)
    ordinary = [key for key in ordinary if key not in apart]
    rest = sorted(set(words) - {*ordinary, *telling})
    chosen = [*ordinary, *rest, *telling]
    ends = FIXED + len(ordinary), FIXED + len(chosen) - len(telling), FIXED + len(chosen)
    for name in ("end3", "end2", "start3"):
        chosen += sort[name][: SIZES[name]]
    return KnownWords({key: FIXED + at for at, key in enumerate(chosen)}, ends)


_LAST_LATIN = "\u0250"
"""Names in letters up to here are on lists; others the vocabulary has to know."""


def words_of(text: str) -> list[tuple[int, int]]:
    """Return the places of all words of a text."""
    found = ((token.end() - len(token[0].lstrip()), token.end()) for token in TOKEN.finditer(text))
    return [(start, end) for start, end in found if start < end]


def example_of(row: Labelled, vocabulary: KnownWords) -> Example:
    """Return a text as numbers; every word is read, of interest or not."""
    words = read_words(row.text, vocabulary, is_all=True)
    assert words is not None
    rows = words.rows()
    allowed = np.ones(len(rows), dtype=np.uint8)
    spans = iter(sorted(s for s in row.spans if s.kind in LABELS))
    span = next(spans, None)
    for at, (start, end) in enumerate(zip(*words.places(), strict=True), REACH):
        while span is not None and span.end <= start:
            span = next(spans, None)
        if start == end or row.text[start] in BORDERS:
            continue
        if span is not None and span.start < end:
            allowed[at] = 1 << LABELS.index(span.kind)
        elif row.is_unsure and row.text[start].isupper():
            allowed[at] = _NO_ADDRESS if is_listed(rows[at]) else _NO_ADDRESS ^ 2
    return Example(rows, allowed)


_NO_ADDRESS = 0b11011


class _Torch(nn.Module):
    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, WIDTH, padding_idx=EMPTY)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[EMPTY] = 0
        self.near = nn.Conv1d(WIDTH, HIDDEN, len(NEAR), padding=2)
        self.far = nn.Conv1d(HIDDEN, HIDDEN, len(FAR), padding=4, dilation=2)
        self.out = nn.Linear(2 * HIDDEN, len(LABELS))
        self.drop = nn.Dropout(0.15)

    def forward(self, rows: Tensor) -> Tensor:
        words = self.drop(self.table(rows).sum(dim=1)).T[None]
        near = torch.relu(self.near(words))
        far = torch.relu(self.far(self.drop(near)))
        return self.out(torch.cat([far, near], dim=1)[0].T)


def fit(examples: Sequence[Example], vocabulary: KnownWords, *, epochs: int, seed: int) -> Network:
    """Return the fitted network."""
    torch.manual_seed(seed)
    dice = random.Random(seed)
    model = _Torch(FIXED + len(vocabulary.rows))
    tables = [p for n, p in model.named_parameters() if n.startswith("table")]
    others = [p for n, p in model.named_parameters() if not n.startswith("table")]
    optimizer = torch.optim.AdamW(
        [{"params": tables, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.01}], lr=3e-3
    )
    batches = max(1, sum(len(each.rows) for each in examples) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=[1e-2, 4e-3], total_steps=epochs * (batches + 2), pct_start=0.1
    )
    generator = np.random.default_rng(seed)
    done = 0
    for _ in range(epochs):
        order = list(examples)
        dice.shuffle(order)
        for batch in _batches(order):
            rows, allowed = batch
            scores = model(_dropped(rows, allowed, generator))
            chances = torch.log_softmax(scores, dim=1)
            mask = torch.from_numpy(((allowed[:, None] >> np.arange(len(LABELS))) & 1).astype(bool))
            loss = -torch.logsumexp(chances.masked_fill(~mask, -1e9), dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done % STEPS_PER_LOOK == 0:
                print(f"step {done}: loss {loss.item():.4f}", flush=True)
    return _as_network(model, vocabulary)


def _batches(examples: Sequence[Example]) -> list[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
    found, rows, allowed, size = [], [], [], 0
    for each in examples:
        rows.append(each.rows)
        allowed.append(each.allowed)
        size += len(each.rows)
        if size >= BATCH:
            found.append((np.concatenate(rows), np.concatenate(allowed)))
            rows, allowed, size = [], [], 0
    return found


def _dropped(rows: NDArray[np.int32], allowed: NDArray[np.uint8], generator: np.random.Generator) -> Tensor:
    """Return rows without some of the words, endings and lists, so that the rest has to do."""
    kept = rows.copy()
    size = len(rows)
    is_name = (allowed & 1) == 0
    kept[generator.random(size) < np.where(is_name, 0.4, 0.25), 0] = EMPTY
    kept[generator.random(size) < 0.08, 1:4] = EMPTY
    kept[generator.random(size) < 0.03] = EMPTY
    kept[generator.random(size) < 0.12, 5] = EMPTY
    return torch.from_numpy(kept.astype(np.int64))


def _as_network(model: _Torch, vocabulary: KnownWords) -> Network:
    def weights(conv: nn.Conv1d) -> NDArray[np.float32]:
        found: NDArray[np.float32] = conv.weight.detach().permute(2, 1, 0).reshape(-1, HIDDEN).numpy()
        return found

    return Network(
        vocabulary,
        model.table.weight.detach().numpy(),
        weights(model.near),
        model.near.bias.detach().numpy(),
        weights(model.far),
        model.far.bias.detach().numpy(),
        model.out.weight.detach().numpy().T.copy(),
        model.out.bias.detach().numpy(),
        np.full((len(LABELS) - 1, 2), 0.5, dtype=np.float32),
    )


def as_bytes(network: Network) -> bytes:
    """Return a network as a file: eight bits for each number of the table."""
    scale = np.maximum(np.abs(network.table).max(axis=1), 1e-6) / 127
    file = BytesIO()
    keys_in_order = sorted(network.vocabulary.rows, key=network.vocabulary.rows.__getitem__)
    np.savez_compressed(
        file,
        keys=np.frombuffer("\0".join(keys_in_order).encode(), dtype=np.uint8),
        starts=np.array([network.vocabulary.ordinary, network.vocabulary.telling, network.vocabulary.parts]),
        table=np.round(network.table / scale[:, None]).astype(np.int8),
        scale=scale.astype(np.float32),
        **{
            name: getattr(network, name).astype(np.float32)
            for name in ("near", "near_bias", "far", "far_bias", "out", "out_bias", "least")
        },
    )
    return file.getvalue()
