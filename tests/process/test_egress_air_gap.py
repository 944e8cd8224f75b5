"""`gateway serve --air-gap`: no connection leaves this host, and what would make one is refused at start."""

import asyncio
import contextlib
import ipaddress
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.cli.demo.cases import CASES, EASY
from gateway.cli.demo.stage import MAX_TOKENS, PRICES, GatewayProcess, Stage, state_url
from gateway.client.prompt import prompt
from gateway.errors import PolicyError, StartupError
from gateway.policy.loading.air_gap import refuse_beyond_this_host
from gateway.policy.loading.load import load_policy, parse_policy
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import AIR_GAP
from tests.support.repository import ROOT

ALLOWED = ["http://127.0.0.1:8080/v1", "http://127.9.9.9/v1", "http://[::1]:8080/v1", "https://127.0.0.1/v1"]
REFUSED = [
    "https://api.openai.com/v1",
    "http://localhost:8080/v1",
    "http://10.0.0.7/v1",
    "http://0.0.0.0/v1",
    "http://[::]/v1",
    "http://[fe80::1]/v1",
    "http://127.0.0.1.example.com/v1",
    "http://2130706433/v1",
    "http://127.1/v1",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_models_on_this_host_are_taken(url: str) -> None:
    """A server of models on loopback is on this host, whatever its port or scheme."""
    assert parse_policy(AIR_GAP % f'base_url: "{url}"', name="p", air_gap=True).models


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize("key", ["base_url", "proxy"])
def test_any_other_address_in_the_policy_is_refused_with_its_line(url: str, key: str) -> None:
    """Names too: to look one up may already ask another host. Without --air-gap the policy is right."""
    own = "" if key == "base_url" else 'base_url: "http://127.0.0.1:9/v1"\n    '
    text = AIR_GAP % f'{own}{key}: "{url}"'
    line = next(at for at, row in enumerate(text.splitlines(), start=1) if f"{key}:" in row)
    assert parse_policy(text, name="p").models
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, name="p.yaml", air_gap=True)
    (problem,) = caught.value.problems
    assert problem.startswith(f"p.yaml:{line}: models.cloud.{key}: is not an address of this host")


def test_an_address_that_is_left_to_the_default_is_refused() -> None:
    """Without base_url requests go to OpenAI."""
    with pytest.raises(PolicyError, match=r"p:4: models\.cloud\.base_url: is missing, so requests would go"):
        parse_policy(AIR_GAP % "context: 4096", name="p", air_gap=True)


@pytest.mark.parametrize("listen", ["0.0.0.0", "10.0.0.7", "::", "localhost", "gateway.example.com"])
def test_any_other_address_to_listen_on_is_refused(listen: str) -> None:
    """The flag is named; --insecure does not help."""
    with pytest.raises(StartupError, match=f"--listen {re.escape(listen)}: is not an address of this host"):
        refuse_beyond_this_host(hosts={"--listen": listen}, state_url="memory:")


