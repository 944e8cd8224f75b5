"""What the signals of a conversation say of whether an agent will fail, and what escalating by them is worth.

`python -m benchmarks.agents --data DIR`, DIR being a folder of conversations with outcomes
(`agents*.jsonl.gz` with `task_id`, `reward` and `messages` as OpenAI's chat API has them; no part of the
repository). Prints two tables, or with --json the same as JSON.

The combination is the second head that `gateway learn` learns over the shipped scorer, from the turns of
conversations about other tasks: tasks are held out, a fifth at a time, in several divisions. Every figure is
the mean over the same held-out parts, so that a row can be compared with any other.
"""

import argparse
import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import complexity_of, shipped_scorer
from gateway.domain.signals import ConversationSignals
from gateway.offline.chat_messages import moments, read_messages
from gateway.offline.confidence_fit import auroc
from gateway.offline.conversation_head import FirstHead, learn_head
from gateway.offline.outcomes import Moment, QualityOutcome, gains_of, moment_of
from gateway.policy.complexity import Scorer

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

AFTER = (6, 10, 14, 20)
"""How many messages have been seen; of a shorter conversation all."""
SHOWN_AFTER = 14
"""When the table of shares escalates."""
FOLDS = 5
DIVISIONS = 4
"""How often the tasks are divided into folds."""
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COMBINED = "learned combination"
LAST, FIRST = "complexity, last text", "complexity, first text"
LENGTH = "conversation_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is known of a conversation at each point, and how it ended."""

    task: str
    outcome: QualityOutcome
    seen: Mapping[int, Moment]
    """By the number of messages."""
    begun: Moment
    """At the first text of the user."""

    @property
    def failed(self) -> float:
        """1 for a conversation that failed."""
        return 1.0 - (self.outcome.weak or 0.0)


def read_conversations(folder: Path) -> list[Conversation]:
    """Return the conversations of all files of a folder."""
    paths = sorted(folder.rglob("agents*.jsonl.gz"))
    if not paths:
        raise SystemExit(f"{folder}: has no agents*.jsonl.gz")
    return [_conversation(row) for path in paths for row in _rows(path)]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for message in row["messages"]:
                # The tools of tau-bench say so in words.
                if message["role"] == "tool" and str(message.get("content")).startswith("Error"):
                    message["is_error"] = True
            yield row


def _conversation(row: Mapping[str, Any]) -> Conversation:
    messages = read_messages(row["messages"])
    first, *later = (moment_of(each) for each in moments(messages))
    outcome = QualityOutcome(
        features=first[0], signals=first[1], later=tuple(later), weak=float(row["reward"]), strong=None
    )
    seen = {count: moment_of(messages[:count]) for count in AFTER}
    return Conversation(task=f"{row['source']} {row['task_id']}", outcome=outcome, seen=seen, begun=first)


Score = Callable[[Conversation, int], float]


def fixed_scores() -> dict[str, Score]:
    """Return what is looked at without any learning, by name."""

    def of_signal(name: str) -> Score:
        return lambda each, count: float(
            each.seen[count][1].values()[name] or 0
        )  # "": no effort is asked for.

    return {
        **{name: of_signal(name) for name in ConversationSignals().values()},
        LAST: lambda each, count: complexity_of(each.seen[count][0]),
        FIRST: lambda each, count: complexity_of(each.begun[0]),
    }


