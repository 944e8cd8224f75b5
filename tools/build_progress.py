"""Shows how far a build is: `pip install -v ... 2>&1 | python tools/build_progress.py --log FILE`.

On a terminal it is one line that changes, elsewhere a line every 10 seconds. The file gets the whole output.
"""

import argparse
import codecs
import os
import re
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

EVERY_S = 10.0
"""How often a line is written where there is no terminal."""
REDRAW_S = 1.0
"""How often the line of a terminal changes while the build is silent."""
KNOWN_FROM = 0.1
"""Share of the steps from which on the time left is estimated: the first ones take longer than most."""
_STEP = re.compile(r"^\s*\[(\d+)/(\d+)\] ")
"""What ninja writes in front of each command: `[34/206] /usr/bin/g++ ...`."""
_ERASE = "\r\x1b[K"


class Progress:
    """What the output of a build has said so far, as a line for a person."""

    def __init__(self, what: str, out: TextIO, *, is_terminal: bool, now_s: Callable[[], float]) -> None:
        self._what = what
        self._out = out
        self._is_terminal = is_terminal
        self._now_s = now_s
        self._start_s = now_s()
        self._written_s = self._start_s
        self._steps: tuple[int, int] | None = None
        self._first_step_s = 0.0

    def take(self, line: str) -> None:
        """Read one line of the build's output."""
        if found := _STEP.match(line):
            if self._steps is None:
                self._first_step_s = self._now_s()
            self._steps = (int(found[1]), int(found[2]))

    def show(self) -> None:
        """Write where the build is; away from a terminal at most every `EVERY_S`."""
        now_s = self._now_s()
        if self._is_terminal:
            self._out.write(f"{_ERASE}{self._text(now_s)}")
        elif now_s - self._written_s >= EVERY_S:
            self._written_s = now_s
            self._out.write(f"{self._text(now_s)}\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the terminal a clean line."""
        if self._is_terminal:
            self._out.write(_ERASE)
            self._out.flush()

    def _text(self, now_s: float) -> str:
        elapsed = f"{now_s - self._start_s:.0f} s"
        if self._steps is None:
            return f"{self._what}: preparing, {elapsed}"
        done, total = self._steps
        left_s = (now_s - self._first_step_s) / done * (total - done)
        left = f", about {left_s:.0f} s left" if done / total >= KNOWN_FROM and left_s >= 1 else ""
        return f"{self._what}: [{done}/{total}], {elapsed}{left}"


def lines(source: BinaryIO, log: BinaryIO, *, silent_s: float = REDRAW_S) -> Iterator[str]:
    """Yield each line of the source, and an empty one whenever it says nothing for `silent_s`."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while True:
            if not selector.select(silent_s):
                yield ""
                continue
            data = os.read(source.fileno(), 65536)
            log.write(data)
            *whole, rest = (rest + decoder.decode(data, final=not data)).split("\n")
            yield from whole
            if not data:
                return


def main() -> None:
    """Read standard input to its end."""
    parser = argparse.ArgumentParser(description="Show how far a build is.")
    parser.add_argument("--what", default="setup: compiling llama.cpp", help="what stands before each line")
    parser.add_argument("--log", type=Path, required=True, help="where the whole output goes")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the set-up, without a traceback of this.
    now_s = time.monotonic  # noqa: TID251  # The gateway, and so its clock, is not installed yet.
    progress = Progress(arguments.what, sys.stdout, is_terminal=sys.stdout.isatty(), now_s=now_s)
    with arguments.log.open("wb", buffering=0) as log:
        try:
            for line in lines(sys.stdin.buffer, log):
                progress.take(line)
                progress.show()
        finally:
            progress.end()


if __name__ == "__main__":
    main()
