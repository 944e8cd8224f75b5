"""What runs containers here, for tools/compose_test.py: Docker, or Podman with what a bare machine needs.

Podman is met as it is where systemd runs. Elsewhere, as inside a container or a small virtual machine, it
gets settings, storage and networks of its own under build/compose-test/, and touches nothing else. Where the
base image cannot be pulled, a stand-in is made of Debian's packages by debootstrap and takes its name: it
shows that the Dockerfile and the stack work, not that they work on the real base.
"""

import os
import shutil
import subprocess
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "compose-test"
BASE = "docker.io/library/python:3.11-slim"
STAND_IN = ("ca-certificates", "python3", "python3-venv", "python-is-python3")
"""What the base image has and the Dockerfile uses."""
DEBIAN = "bookworm"
"""Whose python3 is 3.11, as the base image's."""
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
DRIVERS = ("overlay", "vfs")
"""Of storage: the second copies every layer whole, and works where the first cannot mount."""
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
"""


class CannotRun(Exception):
    """The stack cannot run on this machine; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program that builds and runs containers, and the one that reads compose files for it."""

    name: str
    program: Sequence[str]
    compose: Sequence[str]
    build_options: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    separator: str = "_"
    """Between the words of a container's name."""
    notes: Sequence[str] = ()
    """What differs from the real thing, for the report."""

    def run(self, *arguments: str, check: bool = True, timeout_s: float = 120.0) -> str:
        """Run the engine; return what it printed. Raises subprocess errors."""
        return self._run([*self.program, *arguments], check=check, timeout_s=timeout_s)

    def compose_run(self, *arguments: str, check: bool = True, timeout_s: float = 300.0) -> str:
        """Run compose in the repository's root."""
        return self._run([*self.compose, *arguments], check=check, timeout_s=timeout_s)

    def succeeds(self, *arguments: str) -> bool:
        """Say whether the engine ends with status 0."""
        done = subprocess.run(
            [*self.program, *arguments], env=self._environ(), capture_output=True, timeout=120, check=False
        )
        return done.returncode == 0

    def _run(self, command: Sequence[str], *, check: bool, timeout_s: float) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise RuntimeError(f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{last}")
        return done.stdout

    def _environ(self) -> dict[str, str]:
        return {**os.environ, **self.environ}


def find_engine(ports: Mapping[str, str]) -> Engine:
    """Return what can run the stack here; raises CannotRun."""
    if shutil.which("docker") and _succeeds("docker", "compose", "version") and _succeeds("docker", "info"):
        return Engine(
            name="docker", program=("docker",), compose=("docker", "compose"), environ=ports, separator="-"
        )
    if not shutil.which("podman"):
        raise CannotRun(
            "neither Docker with compose nor Podman is here (Debian, Ubuntu: apt install podman runc netavark"
            " aardvark-dns catatonit debootstrap)"
        )
    notes = []
    environ = dict(ports)
    if not Path("/run/systemd/system").exists():
        environ |= _own_settings()
        notes.append("Podman without systemd: runc, cgroupfs and storage of its own in build/compose-test/")
    podman = Engine(
        name="podman",
        program=("podman",),
        compose=_podman_compose(),
        build_options=("--isolation", "chroot", "--network", "host"),
        environ=environ,
    )
    return replace(podman, notes=(*notes, *_provide_base(podman)))


def _succeeds(*command: str, environ: Mapping[str, str] | None = None) -> bool:
    whole = {**os.environ, **(environ or {})}
    return subprocess.run(command, env=whole, capture_output=True, timeout=60, check=False).returncode == 0


def _own_settings() -> dict[str, str]:
    """Write Podman's settings for a machine without systemd; return the variables that name them."""
    missing = [name for name in ("runc", "catatonit") if not shutil.which(name) and not _library(name)]
    missing += [name for name in ("netavark", "aardvark-dns") if not _library(name)]
    if missing:
        raise CannotRun(
            f"without systemd Podman needs {', '.join(missing)} (apt install {' '.join(missing)})"
        )
    if os.geteuid() != 0:
        raise CannotRun("without systemd Podman has to run as root here")
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "containers.conf").write_text(_SETTINGS, encoding="utf-8")
    settings = {
        "CONTAINERS_CONF": str(WORK / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(WORK / "storage.conf"),
    }
    for driver in DRIVERS:
        (WORK / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\n'
            f'graphroot = "{WORK}/storage-{driver}"\nrunroot = "{WORK}/run"\n',
            encoding="utf-8",
        )
        if _succeeds("podman", "info", environ=settings):
            return settings
    raise CannotRun("Podman takes no storage here; see: podman info")


def _library(name: str) -> bool:
    return any((Path(folder) / name).exists() for folder in ("/usr/lib/podman", "/usr/libexec/podman"))


def _podman_compose() -> Sequence[str]:
    """Return the command of podman-compose, from an environment of its own where it is not installed."""
    found = shutil.which("podman-compose")
    if found:
        return (found,)
    home = WORK / "podman-compose"
    program = home / "bin" / "podman-compose"
    if not program.exists():
        print("compose-test: installing podman-compose in build/compose-test/", flush=True)
        venv.create(home, with_pip=True)
        done = subprocess.run(
            [home / "bin" / "pip", "install", "--quiet", "podman-compose>=1.5"], timeout=300, check=False
        )
        if done.returncode != 0:
            raise CannotRun("podman-compose could not be installed; see the message above")
    return (str(program),)


def _provide_base(engine: Engine) -> Sequence[str]:
    """See to it that the base image is there; return what is to be said about it."""
    note = f"{BASE} is a stand-in of Debian's packages, because it cannot be pulled here"
    if engine.succeeds("image", "exists", BASE):
        is_stand_in = "stand-in" in engine.run("image", "inspect", "--format", "{{.Comment}}", BASE)
        return [note] if is_stand_in else []
    if engine.succeeds("pull", "--quiet", BASE):
        return []
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        raise CannotRun(f"{BASE} cannot be pulled, and a stand-in needs debootstrap and root")
    print("compose-test: making a stand-in for the base image with debootstrap", flush=True)
    folder, log = WORK / "base", WORK / "debootstrap.log"
    shutil.rmtree(folder, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(STAND_IN)}", DEBIAN, str(folder)]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, timeout=900, check=False)
    if done.returncode != 0:
        raise CannotRun(f"debootstrap failed; see {log}")
    if CA_BUNDLE.exists():  # A proxy that this machine trusts is trusted in the build too.
        shutil.copy(CA_BUNDLE, folder / CA_BUNDLE.relative_to("/"))
    for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(folder / waste, ignore_errors=True)
        (folder / waste / "partial").mkdir(parents=True)
    packed = subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE)
    subprocess.run(
        [*engine.program, "import", "--quiet", "--message", "stand-in", "-", BASE],
        stdin=packed.stdout,
        env={**os.environ, **engine.environ},
        stdout=subprocess.DEVNULL,
        timeout=600,
        check=True,
    )
    shutil.rmtree(folder)
    return [note]
