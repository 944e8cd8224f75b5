"""Whether reasoning ends at its budget: `python -m benchmarks.thinking [ANSWERS [FAMILY ...]]`, of 1,000.

Random weights, with the vocabularies and templates of eight families, whose prompts are made to begin
reasoning where they do not; needs `make test-templates`, or LLAMA_CPP_MODELS. A FAMILY is a part of the
template's name: its share is measured alone.
"""

import asyncio
import sys
from collections.abc import Sequence

from tests.support.real_engine import running, spec
from tests.support.thinking_models import FAMILIES, think, thinking_model

ANSWERS = 1000


async def main(answers: int, families: Sequence[str]) -> int:
    """Print a line a family; return 1 if any answer is not as it should be."""
    share = -(-answers // len(FAMILIES))
    is_good = True
    print(
        f"{'template':45} {'answers':>7} {'reasoned':>8} {'closed':>6} {'valid':>9} {'over':>4} {'leaks':>5}"
    )
    for name in FAMILIES:
        if families and not any(family in name for family in families):
            continue
        async with running(spec(path=thinking_model(name, opens=True), context=512, slots=8)) as (
            engine,
            stub,
        ):
            found = await think(stub, share)
            is_good = is_good and engine.generation == 1
        valid = f"{found.valid}/{found.constrained}"
        over, leaks = len(found.over_budget), len(found.leaks)
        print(
            f"{name:45} {found.answers:>7} {found.reasoned:>8} {found.closed:>6} {valid:>9} "
            f"{over:>4} {leaks:>5}",
            flush=True,
        )
        is_good = is_good and not (over or leaks) and found.valid == found.constrained
    return 0 if is_good else 1


if __name__ == "__main__":
    asked = sys.argv[1:]
    sys.exit(asyncio.run(main(int(asked[0]) if asked else ANSWERS, asked[1:])))
