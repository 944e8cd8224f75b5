"""Build the image, bring the compose stack up and hold it to its word: `make compose-test`.

Exit status: 0 if every check holds, 1 if one does not, 2 if this machine cannot run the stack; it says why.
"""

import gzip
import json
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from compose_board import GRAFANA_PORT, PROMETHEUS_PORT, ROUTES, check_board, check_grafana, prometheus
from compose_engine import ROOT, CannotRun, Engine, find_engine
from compose_report import CLOCK, Report, wait_for

IMAGE = "edge-cloud-gateway"
PROJECT = "edge-cloud-gateway"
OTHERS = ("prometheus", "grafana")
HTTP_PORT = "50952"
PORTS = {
    "GATEWAY_PORT": "50951",
    "HTTP_PORT": HTTP_PORT,
    "PROMETHEUS_PORT": PROMETHEUS_PORT,
    "GRAFANA_PORT": GRAFANA_PORT,
}


def build(engine: Engine, report: Report) -> None:
    """Build the image from what git knows and a secret that must not be in it; look for it in every layer."""
    canary = secrets.token_hex(24)
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).exists():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, context / name)
        for name in (".env", "keys.txt", "key.pem", "policies/secret", "gateway/.env"):
            (context / name).write_text(f"TOKEN={canary}\n", encoding="utf-8")
        started_s = CLOCK.monotonic_s()
        engine.run("build", *engine.build_options, "--tag", IMAGE, str(context), timeout_s=3600)
        minutes = (CLOCK.monotonic_s() - started_s) / 60
    report.check("the image builds", holds=True, found=f"{minutes:.1f} minutes")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        engine.run("save", "--output", str(archive), IMAGE, timeout_s=600)
        found = [name for name, file in _files(archive) if _contains(file, canary.encode())]
    report.check("no layer has a secret of the build's folder", not found, ", ".join(found))
    (config,) = json.loads(engine.run("image", "inspect", IMAGE))
    named = [word for word in config["Config"]["Env"] if re.search("KEY|TOKEN|SECRET|PASSWORD", word)]
    report.check("its environment names no secret", not named, ", ".join(named))
    report.check("its user is not root", config["Config"]["User"] not in {"", "0", "root"})
    print(f"size    {config['Size'] / 1e6:.0f} MB, all layers", flush=True)


def _files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield what a saved image consists of, its layers among them, as they are stored."""
    with tarfile.open(archive) as outer:
        for member in outer:
            file = outer.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file


def _contains(stored: IO[bytes], wanted: bytes) -> bool:
    """Say whether the bytes, unpacked, hold what is wanted."""
    is_packed = stored.read(2) == b"\x1f\x8b"
    stored.seek(0)
    file = gzip.GzipFile(fileobj=stored) if is_packed else stored
    tail = b""
    while piece := file.read(1 << 20):
        if wanted in tail + piece:
            return True
        tail = piece[-len(wanted) :]
    return False


@contextmanager
def running(engine: Engine, services: Sequence[str]) -> Iterator[None]:
    """Run the stack, with empty volumes before and after."""
    engine.compose_run("down", "--volumes", check=False)
    try:
        engine.compose_run("up", "--detach", "--no-build", *services)
        gateway = container(engine, "gateway")
        wait_for("the gateway serves", lambda: engine.succeeds("exec", gateway, "gateway", "health"))
        yield
    finally:
        engine.compose_run("--profile", "client", "down", "--volumes", check=False)


def container(engine: Engine, service: str) -> str:
    """Return the name of a service's container."""
    return engine.separator.join((PROJECT, service, "1"))


def check_container(engine: Engine, report: Report) -> None:
    """See what the gateway's process may do."""
    gateway = container(engine, "gateway")
    facts = engine.run("exec", gateway, "sh", "-c", "id -u; grep -E 'CapEff|NoNewPrivs' /proc/1/status")
    report.check("it runs as a user that is not root", facts.split()[0] == "10001", facts.split()[0])
    report.check(
        "it has no capability, and can gain none",
        re.search(r"CapEff:\s+0+\nNoNewPrivs:\s+1", facts) is not None,
    )
    for place, may in (
        ("/x", False),
        ("/opt/gateway/x", False),
        ("/tmp/x", True),
        ("/var/lib/gateway/x", True),
    ):
        wrote = engine.succeeds("exec", gateway, "touch", place)
        report.check(f"{place} can{'' if may else 'not'} be written", wrote == may)


def check_routes(engine: Engine, report: Report) -> None:
    """Let the client make every route light up."""
    printed = engine.compose_run("--profile", "client", "run", "--rm", "client", check=False)
    print(*(f"        {line}" for line in printed.splitlines()[:11]), sep="\n")
    last = printed.strip().splitlines()[-1] if printed.strip() else "nothing"
    report.check("every line of the client came out as expected", last.endswith("lines as expected"), last)


def check_http(report: Report) -> None:
    """Ask from this host as a client of OpenAI's API does."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{HTTP_PORT}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            model = json.load(response)["model"]
    except OSError as error:
        model = str(error)
    report.check("the port of HTTP answers from this host", model == "edge", model)


def check_metrics(engine: Engine, report: Report) -> None:
    """Look for the routes on the gateway's own page."""
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
    page = engine.run("exec", container(engine, "gateway"), "python", "-c", read)
    routes = set(re.findall(r'^gateway_requests_total\{.*route="(\w+)"', page, re.M))
    report.check("the metrics know every route", routes >= ROUTES, ", ".join(sorted(routes)))


def check_end(engine: Engine, report: Report) -> None:
    """Stop the gateway as compose does: it drains, and ends well."""
    engine.compose_run("stop", "gateway")
    status = engine.run("inspect", "--format", "{{.State.ExitCode}}", container(engine, "gateway")).strip()
    report.check("the gateway drains and ends with status 0", status == "0", status)


def available(engine: Engine) -> Sequence[str]:
    """Return the services whose images are here or can be pulled; build first."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    images = dict(zip(OTHERS, re.findall(r"^    image: (\S+/\S+)$", text, re.M), strict=True))
    return ["gateway", "provider", *(name for name, image in images.items() if _has(engine, image))]


def _has(engine: Engine, image: str) -> bool:
    name = image if engine.name == "docker" else f"docker.io/{image}"
    return engine.succeeds("image", "inspect", name) or engine.succeeds("pull", "--quiet", name)


def main() -> int:
    """Run every check; return the exit status."""
    try:
        engine = find_engine({**PORTS})
    except CannotRun as error:
        print(f"compose-test: not run: {error}", file=sys.stderr)
        return 2
    for note in engine.notes:
        print(f"note    {note}")
    report = Report()
    build(engine, report)
    services = available(engine)
    left_out = [name for name in OTHERS if name not in services]
    with running(engine, services):
        check_container(engine, report)
        with prometheus(engine, container(engine, "gateway"), services) as server:
            check_http(report)
            check_routes(engine, report)
            check_metrics(engine, report)
            if server is not None:
                check_board(server, report)
        if "grafana" in services:
            check_grafana(report)
        check_end(engine, report)
    if left_out:
        by = "; the queries were put to the Prometheus of this machine" if server else ""
        print(f"note    left out, because their images cannot be pulled here: {', '.join(left_out)}{by}")
    print(f"compose-test: {report.held} checks held, {len(report.failed)} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
