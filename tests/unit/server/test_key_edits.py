"""The file of API keys and its changes: what a line says, and what an edit leaves as it was."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.errors import InputRefused, WorkRefused
from gateway.server.key_edits import add_key, find_key, revoke_key, rotate_key
from gateway.server.key_file import KeyFile, KeyState, new_key, parse_keys
from tests.support.fakes import FakeClock

NOW_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z
DIGESTS = [hashlib.sha256(name.encode()).hexdigest() for name in "abc"]
TEXT = f"""\
# Keys of the shop.
{DIGESTS[0]} acme 2027-12-31 name=ci   # of the builds

{DIGESTS[1]}\tacme
  {DIGESTS[2]} beta name=desk
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three keys, with comments."""
    path = tmp_path / "keys.txt"
    path.write_text(TEXT)
    return path


def test_a_revoked_key_keeps_its_line_and_all_else_is_as_it_was(path: Path) -> None:
    """The mark says when; order, comments and other lines stay, and revoking again changes nothing."""
    path.chmod(0o640)
    entry, is_new = revoke_key(path, DIGESTS[0][:8], clock=FakeClock(unix_s=NOW_S))

    marked = f"{DIGESTS[0]} acme 2027-12-31 name=ci revoked=2027-01-15T08:00:00Z   # of the builds"
    assert (entry.state(NOW_S), is_new) == (KeyState.REVOKED, True)
    assert path.read_text() == TEXT.replace(TEXT.splitlines()[1], marked)
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]
    before = path.read_bytes()
    assert revoke_key(path, DIGESTS[0], clock=FakeClock(unix_s=NOW_S + 60)) == (entry, False)
    assert path.read_bytes() == before


def test_a_revoked_key_is_refused_whatever_the_clock_says(path: Path) -> None:
    """The mark is no time from which it counts: clocks of hosts differ."""
    key, entry = new_key("acme")
    add_key(path, entry)
    keys = KeyFile(path, clock=FakeClock(unix_s=NOW_S - 3600))
    assert keys.entry_of(key) is not None
    revoke_key(path, entry.id, clock=FakeClock(unix_s=NOW_S))
    keys.reload(only_if_changed=True)
    assert keys.entry_of(key) is None


def test_both_keys_are_valid_until_the_overlap_ends(path: Path) -> None:
    """The new key has tenant and name of the old one, stands behind it, and outlives it."""
    clock = FakeClock(unix_s=NOW_S)
    key, entry = new_key("acme", name="ci")
    add_key(path, entry)
    fresh, made, old = rotate_key(path, entry.id, overlap_s=3600, expires=None, clock=clock)
    keys = KeyFile(path, clock=clock)

    assert path.read_text().splitlines()[-2:] == [old.line(), made.line()]
    assert (made.tenant, made.name, made.expires) == ("acme", "ci", "")
    assert keys.entry_of(key) is not None
    assert keys.entry_of(fresh) == made
    clock.advance(3600)
    assert keys.entry_of(key) is None
    assert keys.entry_of(fresh) == made


def test_a_rotation_never_lets_an_old_key_live_longer(path: Path) -> None:
    """The old key's own end stands if it is earlier; the new key ends when the old one would have."""
    clock = FakeClock(unix_s=NOW_S)
    _, entry = new_key("acme", expires="2027-01-15")
    add_key(path, entry)
    _, made, old = rotate_key(path, entry.id, overlap_s=30 * 86_400, expires=None, clock=clock)
    assert (old.expires, made.expires) == ("2027-01-15", "2027-01-15")
    clock.advance(86_400)
    with pytest.raises(InputRefused, match="--expires"):
        rotate_key(path, made.id, overlap_s=0, expires=None, clock=clock)
    _, last, _ = rotate_key(path, made.id, overlap_s=0, expires="2028-01-01", clock=clock)
    assert last.state(NOW_S + 86_400) is KeyState.VALID


@pytest.mark.parametrize(
    ("key_id", "said"),
    [("1234567", "at least 8"), ("00000000", "no key has this id"), (DIGESTS[1][:7] + "!", "no key")],
)
def test_an_id_that_names_no_key_changes_nothing(path: Path, key_id: str, said: str) -> None:
    """The message says where ids are listed, and nothing is guessed from a few digits."""
    with pytest.raises(InputRefused, match=said):
        revoke_key(path, key_id, clock=SystemClock())
    assert path.read_text() == TEXT