@pytest.mark.parametrize(
    "url",
    ["redis://db.example.com/0", "redis://:secret@10.0.0.7", "redis://localhost", "sqlite://nas/x.db", "x:y"],
)
def test_any_other_address_of_the_state_is_refused(url: str) -> None:
    """The flag is named, and not the URL, which may hold a password."""
    with pytest.raises(StartupError, match="--state: is not on this host") as caught:
        refuse_beyond_this_host(hosts={}, state_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["memory:", "sqlite:///var/lib/gateway/ledger.db", "redis://127.0.0.1:6379/0", "unix:///run/redis.sock"],
)
def test_state_on_this_host_is_taken(url: str) -> None:
    """Memory, files, loopback and unix sockets."""
    refuse_beyond_this_host(hosts={"--listen": "127.0.0.1"}, state_url=url)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--policy", "POLICY"], r"policy\.yaml:9: models\.cloud\.base_url: is not an address of this host"),
        (["--listen", "0.0.0.0:0", "--insecure"], r"--listen 0\.0\.0\.0: is not an address of this host"),
        (["--state", "redis://db.example.com/0"], "--state: is not on this host"),
    ],
    ids=["policy", "listen", "state"],
)
def test_the_command_refuses_in_one_line(
    flags: Sequence[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, the file's line or the flag, and nothing is started."""
    path = tmp_path / "policy.yaml"
    path.write_text(AIR_GAP % 'base_url: "https://llm.example.com/v1"')
    arguments = [str(path) if flag == "POLICY" else flag for flag in flags]
    assert run(["serve", "--air-gap", *arguments]) == 2
    error = capfd.readouterr().err
    assert re.search(said, error)
    assert error.count("\n") == 1


def test_the_clinics_policy_may_be_run_so() -> None:
    """The example that is meant for it passes, and its header says how to run it."""
    path = ROOT / "policies" / "clinic-air-gapped.yaml"
    assert load_policy(path, air_gap=True).models
    assert "gateway serve --air-gap --policy policies/clinic-air-gapped.yaml" in path.read_text()


WATCH = """\
import os, socket, sys
def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1] if len(args) > 1 else None
        said = f"unix {address!r}" if args[0].family == socket.AF_UNIX else f"inet {address[0]}"
    elif event == "socket.getaddrinfo":
        said = f"lookup {args[0]}"
    else:
        return
    with open(os.environ["WATCH_FILE"], "a") as file:
        file.write(said + chr(10))
sys.addaudithook(watch)
"""
"""A sitecustomize that writes down every connect, datagram and look-up of a process, before it happens."""


@contextlib.asynccontextmanager
async def watched_gateway(folder: Path, policy: Path, *flags: str) -> AsyncIterator[GatewayProcess]:
    """Run `gateway serve` with the watch inside it, and inside its engine."""
    (folder / "sitecustomize.py").write_text(WATCH)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--policy", str(policy), "--listen", "127.0.0.1:0"),
        *("--state", state_url(folder), "--drain-s", "0", "--log-format", "json", "--trust-tenant-header"),
        *flags,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "WATCH_FILE": str(folder / "watched")},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    gateway = GatewayProcess(process, process.stderr)
    try:
        await gateway.wait_serving()
        yield gateway
    finally:
        await gateway.end()


def remote_addresses(pid: int) -> set[str]:
    """Return the far ends of all TCP and UDP sockets of a process now, those of C libraries included."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # Closed meanwhile.
            inodes.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            host, _, port = fields[2].partition(":")
            if fields[9] in inodes and port != "0000":
                words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


async def test_no_connection_leaves_while_the_demos_traffic_runs(tmp_path: Path) -> None:
    """Every connect, datagram and look-up of the real process and its engine stays on loopback."""
    far: set[str] = set()
    async with SimulatedCloud(PRICES).serve() as cloud:
        policy = tmp_path / "policy.yaml"
        template = files("gateway.cli.demo").joinpath("simulated.yaml").read_text(encoding="utf-8")
        policy.write_text(template.replace("{provider}", cloud.base_url), encoding="utf-8")
        async with watched_gateway(tmp_path, policy, "--air-gap") as gateway:
            stage = Stage(cloud=cloud, gateway=gateway)

            async def sample() -> None:
                while True:
                    for pid in (gateway.pid, gateway.engine_pid):
                        with contextlib.suppress(FileNotFoundError):  # The engine that was killed.
                            far.update(remote_addresses(pid))
                    await asyncio.sleep(0.005)

            sampling = asyncio.create_task(sample())
            for case in CASES:
                cloud.clear_faults()
                await case.prepare(stage)
                async with stage.client(case.tenant) as client:
                    response = await client.generate(prompt(case.text, max_tokens=MAX_TOKENS), timeout_s=30)
                assert response.route == case.expected.route, case.title
            sampling.cancel()
    watched = (tmp_path / "watched").read_text().splitlines()
    assert "inet 127.0.0.1" in watched, "the watch sees the calls to the provider on loopback"
    assert [said for said in watched if not is_local(said)] == []
    assert "127.0.0.1" in far | {"::ffff:127.0.0.1"}
    assert [host for host in far if not _is_loopback(host)] == []


def is_local(said: str) -> bool:
    """Say whether what the watch saw stays on this host."""
    kind, _, what = said.partition(" ")
    return kind == "unix" or _is_loopback(what)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


async def test_the_watch_sees_what_would_leave(tmp_path: Path) -> None:
    """Without --air-gap, and with a provider elsewhere, it sees the connect: else it would prove nothing."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        (AIR_GAP % 'base_url: "http://192.0.2.1:9/v1"').replace("[edge, cloud]", "[cloud, edge]")
    )
    async with (
        SimulatedCloud().serve() as cloud,
        watched_gateway(tmp_path, policy) as gateway,
        Stage(cloud=cloud, gateway=gateway).client("demo") as client,
    ):
        response = await client.generate(prompt(EASY), timeout_s=2)
        assert response.route == pb.ROUTE_LOCAL
    assert "inet 192.0.2.1" in (tmp_path / "watched").read_text().splitlines()
