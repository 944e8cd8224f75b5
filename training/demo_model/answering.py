"""Greedy answers of a checkpoint in PyTorch, to compare with llama.cpp's."""

from pathlib import Path

import torch
from torch.nn import functional

from training.demo_model.network import Shape, hidden
from training.demo_model.questions import Question
from training.demo_model.tokens import END, Vocabulary
from training.demo_model.train import conversation


@torch.no_grad()
def answers(checkpoint: Path, questions: list[Question], *, most: int = 40) -> list[str]:
    """Return the greedy answer to each question."""
    state = torch.load(checkpoint)
    words = Vocabulary(state["tokens"], state["merges"])
    shape = Shape(vocabulary=len(words.tokens))
    weights = state["weights"]
    found = []
    for question in questions:
        tokens = conversation(words, question)
        start = len(tokens)
        while len(tokens) < start + most:
            rows = functional.embedding(torch.tensor([tokens]), state["rows"])
            last = hidden(weights, shape, rows)[0, -1]
            tokens.append(int((weights["output"] @ last).argmax()))
            if tokens[-1] == words.id_of(END):
                break
        found.append(words.decode(tokens[start:]))
    return found