def test_an_id_that_several_keys_share_is_refused(path: Path) -> None:
    """It takes as many digits as tell them apart."""
    path.write_text(f"{'ab' * 5}{'0' * 54} acme\n{'ab' * 5}{'1' * 54} acme\n")
    with pytest.raises(InputRefused, match="2 keys"):
        find_key(path, "abababab")
    assert find_key(path, f"{'ab' * 5}0").digest.hex().endswith("0000")


def test_edits_at_the_same_time_are_all_kept(path: Path) -> None:
    """Each waits for the one before: of twenty keys that are added concurrently none is lost."""
    made = [new_key(f"tenant-{number}")[1] for number in range(20)]
    threads = [threading.Thread(target=add_key, args=(path, entry)) for entry in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert {entry.digest for entry in made} <= parse_keys(path.read_text(), name="keys.txt").keys()


def test_a_file_that_an_editor_changed_meanwhile_is_not_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor knows no lock: the command says so, and the editor's file stays."""
    sync = os.fsync

    def saved_first(file: int) -> None:
        path.write_text("# saved by an editor\n")
        sync(file)

    monkeypatch.setattr(os, "fsync", saved_first)
    with pytest.raises(WorkRefused, match="changed meanwhile"):
        revoke_key(path, DIGESTS[0], clock=SystemClock())
    assert path.read_text() == "# saved by an editor\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_changed_while_it_was_read_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is revoked while a gateway starts is refused as soon as it looks."""
    key, entry = new_key("acme")
    add_key(path, entry)
    parse = parse_keys

    def revoked_meanwhile(text: str, *, name: str) -> object:
        revoke_key(path, entry.id, clock=SystemClock())
        return parse(text, name=name)

    monkeypatch.setattr("gateway.server.key_file.parse_keys", revoked_meanwhile)
    keys = KeyFile(path, clock=SystemClock())
    monkeypatch.undo()
    assert keys.entry_of(key) is not None
    keys.reload(only_if_changed=True)
    assert keys.entry_of(key) is None


def test_the_commands_show_a_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """new and rotate print the key alone on standard output; list and the file hold none."""
    path = tmp_path / "keys.txt"
    assert run(["keys", "new", "acme", "--name", "ci", "--keys", str(path)]) == 0
    first = capsys.readouterr()
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(["keys", "list", "--keys", str(path), "--json"]) == 0
    (listed,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert run(["keys", "rotate", listed["id"], "--overlap", "0", "--keys", str(path)]) == 0
    second = capsys.readouterr()
    assert run(["keys", "list", "--keys", str(path)]) == 0
    table = capsys.readouterr().out

    digest = hashlib.sha256(first.out.strip().encode()).hexdigest()
    assert listed == {
        "id": digest[:12], "tenant": "acme", "name": "ci", "expires": "", "state": "valid"
    }  # fmt: skip
    assert f"{digest[:12]} is no longer valid" in second.err
    for key in (first.out.strip(), second.out.strip()):
        assert key.startswith("gw_")
        assert key not in path.read_text() + table + first.err + second.err
    assert [line.split()[-1] for line in table.splitlines()[1:]] == ["expired", "valid"]


def test_a_line_that_is_appended_by_a_shell_is_never_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`new` without --keys prints the line, also where a variable names the file, which `list` reads."""
    path = tmp_path / "keys.txt"
    monkeypatch.setenv("GATEWAY_KEYS", str(path))
    assert run(["keys", "new", "acme"]) == 0
    made = capsys.readouterr()
    assert not path.exists()
    path.write_text(made.out)
    assert run(["keys", "list"]) == 0
    assert made.out[:12] in capsys.readouterr().out
    assert "gw_" not in made.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("rotate", DIGESTS[0], "--overlap", "7w"), 2, "--overlap"),
        (("rotate", DIGESTS[0], "--expires", "2001-01-01"), 2, "has passed"),
        (("revoke", "00000000"), 2, "no key has this id"),
        (("new", "a/b"), 2, "tenant"),
    ],
)
def test_a_wrong_argument_is_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    """Nothing is written, and no key is shown."""
    assert run(["keys", *arguments, "--keys", str(path)]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), said in err) == ("", 1, True)
    assert path.read_text() == TEXT
