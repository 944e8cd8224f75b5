"""Writes the records of a process in one thread: soon, in order, and synced within a second."""

import fcntl
import json
import os
import queue
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final

import structlog

from gateway.clock import Clock
from gateway.domain.files import replacing
from gateway.domain.mirrored import MirrorResult
from gateway.domain.request import Feedback
from gateway.errors import RecordsUnavailable, StartupError
from gateway.policy.model import Policy
from gateway.records.chain import FILE_KIND, ChainLink, append
from gateway.records.encoding import VERSION, feedback_fields, fields_of, mirror_fields
from gateway.records.files import end_path, full, resume
from gateway.telemetry.report import CallReport

MOST_WAITING = 10_000
"""Records that wait in memory while the disk fails; one more is lost, and counted."""
GATHER_S = 0.02
"""How long the thread gathers records, in seconds: to wake it for each costs more than the record."""
SYNC_EVERY_S = 1.0
"""The longest time from a write to its fdatasync, in seconds."""
RETRY_AFTER_S = 1.0
"""Delay from a failed write to the next attempt, in seconds."""

_log = structlog.get_logger()
_STOP: Final = object()
_Item = tuple[Mapping[str, Any], int]


class Records:
    """Queues the record of each call from the event loop, and writes it in its own thread.

    `on_lost` is called for each lost record, in any thread. Raises StartupError for a file that cannot be
    written or that another process writes.
    """

    def __init__(self, path: Path, *, clock: Clock, on_lost: Callable[[], None] = lambda: None) -> None:
        self.written = 0
        self.lost = 0
        self.is_failing = False
        self._on_lost = on_lost
        self._path = path
        self._clock = clock
        self._session_key = token_bytes(16)
        self._waiting: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._backlog: list[_Item] = []
        self._fd = -1
        self._size = 0
        self._day = ""
        self._is_dirty = False
        self._synced_s = clock.monotonic_s()
        self._lost_recorded = 0
        self._link, torn = self._open_first()
        self._note_start(torn)
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def note(self, report: CallReport) -> None:
        """Record a finished call; a call without a decision leaves no record."""
        if report.decision is not None and report.policy is not None:
            fields = {**fields_of(report), **_session(report, self._session_key)}
            self._put(fields, report.policy.records.rotate_mb)

    def take_feedback(self, feedback: Feedback, policy: Policy) -> float:
        """Record a caller's feedback; return the time of the record, in seconds since 1970.

        Raises RecordsUnavailable while nothing can be written: the caller can retry.
        """
        if self.is_failing:
            raise RecordsUnavailable("feedback cannot be recorded", retry_after_s=RETRY_AFTER_S)
        now_s = self._clock.unix_s()
        fields = feedback_fields(feedback, policy, at_unix_s=now_s)
        self._put(fields, policy.records.rotate_mb)
        return now_s

    def take_mirrored(self, mirrored: MirrorResult, policy: Policy) -> None:
        """Record a mirrored answer; one for which no model was called leaves no record."""
        if mirrored.is_called:
            fields = mirror_fields(mirrored, policy, at_unix_s=self._clock.unix_s())
            self._put(fields, policy.records.rotate_mb)

    def note_session_end(self, session_id: str, *, tenant: str, **fields: str | bool) -> None:
        """Record that a caller had a conversation forgotten, whose later turns are judged by themselves."""
        session = _session_hash(tenant, session_id, self._session_key)
        self.note_event("session_end", tenant=tenant, session=session, **fields)

    def note_event(self, kind: str, **fields: object) -> None:
        """Record another event that an auditor needs, such as a change of the policy."""
        self._put({"kind": kind, "at_unix_s": self._clock.unix_s(), **fields}, 0)

    def gate(self, _tenant: str, _prompt_tokens: int, policy: Policy) -> None:
        """Raise RecordsUnavailable while nothing can be written and the policy requires records."""
        if self.is_failing and policy.records.on_error == "refuse":
            raise RecordsUnavailable("the decision cannot be recorded", retry_after_s=RETRY_AFTER_S)

    def close(self) -> None:
        """Write all queued records, and end the thread."""
        self._closing.set()
        self._waiting.put(_STOP)
        self._thread.join()
        if self._backlog:
            _log.error("records.lost", records=len(self._backlog), file=str(self._path))
            for _ in self._backlog:
                self._on_lost()
        os.close(self._fd)

    def _put(self, fields: Mapping[str, Any], rotate_mb: int) -> None:
        if self._waiting.qsize() >= MOST_WAITING:
            self._lose()
        else:
            self._waiting.put((fields, rotate_mb))

    def _lose(self) -> None:
        self.lost += 1
        self._on_lost()

    # The methods below run in the thread only.

    def _run(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._take(timeout_s=RETRY_AFTER_S if self._is_dirty or self._backlog else None)
            try:
                self._write()
                self._sync(immediately=is_over or self._waiting.empty())
            except OSError as error:
                self._fail(error)
            else:
                self._recover()

    def _take(self, *, timeout_s: float | None) -> bool:
        """Move queued records to the backlog; return whether the writer has to end."""
        try:
            item = self._waiting.get(timeout=timeout_s)
            self._closing.wait(GATHER_S)
            while True:
                if item is _STOP:
                    return True
                if len(self._backlog) < MOST_WAITING:
                    self._backlog.append(item)  # type: ignore[arg-type]  # Only _put and close put.
                else:
                    self._lose()
                item = self._waiting.get_nowait()
        except queue.Empty:
            return False

    def _write(self) -> None:
        """Write the backlog; records that cannot be written stay in it."""
        if self._backlog:
            self._rotate(max(rotate_mb for _, rotate_mb in self._backlog))
            lost = self.lost - self._lost_recorded
            gap = [{"kind": "lost", "at_unix_s": self._clock.unix_s(), "records": lost}] if lost else []
            self._append([*gap, *(fields for fields, _ in self._backlog)])
            self._lost_recorded += lost
            self._backlog.clear()
        if self._is_dirty:
            self._write_end()

    def _append(self, items: list[Mapping[str, Any]]) -> None:
        lines, link = [], self._link
        begin = [] if self._size else [{"kind": FILE_KIND, "at_unix_s": self._clock.unix_s()}]
        for fields in [*begin, *items]:
            line, link = append(link, fields, version=VERSION)
            lines.append(line)
        whole = b"".join(lines)
        try:
            _write_all(self._fd, whole)
        except OSError:
            os.ftruncate(self._fd, self._size)  # An incomplete line would break the next one.
            raise
        self._size += len(whole)
        self._link = link
        self._is_dirty = True
        self.written += len(items)

    def _write_end(self) -> None:
        with replacing(end_path(self._path), mode=0o600) as file:
            file.write(json.dumps({"seq": self._link.seq, "hash": self._link.hash}).encode())

    def _rotate(self, rotate_mb: int) -> None:
        today = self._today()
        if today == self._day and not (rotate_mb and self._size >= rotate_mb * 1_000_000):
            return
        os.fsync(self._fd)
        filled = full(self._path, self._day)
        self._path.rename(filled)
        try:
            fd = self._open()
        except OSError:
            filled.rename(self._path)
            raise
        os.close(self._fd)
        self._fd, self._size, self._day = fd, 0, today
        _log.info("records.rotated", file=str(filled), seq=self._link.seq, hash=self._link.hash)

    def _sync(self, *, immediately: bool) -> None:
        now_s = self._clock.monotonic_s()
        if self._is_dirty and (immediately or now_s - self._synced_s >= SYNC_EVERY_S):
            os.fdatasync(self._fd)
            self._is_dirty, self._synced_s = False, now_s

    def _fail(self, error: OSError) -> None:
        if not self.is_failing:
            _log.error("records.failing", file=str(self._path), error=error.strerror or type(error).__name__)
        self.is_failing = True

    def _recover(self) -> None:
        if self.is_failing:
            _log.info("records.written_again", file=str(self._path), lost=self.lost)
        self.is_failing = False

    def _open_first(self) -> tuple[ChainLink, int]:
        try:
            self._fd = self._open()
            link, torn = resume(self._path)
        except OSError as error:
            raise StartupError(f"--decisions {self._path}: {error.strerror or error}") from None
        except ValueError as error:
            raise StartupError(f"--decisions {self._path}: {error}; move it away") from None
        stat = os.fstat(self._fd)
        self._size = stat.st_size - torn
        self._day = _day(stat.st_mtime) if self._size else self._today()
        os.ftruncate(self._fd, self._size)
        return link, torn

    def _open(self) -> int:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise OSError(0, "another process writes it; give each process its own file") from None
        return fd

    def _note_start(self, torn: int) -> None:
        """Write the first line immediately, so that a file that cannot be written fails the start."""
        start = {"kind": "start", "at_unix_s": self._clock.unix_s(), "torn_bytes": torn}
        try:
            self._append([start])
            self._write_end()
        except OSError as error:
            raise StartupError(f"--decisions {self._path}: {error.strerror or error}") from None

    def _today(self) -> str:
        return _day(self._clock.unix_s())


def _session(report: CallReport, key: bytes) -> Mapping[str, str]:
    """Return the keyed hash that the calls of a conversation share; of an id, which is text, nothing else."""
    routing_input = None if report.decision is None else report.decision.routing_input
    texts = None if routing_input is None else routing_input.texts
    if texts is None or not texts.request.session_id:
        return {}
    return {"session": _session_hash(report.tenant, texts.request.session_id, key)}


def _session_hash(tenant: str, session_id: str, key: bytes) -> str:
    named = f"{tenant}\0{session_id}".encode("utf-8", "surrogatepass")
    return blake2b(named, digest_size=16, key=key).hexdigest()


def _day(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
