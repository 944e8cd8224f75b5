"""Where a gateway listens: a port, or a unix socket that belongs to its user alone."""

import socket
import stat
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.client.channel import GatewayClient
from gateway.client.prompt import prompt
from gateway.domain.address import Address, parse_listen
from gateway.errors import StartupError
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.served import served


def _backends() -> dict[str, ScriptedBackend]:
    return {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}


@pytest.fixture
def address(tmp_path: Path) -> Address:
    """A socket's address, in a folder of its own."""
    return parse_listen(f"unix:{tmp_path / 'gateway.sock'}")


async def test_a_unix_socket_is_served_and_taken_away(address: Address) -> None:
    """A client asks by unix:PATH; no other user may connect; nothing is left behind."""
    assert address.path is not None
    async with served(_backends(), address=address) as gateway:
        assert stat.S_IMODE(address.path.stat().st_mode) == 0o600
        async with GatewayClient(gateway.server.target) as client:
            assert (await client.generate(prompt("hello"))).text == "hi"
            assert await client.health() == "SERVING"

    assert not address.path.exists()


async def test_a_socket_that_is_left_over_is_replaced(address: Address) -> None:
    """What a gateway that was killed left behind is no reason not to start."""
    assert address.path is not None
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(address.path))
    async with (
        served(_backends(), address=address) as gateway,
        GatewayClient(gateway.server.target) as client,
    ):
        assert (await client.generate(prompt("hello"))).text == "hi"


async def test_a_socket_that_is_in_use_is_left_alone(address: Address) -> None:
    """A second gateway is refused, and the first one goes on."""
    async with served(_backends(), address=address) as first:
        with pytest.raises(StartupError, match=r"--listen unix:.* another process listens there"):
            async with served(_backends(), address=address):
                pass
        async with GatewayClient(first.server.target) as client:
            assert (await client.generate(prompt("hello"))).text == "hi"


async def test_a_file_in_the_place_of_a_socket_is_kept(address: Address) -> None:
    """A path that was mistyped costs no file."""
    assert address.path is not None
    address.path.write_text("precious")
    with pytest.raises(StartupError, match="is a file, not a socket"):
        async with served(_backends(), address=address):
            pass
    assert address.path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x" * 200, "the path is too long; choose another path"),
        ("no/such/folder.sock", "its folder does not exist; create it"),
        ("folder", "is a folder, not a socket; choose another path"),
        ("file/x.sock", "Not a directory; choose another path"),
    ],
)
async def test_a_path_that_cannot_be_bound_is_named(
    tmp_path: Path, name: str, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line that says what is wrong, and none of gRPC's."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match=f"^--listen unix:.*: {wrong}$"):
        async with served(_backends(), address=parse_listen(f"unix:{tmp_path / name}")):
            pass
    assert "add_port" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (["--listen", "unix:"], "--listen unix:: must be unix:PATH"),
        (["--listen", "unix:/tmp/x.sock", "--workers", "2"], "--workers 2: a unix socket cannot be shared"),
        (["--listen", "tcp://127.0.0.1:1"], "--listen tcp://127.0.0.1:1: must be HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "--listen 127.0.0.1:70000: must have a port up to 65535"),
    ],
)
def test_a_wrong_address_is_refused(
    flags: list[str], wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, with the flag and the way out."""
    assert run(["serve", "--state", f"sqlite:///{tmp_path / 'ledger.db'}", *flags]) == 2
    assert wrong in capsys.readouterr().err


@pytest.mark.parametrize("command", [["generate", "hi"], ["health"], ["feedback", "r", "--score", "1"]])
@pytest.mark.parametrize(
    "server", ["", "127.0.0.1", ":50051", "127.0.0.1:70000", "unix:", "host:port", "a b"]
)
def test_a_server_that_is_no_address_is_refused(
    server: str, command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Before anything is connected to: one line, with what an address looks like."""
    assert run([*command, "--server", server]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"gateway: --server {server}: must ")
    assert said.count("\n") == 1


def test_an_address_has_a_name_of_its_own() -> None:
    """Two gateways of a host have their sockets for operators beside each other."""
    names = {parse_listen(each).name for each in ("127.0.0.1:1", "127.0.0.1:2", "unix:/a", "unix:/b")}
    assert len(names) == 4
    assert parse_listen("127.0.0.1:50051").name == "50051"
    assert parse_listen("unix:/a").is_loopback
