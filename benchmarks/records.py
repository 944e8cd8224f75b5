"""What a record costs: on the event loop, and in the thread that writes it.

python -m benchmarks.records [--json FILE]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.clock import SystemClock
from gateway.policy.loading.load import parse_policy
from gateway.records.chain import chained, faults
from gateway.records.encoding import fields_of
from gateway.records.files import read_end
from gateway.records.writer import Records
from tests.support.records_made import POLICY, ended

ROUNDS = 9
PER_ROUND = 500


def main() -> None:
    """Measure, print a table, and write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    policy = parse_policy(POLICY, name="benchmark")
    report = ended(policy)
    loop_us = statistics.median(_timed(lambda: fields_of(report)) for _ in range(ROUNDS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        records = Records(path, clock=SystemClock())
        began = time.perf_counter()
        for _ in range(ROUNDS * PER_ROUND):
            records.note(report)
        records.close()
        per_second = ROUNDS * PER_ROUND / (time.perf_counter() - began)
        line_bytes = path.stat().st_size / (ROUNDS * PER_ROUND)
        began = time.perf_counter()
        wrong = list(faults(chained([(str(path), path.read_bytes())]), end=read_end(path)))
        verified_per_second = ROUNDS * PER_ROUND / (time.perf_counter() - began)
    if wrong:
        raise SystemExit(f"the chain that was written has faults: {wrong[0]}")
    rows = {
        "on the event loop, us a request": round(loop_us, 1),
        "noted, written and on the disk, records a second": round(per_second),
        "bytes a record": round(line_bytes),
        "verified, records a second": round(verified_per_second),
    }
    for name, value in rows.items():
        print(f"{name:<52}{value:>12}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


def _timed(work: Callable[[], object]) -> float:
    """Return the microseconds of one call, over many."""
    began = time.perf_counter()
    for _ in range(PER_ROUND):
        work()
    return (time.perf_counter() - began) / PER_ROUND * 1e6


if __name__ == "__main__":
    main()
