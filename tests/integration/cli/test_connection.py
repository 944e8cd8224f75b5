"""What a command is given to reach a gateway with is checked before gRPC complains of it in its own way."""

import subprocess
from pathlib import Path

import pytest

from gateway.cli.connection import API_KEY_VARIABLE, ConnectionOptions
from gateway.cli.exits import CommandFailed
from gateway.errors import StartupError
from gateway.server.tls import TlsFiles

ADDRESS = "127.0.0.1:1"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate, its key, the key encrypted, and a text."""
    folder = tmp_path_factory.mktemp("pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    lock = ["openssl", "rsa", "-aes128", "-passout", "pass:secret", "-in", "key.pem", "-out", "locked.pem"]
    for command in ([*make, "-keyout", "key.pem", "-out", "cert.pem"], lock):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    (folder / "text.pem").write_text("no certificate")
    return folder


def refusal(files: Path, *, ca: str = "cert.pem", cert: str = "cert.pem", key: str = "key.pem") -> str:
    """Return why these files are refused."""
    with pytest.raises(CommandFailed) as caught:
        ConnectionOptions(
            server=ADDRESS, tls_ca=files / ca, tls_cert=files / cert, tls_key=files / key
        ).checked({})
    return str(caught.value).replace(f"{files}/", "")


def test_files_that_are_no_pem(files: Path) -> None:
    """The flag, the file, and what it should hold."""
    pair = "is no PEM pair of certificate and unencrypted key"
    assert refusal(files, ca="text.pem") == "--tls-ca text.pem: has no PEM certificate"
    assert refusal(files, ca="key.pem") == "--tls-ca key.pem: has no PEM certificate"
    assert refusal(files, ca="none.pem") == "--tls-ca none.pem: No such file or directory"
    assert refusal(files, cert="text.pem") == f"--tls-cert text.pem, --tls-key key.pem: {pair}"
    assert refusal(files, key="cert.pem") == f"--tls-cert cert.pem, --tls-key cert.pem: {pair}"
    assert refusal(files, key="locked.pem") == f"--tls-cert cert.pem, --tls-key locked.pem: {pair}"


def test_a_server_does_not_ask_for_a_pass_phrase(files: Path) -> None:
    """A key that is encrypted is refused; OpenSSL would wait at the terminal."""
    with pytest.raises(StartupError, match=r"locked\.pem: is no PEM pair of certificate and unencrypted key"):
        TlsFiles(cert=files / "cert.pem", key=files / "locked.pem", client_ca=None).load()


@pytest.mark.parametrize("key", ["gw_ä", "gw_a\nb", "gw_a b", "\x00", "gw_\u200b"])
def test_a_key_that_cannot_be_sent(key: str) -> None:
    """One line that names the variable, and not the key."""
    with pytest.raises(
        CommandFailed, match=f"^{API_KEY_VARIABLE} holds a character that no API key has"
    ) as error:
        ConnectionOptions(server=ADDRESS).checked({API_KEY_VARIABLE: key})
    assert key not in str(error.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  "])
async def test_a_key_from_a_file(end: str) -> None:
    """The line break of the file that it was read from is no part of it."""
    environ = {API_KEY_VARIABLE: f"gw_abc{end}"}
    async with ConnectionOptions(server=ADDRESS).checked(environ).client() as client:
        assert client.target == ADDRESS
