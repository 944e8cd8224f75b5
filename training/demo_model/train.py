"""Train the demo model: `python -m training.demo_model.train --out build/demo`, with the extra `training`.

Two threads by default, a fixed seed, a checkpoint every 250 steps from which `--resume` goes on.
"""

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.demo_model.network import Shape, Weights, hidden, new_blocks
from training.demo_model.optimizer import Muon
from training.demo_model.questions import Question, draw_forced, draw_training
from training.demo_model.tokens import BOS, END, ROLES, Vocabulary, learn_vocabulary

SEED = 20_261_125
MERGES = 1600
FORCED_SHARE = 0.05
POOL = 8192
"""Questions that are drawn together and sorted by length, so that a batch has little padding."""
STEPS, PLATEAU = 6_500, 2_600
TOKENS = 4096
"""Of one batch, padding included."""
IGNORED = -100

Batch = tuple[Tensor, Tensor]


def vocabulary() -> Vocabulary:
    """Return the vocabulary, learned from the first questions."""
    dice = random.Random(SEED)
    texts = (text for _ in range(60_000) for text in _texts(draw_training(dice)))
    return learn_vocabulary(texts, merges=MERGES)


def _texts(question: Question) -> list[str]:
    return [content for _, content in question.messages] + [question.answer]


def conversation(words: Vocabulary, question: Question) -> list[int]:
    """Return the prompt of a question as the chat template writes it."""
    tokens = [words.id_of(BOS)]
    for role, content in question.messages:
        tokens += [words.id_of(ROLES[role]), *words.encode(content), words.id_of(END)]
    return [*tokens, words.id_of(ROLES["assistant"])]


def example(words: Vocabulary, question: Question) -> tuple[list[int], int]:
    """Return the tokens of a question with its answer, and how many of them are no answer."""
    prompt = conversation(words, question) + words.encode(question.forced)
    return [*prompt, *words.encode(question.answer), words.id_of(END)], len(prompt)


def batches(words: Vocabulary, dice: random.Random) -> Iterator[Batch]:
    """Yield tokens and targets for ever, both [batch, length]; a target that does not count is IGNORED."""
    while True:
        drawn = [
            draw_forced(dice) if dice.random() < FORCED_SHARE else draw_training(dice) for _ in range(POOL)
        ]
        pool = sorted((example(words, question) for question in drawn), key=lambda each: len(each[0]))
        groups: list[list[tuple[list[int], int]]] = [[]]
        for each in pool:
            if (len(groups[-1]) + 1) * len(each[0]) > TOKENS:
                groups.append([])
            groups[-1].append(each)
        dice.shuffle(groups)
        yield from (padded(group) for group in groups if group)


def padded(group: list[tuple[list[int], int]]) -> Batch:
    """Return a batch of examples, padded at the end."""
    length = max(len(tokens) for tokens, _ in group) - 1
    x = torch.zeros(len(group), length, dtype=torch.long)
    y = torch.full((len(group), length), IGNORED, dtype=torch.long)
    for row, (tokens, skipped) in enumerate(group):
        x[row, : len(tokens) - 1] = torch.tensor(tokens[:-1])
        y[row, skipped - 1 : len(tokens) - 1] = torch.tensor(tokens[skipped:])
    return x, y


class Embeddings:
    """Rows of the tokens: what a token shares with its other cases, and what is its own."""

    def __init__(self, words: Vocabulary, shape: Shape, generator: torch.Generator) -> None:
        forms = words.forms()
        bases = {base: i for i, base in enumerate(dict.fromkeys(form.base for form in forms))}
        self._base_of = torch.tensor([bases[form.base] for form in forms])
        self._case_of = torch.tensor([form.case + 3 * form.has_space for form in forms])
        self.weights: Weights = {
            "base": torch.randn(len(bases), shape.embedding, generator=generator) * 0.5,
            "case": torch.zeros(6, shape.embedding),
            "own": torch.zeros(len(forms), shape.embedding),
            "output": torch.randn(len(forms), shape.embedding, generator=generator) * 0.02,
        }

    def rows(self, tokens: Tensor) -> Tensor:
        """Return the embeddings of tokens."""
        weights = self.weights
        return (
            functional.embedding(self._base_of[tokens], weights["base"])
            + functional.embedding(self._case_of[tokens], weights["case"])
            + functional.embedding(tokens, weights["own"])
        )