def learned_score(conversations: Sequence[Conversation]) -> Score:
    """Return the score of a second head over the shipped scorer, learned from these conversations."""
    base = shipped_scorer()
    outcomes = [each.outcome for each in conversations]
    found = learn_head(outcomes, gains_of(outcomes), FirstHead.of(base, len(outcomes)))
    scorer = Scorer(
        weights=base.weights, intercept=base.intercept, slope=base.slope, sha256="", conversation=found.head
    )
    return lambda each, count: complexity_of(each.seen[count][0], scorer, each.seen[count][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A held-out part, and what scores its conversations."""

    conversations: Sequence[Conversation]
    scores: Mapping[str, Score]

    def values(self, name: str, count: int) -> Floats:
        """Return the scores of all of its conversations."""
        return np.array([self.scores[name](each, count) for each in self.conversations])

    @property
    def failed(self) -> Floats:
        """1 for each that failed."""
        return np.array([each.failed for each in self.conversations])


def held_out_parts(conversations: Sequence[Conversation]) -> Iterator[Part]:
    """Yield each fold of tasks, with a combination that was learned from the others."""
    tasks = np.array([each.task for each in conversations])
    for division in range(DIVISIONS):
        order = np.random.default_rng(division).permutation(np.unique(tasks))
        for fold in range(FOLDS):
            held = np.isin(tasks, order[fold::FOLDS])
            own = [each for each, is_held in zip(conversations, held, strict=True) if is_held]
            others = [each for each, is_held in zip(conversations, held, strict=True) if not is_held]
            if 0.0 < sum(each.failed for each in own) < len(own):
                yield Part(conversations=own, scores={**fixed_scores(), COMBINED: learned_score(others)})


def aurocs(parts: Sequence[Part]) -> dict[str, list[float | None]]:
    """Return the AUROC of failure of each score, by the messages seen; None where it is always the same."""
    return {name: [_auroc(parts, name, count) for count in AFTER] for name in parts[0].scores}


def _auroc(parts: Sequence[Part], name: str, count: int) -> float | None:
    found = [part.values(name, count) for part in parts]
    if not any(values.std() > 0 for values in found):
        return None
    return float(np.mean([auroc(values, part.failed) for values, part in zip(found, parts, strict=True)]))


def qualities(parts: Sequence[Part], count: int) -> dict[str, list[float]]:
    """Return the share of conversations that end well, by the share that is escalated, whose end is well.

    They are chosen after so many messages by the highest score; a part of a conversation counts as a part.
    """
    names = (LENGTH, COMBINED, LAST, FIRST)
    found = {name: [_quality(parts, name, count, share) for share in SHARES] for name in names}
    well = 1.0 - float(np.mean([part.failed.mean() for part in parts]))
    return {"random": [well + (1.0 - well) * share for share in SHARES], **found}


def _quality(parts: Sequence[Part], name: str, count: int, share: float) -> float:
    return float(np.mean([_well(part.values(name, count), part.failed, share) for part in parts]))


def _well(scores: Floats, failed: Floats, share: float) -> float:
    """Return the share that ends well; of equal scores each is escalated in part."""
    _, rank = np.unique(-scores, return_inverse=True)
    sizes, failures = np.bincount(rank), np.bincount(rank, weights=failed)
    before = np.cumsum(sizes) - sizes
    taken = np.clip((share * len(scores) - before) / sizes, 0.0, 1.0)
    return float(1.0 - (failures * (1.0 - taken)).sum() / len(scores))


def _print(result: Mapping[str, Any]) -> None:
    """Print both tables, at most 80 columns wide."""
    counted = f"{result['conversations']} conversations of {result['tasks']} tasks"
    print(f"{counted}, {result['failed']:.0%} fail; {result['how']}\n")
    print(f"{'AUROC of failure':28}" + "".join(f"{f'after {count}':>11}" for count in AFTER))
    for name, values in result["auroc"].items():
        print(f"{name:28}" + "".join(f"{'-' if value is None else f'{value:.3f}':>11}" for value in values))
    table = result["quality"]
    heads = {
        "random": "random",
        LENGTH: "length",
        COMBINED: "combination",
        LAST: "last text",
        FIRST: "first text",
    }
    print(f"\nshare that ends well, escalated after {SHOWN_AFTER} messages (escalated ones end well)")
    print(f"{'escalated':12}" + "".join(f"{heads[name]:>13}" for name in table))
    for index, share in enumerate(SHARES):
        print(f"{f'{share:.0%}':12}" + "".join(f"{values[index]:13.3f}" for values in table.values()))


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--learn-from",
        type=Path,
        metavar="DIR",
        help="learn from these conversations, and hold out all of --data",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    conversations = read_conversations(options.data)
    if options.learn_from is None:
        parts = list(held_out_parts(conversations))
        how = f"mean of {len(parts)} held-out parts"
    else:
        learned = learned_score(read_conversations(options.learn_from))
        parts = [Part(conversations=conversations, scores={**fixed_scores(), COMBINED: learned})]
        how = "learned from others"
    result = {
        "conversations": len(conversations),
        "tasks": len({each.task for each in conversations}),
        "failed": float(np.mean([each.failed for each in conversations])),
        "how": how,
        "after": AFTER,
        "auroc": aurocs(parts),
        "shares": SHARES,
        "quality": qualities(parts, SHOWN_AFTER),
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)


if __name__ == "__main__":
    main()
