"""What it says of an answer that the model says the same again, beside what its logits say.

`python -m benchmarks.agreement [--model PATH] [--questions N] [--json]`: generated questions with known
answers (sums, differences, products, comparisons; of `builtin:demo` its exam, in which not to know is wrong)
are asked of a local model, `builtin:smollm2-135m` for example. Prints the AUROC of wrong answers by the
logits of the first tokens, by the agreement of samples, and by both, on held-out answers, and what the
samples cost in tokens.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Role
from gateway.offline.confidence_fit import ConfidenceOutcome, SignalComparison, compare_signals
from gateway.offline.labelled import LabelledQuestion
from gateway.offline.model_probe import ModelProbe
from gateway.policy.builtin import DEMO
from gateway.policy.escalation import Agreement, Escalate
from gateway.policy.model import LlamaCppModel
from training.demo_model.exam import Asked, draw_exam

Judged = tuple[Sequence[Message], Callable[[str], bool]]
"""A conversation, and whether an answer to it is right."""
SEED = 20_261_129
MAX_TOKENS = 32


def questions_of(count: int, *, seed: int = SEED) -> Iterator[LabelledQuestion]:
    """Yield arithmetic and comparisons of rising difficulty; the answer is a number."""
    dice = random.Random(seed)
    for number in range(count):
        top = (10, 30, 100, 1000)[number % 4]
        one, other = dice.randint(1, top), dice.randint(1, top)
        text, answer = (
            (f"What is {one} + {other}? Answer with the number only.", one + other),
            (
                f"What is {max(one, other)} - {min(one, other)}? Answer with the number only.",
                abs(one - other),
            ),
            (f"What is {one} times {other % 13}? Answer with the number only.", one * (other % 13)),
            (f"Which number is larger, {one} or {other}? Answer with the number only.", max(one, other)),
        )[number // 4 % 4]
        yield LabelledQuestion(text=text, answers=(str(answer),))


def asked_of(path: str, count: int) -> list[Judged]:
    """Return the questions for a model."""
    if path != DEMO:
        return [
            ((Message(role=Role.USER, content=each.text),), each.is_right) for each in questions_of(count)
        ]
    exam = draw_exam(max(1, count // 10), seed=SEED)
    random.Random(SEED).shuffle(exam)
    return [
        (tuple(Message(role=Role(role), content=text) for role, text in each.question.messages), _right(each))
        for each in exam[:count]
    ]


def _right(asked: Asked) -> Callable[[str], bool]:
    return lambda reply: not asked.question.is_unknown and asked.is_right(reply)


async def measure(path: str, count: int) -> tuple[SignalComparison | None, float, int]:
    """Return the comparison, the share of right answers, and how many there are."""
    asked = Agreement(samples=3, max_tokens=MAX_TOKENS)
    spec = LlamaCppModel(
        kind="llama_cpp", path=path, clearance="restricted", max_tokens=MAX_TOKENS, slots=4, context=1024,
        escalate=Escalate(agreement=asked),
    )  # fmt: skip
    questions = asked_of(path, count)
    probe = ModelProbe("edge", spec, clock=SystemClock())
    await probe.start()
    try:
        answers = [each async for each in probe.answers(messages for messages, _ in questions)]
    finally:
        await probe.close()
    outcomes = [
        ConfidenceOutcome(
            signals=answer.signals, is_right=is_right(answer.text), agreement=answer.agreement,
            sample_tokens=answer.sample_tokens,
        )
        for answer, (_, is_right) in zip(answers, questions, strict=True)
        if answer.signals is not None
    ]  # fmt: skip
    right = sum(each.is_right for each in outcomes) / len(outcomes)
    return compare_signals(outcomes), right, len(outcomes)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default=DEMO, metavar="PATH", help="a GGUF file, or builtin:NAME")
    parser.add_argument("--questions", type=int, default=400, metavar="N")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    path = options.model if options.model.startswith("builtin:") else str(Path(options.model).resolve())
    compared, right, count = asyncio.run(measure(path, options.questions))
    if compared is None:
        raise SystemExit(f"{options.model}: too few answers of a kind ({right:.0%} of {count} are right)")
    result = {"model": options.model, "questions": count, "right": right, **asdict(compared)}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{options.model}: {count} questions, {right:.0%} answered right; 3 answers compared, 32 tokens each"
    )
    print("AUROC of wrong answers, held out")
    for name in ("logits", "agreement", "both"):
        print(f"  {name:12}{result[name]:6.3f}")
    print(f"tokens of samples, an answer: {compared.sample_tokens:.1f}")


if __name__ == "__main__":
    main()
