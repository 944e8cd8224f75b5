"""What a turn of a long conversation costs to score, with and without what is known of its earlier turns.

Then the same for a policy that masks, where one turn in 25 brings a new address.

    python -m benchmarks.conversation [FILE.jsonl.gz] [--turns 200]

Without a file the conversation is made: each turn is a question, a call of a tool, its result and an answer.
A file has one JSON object a line, with `messages` as the chat completions API takes them; of it the classes
are printed that its turns get, and why.
"""

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Part, Role, Text, ToolCall, ToolResult
from gateway.domain.request import Request
from gateway.pipeline.assessor import Assessor
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.privacy.masking.known_masks import KnownMasks
from gateway.privacy.summary_cache import SummaryCache
from tests.support.policies import POLICY

MASKING = POLICY.replace("kind: openai,", "kind: openai, mask: [EMAIL],", 1)

REPORTED = (1, 10, 50, 100, 200)
PROSE = (
    "The order left the warehouse on Tuesday, and the carrier expects two more days for the last part. " * 12
)


def made(turns: int, *, private: int = 0) -> Iterator[Sequence[Message]]:
    """Yield the conversation as it is sent in each turn; one in `private` turns brings an address."""
    messages: list[Message] = [Message(role=Role.SYSTEM, content="You help with orders. " * 40)]
    for turn in range(turns):
        call = ToolCall(id=f"call_{turn}", name="find_order", arguments_json=f'{{"order": {1000 + turn}}}')
        result = json.dumps({"order": 1000 + turn, "note": f"{turn}: {PROSE}"})
        messages += [
            Message(
                role=Role.USER, content=_question(turn, has_address=bool(private) and turn % private == 0)
            ),
            Message(role=Role.ASSISTANT, parts=(call,)),
            Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=call.id, parts=(Text(result),)),)),
        ]
        yield tuple(messages)
        messages.append(Message(role=Role.ASSISTANT, content=f"Turn {turn}: {PROSE[:300]}"))


def _question(turn: int, has_address: bool) -> str:
    asked = f"Where is order number {1000 + turn}, and why is it late?"
    return f"{asked} Write to person{turn}@mail{turn}.net." if has_address else asked


def read(line: str) -> Iterator[Sequence[Message]]:
    """Yield a recorded conversation as it was sent for each answer."""
    messages: list[Message] = []
    for each in json.loads(line)["messages"]:
        if each["role"] == "assistant":
            yield tuple(messages)
        messages.append(_message(each))


def _message(said: Mapping[str, Any]) -> Message:
    role, text = Role(said["role"]), said.get("content") or ""
    if role is Role.TOOL:
        return Message(role=role, parts=(ToolResult(tool_call_id=said["tool_call_id"], parts=(Text(text),)),))
    parts: list[Part] = [Text(text)] if text else []
    for call in said.get("tool_calls") or ():
        function = call["function"]
        parts.append(
            ToolCall(id=call["id"], name=function["name"], arguments_json=function["arguments"] or "{}")
        )
    plain = len(parts) <= 1 and text
    return Message(role=role, content=text) if plain else Message(role=role, parts=tuple(parts))


def cpu_ms(assessor: Assessor, request: Request, cache: SummaryCache | None) -> tuple[float, str]:
    """Return the processor time of scoring a request, and its class and why."""
    began_s = time.process_time()
    if cache is None:
        privacy = assessor.measure(request).privacy
    else:
        seen = cache.look_up(request, "policy")
        measured = assessor.measure(request, known=seen.known)
        cache.keep(seen, measured.summaries)
        privacy = measured.privacy
    ms = (time.process_time() - began_s) * 1000
    return ms, f"{privacy.privacy_class.name.lower()}, {privacy.reason}"


def main() -> None:
    """Print the curve, and the classes of a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--turns", type=int, default=200)
    given = parser.parse_args()
    if given.file is None:
        conversations = [made(given.turns)]
    else:
        with gzip.open(given.file, "rt", encoding="utf-8") as lines:
            conversations = [read(line) for line in lines]
    assessor = Assessor(_without_limit(POLICY), clock=SystemClock())
    times: dict[int, list[tuple[float, float]]] = {}
    classes: Counter[str] = Counter()
    differing = 0
    for conversation in conversations:
        cache = SummaryCache(has_tenants=False)
        for turn, messages in enumerate(conversation, 1):
            request = Request(request_id="r", tenant="t", messages=tuple(messages))
            known_ms, class_ = cpu_ms(assessor, request, cache)
            all_ms, plain = cpu_ms(assessor, request, None)
            differing += class_ != plain
            classes[class_] += 1
            times.setdefault(turn, []).append((known_ms, all_ms))
    _print(times, classes, differing)
    if given.file is None:
        Console(file=sys.stdout).print(_curve(masking_times(given.turns), "CPU of scoring and masking, "))


def _without_limit(text: str) -> Policy:
    """Return a policy whose scans do not give up on a busy machine: one that did would look quick."""
    policy = parse_policy(text, name="policy.yaml")
    return replace(policy, privacy=policy.privacy.model_copy(update={"limit_ms": 10_000}))


def masking_times(turns: int) -> Mapping[int, Sequence[tuple[float, float]]]:
    """Return what each turn costs where a model may see the conversation only masked."""
    policy = _without_limit(MASKING)
    known = Assessor(policy, clock=SystemClock(), known_masks=KnownMasks())
    unknown = Assessor(policy, clock=SystemClock())
    cache = SummaryCache(has_tenants=False)
    times = {}
    for turn, messages in enumerate(made(turns, private=25), 1):
        request = Request(request_id="r", tenant="t", messages=tuple(messages))
        times[turn] = [(cpu_ms(known, request, cache)[0], cpu_ms(unknown, request, None)[0])]
    return times


def _print(times: Mapping[int, Sequence[tuple[float, float]]], classes: Counter[str], differing: int) -> None:
    table = Table(title=f"Turns by class and reason; {differing} differ with the cache")
    table.add_column("class")
    table.add_column("turns", justify="right")
    for class_, count in classes.most_common():
        table.add_row(class_, str(count))
    console = Console(file=sys.stdout)
    console.print(_curve(times, "CPU of scoring, "))
    console.print(table)


def _curve(times: Mapping[int, Sequence[tuple[float, float]]], what: str) -> Table:
    curve = Table(title=f"{what}milliseconds a turn")
    for name in ("turn", "conversations", "with cache", "without"):
        curve.add_column(name, justify="right")
    for turn in sorted(times):
        if turn in REPORTED or turn == max(times):
            known, everything = zip(*times[turn], strict=True)
            count = len(known)
            curve.add_row(
                str(turn), str(count), f"{sum(known) / count:.2f}", f"{sum(everything) / count:.2f}"
            )
    return curve


if __name__ == "__main__":
    main()
