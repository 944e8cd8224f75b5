"""The packages of optional extras, and the error that names a missing extra."""

from importlib.util import find_spec

from gateway.errors import StartupError

DISTRIBUTION = "edge-cloud-gateway"
SERVER = "server"
MODULES = {
    "edge": "llama_cpp",
    "redis": "redis",
    "otel": "opentelemetry.exporter.otlp.proto.grpc",
    "handoff": "cryptography",
    "presidio": "presidio_analyzer",
}
"""By extra of pyproject.toml: a module that it installs and `server` does not."""


def require(extra: str, *, because: str) -> None:
    """Raise StartupError with the reason and the extra's name unless its module can be imported."""
    if not is_installed(MODULES[extra]):
        raise StartupError(install_line(extra, because=because))


def install_line(extra: str, *, because: str) -> str:
    """Return the line that tells a user which extra to install."""
    return f"{because}; install {DISTRIBUTION}[{extra}]"


def server_line(error: ModuleNotFoundError) -> str | None:
    """Return the line for a command that lacks a third-party package; None for a gateway module."""
    if error.name is None or error.name.partition(".")[0] == "gateway":
        return None
    return install_line(SERVER, because=f"gateway: this command needs {error.name}, which is not installed")


def is_installed(module: str) -> bool:
    """Say whether a module can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # A parent package is missing.
        return False
