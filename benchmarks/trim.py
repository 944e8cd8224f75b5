"""How many tokens a rule's `context` saves on agents' conversations, by what it leaves out and when.

    python benchmarks/trim.py --data DIR [--price-cached 0.1] [--json]

DIR holds `*.jsonl` or `*.jsonl.gz`, a conversation in `messages` of each line, as OpenAI's chat API has it.
Each message of the assistant was a request with all messages before it; each is shortened as routing does.
Tokens are those that routing estimates. `new` are those behind the beginning that a request shares with the
one before it, which a provider reads at the full price; the others cost the part `--price-cached` of it.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.domain.conversation import Message, Role, Text, ToolCall, ToolResult
from gateway.domain.request import Request
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.trimming import Trim
from gateway.trimming.trim import trimmed

ABOVE_TOKENS = (2_000, 3_000, 4_000, 6_000)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What all requests of all conversations are long, and cost, under one setting."""

    trim: str
    above_tokens: int
    requests: int
    shortened: int
    fit: int
    """How many are not longer than `above_tokens`."""
    tokens: int
    new_tokens: int
    cost: float
    """In tokens at the full price."""


def conversations(folder: Path) -> Iterator[Sequence[Message]]:
    """Yield the conversations of all files of a folder."""
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield tuple(_message(each) for each in json.loads(line)["messages"])


def _message(raw: dict[str, Any]) -> Message:
    text = raw.get("content") or ""
    if raw["role"] == "tool":
        result = ToolResult(tool_call_id=raw["tool_call_id"], parts=(Text(text),))
        return Message(role=Role.TOOL, parts=(result,))
    calls = tuple(
        ToolCall(id=call["id"], name=call["function"]["name"], arguments_json=call["function"]["arguments"])
        for call in raw.get("tool_calls") or ()
    )
    if calls:
        return Message(role=Role.ASSISTANT, parts=(*((Text(text),) if text else ()), *calls))
    return Message(role=Role(raw["role"]), content=text)


def requests_of(messages: Sequence[Message]) -> Iterator[Request]:
    """Yield the requests that a conversation was made by."""
    for at, message in enumerate(messages):
        if message.role is Role.ASSISTANT and at:
            yield Request(request_id="r", tenant="t", messages=tuple(messages[:at]))


def measure(asked: Sequence[Sequence[Request]], trim: Trim, above_tokens: int, price_cached: float) -> Saved:
    """Shorten every request, and add up what is left."""
    shortened = fit = tokens = new_tokens = 0
    for conversation in asked:
        before: Sequence[Message] = ()
        for request in conversation:
            short = trimmed(request, trim, above_tokens)
            shortened += short is not None
            sent = request if short is None else short.request
            length = estimate_prompt_tokens(sent)
            same = 0
            while same < min(len(before), len(sent.messages)) and before[same] == sent.messages[same]:
                same += 1
            known = estimate_prompt_tokens(replace(sent, messages=sent.messages[:same])) if same else 0
            fit += length <= above_tokens
            tokens, new_tokens, before = tokens + length, new_tokens + length - known, sent.messages
    return Saved(
        trim=trim,
        above_tokens=above_tokens,
        requests=sum(map(len, asked)),
        shortened=shortened,
        fit=fit,
        tokens=tokens,
        new_tokens=new_tokens,
        cost=new_tokens + price_cached * (tokens - new_tokens),
    )


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--price-cached", type=float, default=0.1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    asked = [tuple(requests_of(each)) for each in conversations(arguments.data)]
    if not asked:
        parser.error(f"--data: {arguments.data} has no conversations; give a folder with *.jsonl files")
    whole = measure(asked, Trim.NONE, ABOVE_TOKENS[-1], arguments.price_cached)
    rows = [
        measure(asked, trim, above, arguments.price_cached)
        for trim in (Trim.TOOL_RESULTS, Trim.OLDEST)
        for above in ABOVE_TOKENS
    ]
    if arguments.json:
        print(json.dumps({"conversations": len(asked), "rows": [asdict(each) for each in (whole, *rows)]}))
        return
    table = Table(
        "trim", "above_tokens", "shortened", "fit", "tokens", "saved", "new tokens", "cost, cached at "
        f"{arguments.price_cached:g}", title=f"{len(asked)} conversations, {whole.requests} requests",
    )  # fmt: skip
    for each in (whole, *rows):
        table.add_row(
            each.trim,
            "" if each is whole else f"{each.above_tokens:,}",
            f"{each.shortened / each.requests:.0%}",
            "" if each is whole else f"{each.fit / each.requests:.0%}",
            f"{each.tokens:,}",
            f"{1 - each.tokens / whole.tokens:.1%}",
            f"{each.new_tokens:,}",
            f"{each.cost / whole.cost - 1:+.1%}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
