"""Whether calls of tools at the edge parse and are valid: random tools, random weights, known templates.

    python -m benchmarks.edge_tools [--calls 1000] [--only NAME]

Each family's template runs in a real engine process, with a real vocabulary and random weights, so that
nothing but the grammar leads to a call. SmolLM2 with its real weights is the last. The vocabularies and
templates are those of llama-cpp-python's source distribution: `make test-templates` unpacks it.
"""

import argparse
import asyncio
import random
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.support.edge_calls import FAMILIES, EdgeFamily, Outcomes, measured, smollm2_family


def row(family: EdgeFamily, found: Outcomes, taken_s: float) -> list[str]:
    """Return what the table says of a family."""
    counts = found.counts
    return [
        family.template, family.vocab, str(found.asked), str(found.calls), str(counts["valid"]),
        str(counts["cut"]), str(counts["refused"]), str(counts["wrong"]), str(found.starts), f"{taken_s:.0f}",
    ]  # fmt: skip


def main() -> None:
    """Run each family, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--calls", type=int, default=1000, help="answers with calls, of all families together"
    )
    parser.add_argument("--only", default="", help="a part of a template's name")
    arguments = parser.parse_args()
    families = [each for each in (*FAMILIES, smollm2_family()) if arguments.only in each.template]
    table = Table(
        "template", "vocabulary", "asked", "calls", "valid", "cut", "refused", "wrong", "starts", "s"
    )
    totals: Counter[str] = Counter()
    for family in families:
        begun_s = time.monotonic()
        found = asyncio.run(
            measured(family, count=-(-arguments.calls // len(families)), dice=random.Random(family.template))
        )
        table.add_row(*row(family, found, time.monotonic() - begun_s))
        totals += found.counts
        print(*row(family, found, time.monotonic() - begun_s), flush=True)
    Console().print(table)
    print(f"{totals['valid']} valid of {sum(totals.values()) - totals['refused'] - totals['cut']} that ended")


if __name__ == "__main__":
    main()