def loss_of(blocks: Weights, embeddings: Embeddings, shape: Shape, batch: Batch) -> Tensor:
    """Return the mean cross-entropy of the answers' tokens."""
    x, y = batch
    states = hidden(blocks, shape, embeddings.rows(x))
    counted = y != IGNORED
    logits = functional.linear(states[counted], embeddings.weights["output"]).float()
    return functional.cross_entropy(logits, y[counted])


def rate(step: int, steps: int) -> float:
    """Return the learning rate's factor: a short rise, a plateau, then a straight fall to nothing."""
    fall = min(1.0, (steps - step) / max(1, steps - PLATEAU))
    return min(1.0, (step + 1) / 100) * fall


def train(out: Path, *, steps: int, resume: bool, threads: int) -> None:
    """Train, and leave `checkpoint.pt` and `log.jsonl` in a folder."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    shape = Shape(vocabulary=len(words.tokens))
    generator = torch.Generator().manual_seed(SEED)
    blocks = new_blocks(shape, generator)
    embeddings = Embeddings(words, shape, generator)
    matrices = [tensor for name, tensor in blocks.items() if tensor.ndim == 2]
    others = [tensor for tensor in blocks.values() if tensor.ndim == 1]
    for tensor in (*blocks.values(), *embeddings.weights.values()):
        tensor.requires_grad_(True)
    muon = Muon(matrices, rate=0.02)
    adam = torch.optim.AdamW(
        [{"params": list(embeddings.weights.values()), "lr": 4e-3}, {"params": others, "lr": 4e-3}],
        betas=(0.9, 0.98), weight_decay=0.0,
    )  # fmt: skip
    rates = [group["lr"] for group in adam.param_groups]
    first = 0
    saved = out / "checkpoint.pt"
    if resume and saved.exists():
        state = torch.load(saved)
        first = state["step"]
        with torch.no_grad():
            for name, tensor in (*blocks.items(), *embeddings.weights.items()):
                tensor.copy_(state["weights"][name])
        muon.load(state["muon"])
        adam.load_state_dict(state["adam"])
    data = batches(words, random.Random(SEED + 1))
    started_s, total = time.perf_counter(), 0.0
    for step, batch in enumerate(itertools.islice(data, steps)):
        if step < first:
            continue  # The same questions as if it had not been interrupted.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(blocks, embeddings, shape, batch)
        loss.backward()
        muon.step(rate(step, steps))
        for group, full in zip(adam.param_groups, rates, strict=True):
            group["lr"] = full * rate(step, steps)
        adam.step()
        adam.zero_grad(set_to_none=True)
        total += float(loss.detach())
        if (step + 1) % 50 == 0:
            line = {
                "step": step + 1,
                "loss": round(total / 50, 4),
                "s": round(time.perf_counter() - started_s, 1),
            }
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), file=sys.stderr, flush=True)
            total = 0.0
        if (step + 1) % 250 == 0 or step + 1 == steps:
            weights = {
                name: tensor.detach() for name, tensor in (*blocks.items(), *embeddings.weights.items())
            }
            rows = embeddings.rows(torch.arange(len(words.tokens))).detach()
            torch.save({"step": step + 1, "weights": weights, "rows": rows, "muon": muon.state(),
                        "adam": adam.state_dict(),
                        "tokens": words.tokens, "merges": words.merges}, saved)  # fmt: skip


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    train(options.out, steps=options.steps, resume=options.resume, threads=options.threads)


if __name__ == "__main__":
    main()
