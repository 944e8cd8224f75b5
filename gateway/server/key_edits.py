"""Changes of the file of API keys, whole and one at a time, while gateways read it."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import InputRefused, WorkRefused
from gateway.offline.rewriting import replace_file
from gateway.server.key_file import (
    ID_DIGITS,
    KeyEntry,
    KeyState,
    new_key,
    parse_keys,
    parse_line,
    read_text,
    written_time,
)

FEWEST_ID_DIGITS = 8
"""Of an id that a person types."""


def add_key(path: Path, entry: KeyEntry) -> None:
    """Append a key to a file, which is made if there is none, for its owner alone.

    Raises StartupError for a file that is wrong, and WorkRefused for one that cannot be written.
    """
    with _locked(path):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise WorkRefused(f"{path}: cannot be written: {error.strerror}") from None
        text = read_text(path)
        parse_keys(text, name=str(path))
        whole = text if not text or text.endswith("\n") else f"{text}\n"
        replace_file(path, text.encode(), f"{whole}{entry.line()}\n".encode())


def revoke_key(path: Path, key_id: str, *, clock: Clock) -> tuple[KeyEntry, bool]:
    """Mark a key as revoked, and return it and whether it was not before.

    Its line stays, so that the file says what became of the key. Raises as `add_key`, and InputRefused.
    """
    with _locked(path):
        entry = find_key(path, key_id)
        if entry.revoked:
            return entry, False
        revoked = replace(entry, revoked=written_time(clock.unix_s()))
        _rewrite(path, entry.digest, [revoked])
        return revoked, True


def rotate_key(
    path: Path, key_id: str, *, overlap_s: float, expires: str | None, clock: Clock
) -> tuple[str, KeyEntry, KeyEntry]:
    """Put a new key beside an old one, which ends after `overlap_s`; raises as `revoke_key`.

    Returns the new key, what the file has of it, and what it has of the old one now. The new key has tenant
    and name of the old one and, unless `expires` is given, its end.
    """
    with _locked(path):
        old, now_s = find_key(path, key_id), clock.unix_s()
        if old.revoked:
            raise InputRefused(f"{path}: the key {old.id} is revoked; make another: gateway keys new")
        key, new = new_key(old.tenant, expires=expires or old.expires, name=old.name)
        if new.state(now_s) is not KeyState.VALID:
            raise InputRefused(f"{path}: the key {old.id} ended {new.expires}; give the new one --expires")
        ends_s = now_s + overlap_s
        if old.expires_unix_s is None or ends_s < old.expires_unix_s:
            old = replace(old, expires=written_time(ends_s), expires_unix_s=ends_s)
        _rewrite(path, old.digest, [old, new])
        return key, new, old


def find_key(path: Path, key_id: str) -> KeyEntry:
    """Return the only key whose id begins so; raises InputRefused, and StartupError for a wrong file."""
    digits = key_id.lower()
    if len(digits) < FEWEST_ID_DIGITS:
        raise InputRefused(f"a key's id has {ID_DIGITS} digits; give at least {FEWEST_ID_DIGITS} of them")
    entries = parse_keys(read_text(path), name=str(path)).values()
    found = [entry for entry in entries if entry.digest.hex().startswith(digits)]
    if len(found) != 1:
        what = f"{len(found)} keys have an id that begins so" if found else "no key has this id"
        raise InputRefused(f"{path}: {what}; see: gateway keys list")
    return found[0]


def _rewrite(path: Path, digest: bytes, lines: Sequence[KeyEntry]) -> None:
    """Put other lines in the place of a key's; all else stays as it is, the comment behind the key too."""
    text = read_text(path)
    written: list[str] = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        entry = parse_line(line, place=f"{path}:{number}")
        if entry is None or entry.digest != digest:
            written.append(line)
            continue
        fields, mark, comment = line.rstrip("\r\n").partition("#")
        behind = f"{fields[len(fields.rstrip()) :]}{mark}{comment}"
        ending = line[len(line.rstrip("\r\n")) :] or "\n"
        first, *more = lines
        written += [first.line() + behind + ending, *(f"{each.line()}{ending}" for each in more)]
    replace_file(path, text.encode(), "".join(written).encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one command at a time change the files of a folder; the kernel ends the lock with the process."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise WorkRefused(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
