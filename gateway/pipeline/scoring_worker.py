"""A process that scores long texts for a gateway, one at a time; `scoring_pool` starts it by `main`.

Frames on standard input and output: 4 bytes of length, then a pickle. Both ends are one program on one
host, and nobody else holds the pipes. SIGUSR1 abandons the job; the end of standard input ends the process.
"""

import contextlib
import os
import pickle
import resource
import signal
import struct
import sys
from collections import OrderedDict
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from gateway.clock import CpuClock
from gateway.complexity.complexity import complexity_of
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.pipeline.assessor import Assessment, Assessor, unassessed
from gateway.policy.model import Policy
from gateway.privacy.masking.known_masks import KnownMasks
from gateway.privacy.scanner import Summary

LENGTH = struct.Struct(">I")
NICE = 5
"""Where processors are short the event loop comes first: everybody waits for it."""
CACHED_POLICIES = 4
"""Policies whose scorers a process keeps: the current one, the one before a reload, and their shadow."""


class ScoringJob(NamedTuple):
    """A request to score. `policy` is None where the process should know it by its hash."""

    policy_hash: str
    policy: Policy | None
    request: Request
    entities: Entities
    cpu_limit_s: float
    known: Sequence[Summary | None] | None = None
    """What was found before in each string; None for one that is to be scanned."""
    value_key: bytes = b""
    """Keys the hashes of values in what is known."""


class PolicyUnknown(NamedTuple):
    """The answer to a job whose policy has to be sent along."""


class Abandoned(NamedTuple):
    """The answer to a job that was given up at the owner's signal."""


class Idle(NamedTuple):
    """Says that the process is ready; also the answer to itself, which proves that no signal is pending."""


Answer = Assessment | PolicyUnknown | Abandoned | Idle


class _Abandon(BaseException):
    """Raised by the signal handler wherever the job is; no `except Exception` of a detector holds it."""


class _OverTime(BaseException):
    """Raised when a job has used up its processor time."""


class _Worker:
    """The jobs of one owner."""

    def __init__(self) -> None:
        self._assessors: OrderedDict[str, Assessor] = OrderedDict()
        self._known_masks = KnownMasks()
        self._is_busy = False
        signal.signal(signal.SIGUSR1, self._abandon)
        signal.signal(signal.SIGPROF, self._over_time)

    def answer(self, job: ScoringJob | Idle) -> Answer:
        """Return what comes of one frame; raises nothing."""
        if isinstance(job, Idle):
            return job
        try:
            self._is_busy = True
            signal.setitimer(signal.ITIMER_PROF, job.cpu_limit_s)
            try:
                return self._assess(job)
            finally:
                self._is_busy = False
                signal.setitimer(signal.ITIMER_PROF, 0.0)
        except _Abandon:
            return Abandoned()
        except _OverTime:
            return unassessed("detectors over time")

    def _assess(self, job: ScoringJob) -> Answer:
        assessor = self._assessors.get(job.policy_hash)
        if assessor is None:
            if job.policy is None:
                return PolicyUnknown()
            assessor = self._assessors[job.policy_hash] = assessor_of(
                job.policy, value_key=job.value_key, known_masks=self._known_masks
            )
            if len(self._assessors) > CACHED_POLICIES:
                self._assessors.popitem(last=False)
        self._assessors.move_to_end(job.policy_hash)
        return assessor.measure(job.request, job.entities, job.known)

    def _abandon(self, *_: object) -> None:
        if self._is_busy:
            self._is_busy = False
            raise _Abandon

    def _over_time(self, *_: object) -> None:
        if self._is_busy:
            self._is_busy = False
            raise _OverTime


def assessor_of(policy: Policy, *, value_key: bytes = b"", known_masks: KnownMasks | None = None) -> Assessor:
    """Return the scorers of a policy; their time limits count processor time, since the host may be busy."""
    return Assessor(policy, clock=CpuClock(), value_key=value_key, known_masks=known_masks)


def write_frame(stream: BinaryIO, value: object) -> None:
    """Send one value to the other end."""
    data = pickle.dumps(value)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def _read_frame(stream: BinaryIO) -> ScoringJob | Idle | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        return None
    read: ScoringJob | Idle = pickle.loads(data)  # noqa: S301  See the import.
    return read


def main() -> None:
    """Score until standard input ends."""
    with contextlib.suppress(OSError, ValueError):  # A core file would hold prompts.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    # Only frames leave by standard output, whatever a library prints.
    frames_in, frames_out = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    worker = _Worker()
    complexity_of(unassessed("").features, None)  # Reads the word table now, not in the first job.
    write_frame(frames_out, Idle())
    while (job := _read_frame(frames_in)) is not None:
        write_frame(frames_out, worker.answer(job))
