"""What a parent shares with its workers: a port that they bind, and a folder."""

import os
import socket
from pathlib import Path

import pytest

from gateway.app.workers.parent import reserve
from gateway.app.workers.shared_folder import held, made, remove_abandoned
from gateway.domain.address import Address
from gateway.errors import StartupError


def test_a_port_that_a_lone_gateway_has_left_is_taken() -> None:
    """Its connections wait for a minute on the port, without the option by which workers share it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        caller = socket.create_connection(("127.0.0.1", port))
        taken, _ = listener.accept()
        taken.close()  # Who closes first is the one that waits.
        assert caller.recv(1) == b""
        caller.close()
    held, address = reserve(Address("127.0.0.1", port), flag="--listen")
    held.close()
    assert address.port == port


def test_a_port_that_is_taken_meanwhile_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the bind somebody else may come: no traceback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = Address("127.0.0.1", listener.getsockname()[1])
        monkeypatch.setattr("gateway.app.workers.parent.claim", lambda _, flag: None)
        with pytest.raises(StartupError, match="Address already in use; choose another address or port"):
            reserve(address, flag="--listen")


def test_a_folder_that_nobody_holds_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last to leave removes it; what killed gateways left, and nothing else, the next one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with made() as mine:
        with held(mine):
            assert mine.is_dir()
        assert mine.is_dir()
        dead, fresh, other = (
            tmp_path / name for name in ("gateway-workers-dead", "gateway-workers-new", "other")
        )
        for folder in (dead, fresh, other):
            folder.mkdir()
            (folder / "lock").touch()
        for folder in (mine, dead, other):
            os.utime(folder, (0, 0))
        remove_abandoned(tmp_path)
        assert [each.is_dir() for each in (mine, dead, fresh, other)] == [True, False, True, True]
    assert not mine.exists()
