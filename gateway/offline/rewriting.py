"""Replaces a file by a changed one, atomically; and judges the changed text of a policy."""

import os
import tempfile
from pathlib import Path

from gateway.errors import PolicyError, WorkRefused
from gateway.offline.policy_tests import run_tests
from gateway.policy.diff.loosening import loosened
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.policy.source import Path as Key


def accepted(text: str, before: Policy, path: Path, changed: Key) -> Policy:
    """Return the policy of a changed text; raises WorkRefused where another key than `changed` is looser.

    It also raises WorkRefused where a test of the policy passes now and would fail.
    """
    try:
        after = parse_policy(text, name=before.source.name, folder=path.parent)
    except PolicyError as error:
        raise WorkRefused(f"nothing was written: {error.problems[0]}") from None
    if other := [where for where, _ in loosened(before, after) if where != changed]:
        raise WorkRefused(f"nothing was written: {after.source.at(other[0], 'would be looser too')}")
    passed = {each.index for each in run_tests(before) if not each.problems}
    for verdict in run_tests(after):
        if verdict.problems and verdict.index in passed:
            where = after.source.at(("tests", verdict.index), verdict.problems[0])
            raise WorkRefused(f"nothing was written, since a test of the policy would fail: {where}")
    return after


def is_unchanged(content: bytes, before: Policy, path: Path) -> bool:
    """Return whether the content of a policy file still gives the policy that was read."""
    try:
        after = parse_policy(content.decode("utf-8"), name=before.source.name, folder=path.parent)
    except (UnicodeDecodeError, PolicyError):
        return False
    return after.hash == before.hash


def replace_file(path: Path, old: bytes, new: bytes) -> None:
    """Replace a file, keeping its name, owner and mode; raises WorkRefused, and changes nothing then.

    A reader finds the old file or the new one, never a part. A symbolic link stays one.
    """
    real = path.resolve()
    draft = None
    try:
        was = real.stat()
        with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f".{real.name}.", delete=False) as file:
            draft = Path(file.name)
            file.write(new)
            if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
            os.fchmod(file.fileno(), was.st_mode & 0o7777)
            file.flush()
            os.fsync(file.fileno())
        if real.read_bytes() != old:
            raise WorkRefused(f"{path}: has changed meanwhile; nothing was written, run the command again")
        draft.replace(real)
        draft = None
    except OSError as error:
        raise WorkRefused(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
