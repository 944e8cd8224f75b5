"""Image and compose file: valid, in step with the command line, and careful with what they run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.cli.app import COMMANDS, load_command
from gateway.policy.loading.load import load_policy
from gateway.policy.model import OpenAIModel
from gateway.simulate.billing import parse_price
from tests.support.repository import ROOT

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ("gateway", "provider")
"""Services that run a command of the gateway; the client runs an example, the others are of others."""
MOUNTED = {"/etc/gateway/policies/": ROOT / "policies"}
"""Folders in the container -> what compose mounts there."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    loaded = YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))
    services: dict[str, Any] = loaded["services"]
    return services


def _parse(command: list[str]) -> dict[str, Any]:
    """Parse a command as the real command line does; return its parameters. A wrong option raises."""
    name, *arguments = command
    parameters: dict[str, Any] = load_command(name).make_context(name, arguments).params
    return parameters


def _instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_the_compose_file_is_valid() -> None:
    """The compose file follows the Compose Specification's schema."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_compose_exist(services: dict[str, Any]) -> None:
    """Our services run a command of the gateway, with options that it has."""
    for name in OURS:
        assert _parse(services[name]["command"]), name


def test_the_client_runs_an_example(services: dict[str, Any]) -> None:
    """The client is started on request only, and runs a file that is mounted where it looks for it."""
    client = services["client"]
    assert client["profiles"] == ["client"]
    assert client["volumes"] == ["./examples:/examples:ro"]
    program, path = client["entrypoint"]
    assert (program, (ROOT / path.lstrip("/")).exists()) == ("python", True)
    assert client["command"][:2] == [
        f"gateway:{_parse(services['gateway']['command'])['listen'].rpartition(':')[2]}",
        f"http://provider:{_parse(services['provider']['command'])['listen'].rpartition(':')[2]}",
    ]


def test_prometheus_and_grafana_get_what_is_there(services: dict[str, Any]) -> None:
    """Their images have a version, what they mount is there, and Prometheus reads the gateway's port."""
    for name in ("prometheus", "grafana"):
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", services[name]["image"])
        for volume in services[name]["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), volume
    scrape = YAML(typ="safe").load(
        (ROOT / "docs" / "dashboards" / "prometheus.yml").read_text(encoding="utf-8")
    )
    (config,) = scrape["scrape_configs"][0]["static_configs"]
    metrics = _parse(services["gateway"]["command"])["metrics"]
    assert config["targets"] == [f"gateway:{metrics.rpartition(':')[2]}"]


def test_grafana_has_no_password(services: dict[str, Any]) -> None:
    """Nobody can log in, so that no default password lets anybody change anything; and it calls nobody."""
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_ANALYTICS_REPORTING_ENABLED"] == "false"


def test_the_commands_of_the_image_exist() -> None:
    """Entry point, default command and health check are what the command line has."""
    (entry,) = (json.loads(text) for text in _instructions("ENTRYPOINT"))
    (command,) = (json.loads(text) for text in _instructions("CMD"))
    (health,) = (json.loads(text.partition("CMD")[2]) for text in _instructions("HEALTHCHECK"))
    assert entry == ["gateway"]
    served = [_parse(command)[name] for name in ("listen", "http")]
    assert served == [f"0.0.0.0:{port}" for port in _instructions("EXPOSE")[0].split()]
    assert health[0] == "gateway"
    assert health[1] in COMMANDS
    _parse(health[1:])


def test_the_gateway_is_checked_by_grpc_health(services: dict[str, Any]) -> None:
    """Compose asks the gateway's own health service, and the gateway waits for its provider."""
    kind, program, *command = services["gateway"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "gateway")
    assert (
        _parse(command)["server"].rpartition(":")[2] == _parse(services["gateway"]["command"])["listen"][-5:]
    )
    assert services["gateway"]["depends_on"]["provider"]["condition"] == "service_healthy"
    assert "healthcheck" in services["provider"]


def test_stopping_leaves_time_to_drain(services: dict[str, Any]) -> None:
    """Compose kills the gateway only after it could drain and end the calls in flight."""
    parameters = _parse(services["gateway"]["command"])
    seconds = float(services["gateway"]["stop_grace_period"].removesuffix("s"))
    assert seconds > parameters["drain_s"] + parameters["grace_s"]


def test_the_policy_of_compose_fits_the_services(services: dict[str, Any]) -> None:
    """The mounted policy is a policy; its cloud is the simulated provider at its port and its price."""
    path = str(_parse(services["gateway"]["command"])["policy"])
    folder = next(folder for folder in MOUNTED if path.startswith(folder))
    assert f"./policies:{folder.rstrip('/')}:ro" in services["gateway"]["volumes"]
    policy = load_policy(MOUNTED[folder] / path.removeprefix(folder))
    provider = _parse(services["provider"]["command"])
    prices = dict(parse_price(price) for price in provider["price"])
    port = provider["listen"].rpartition(":")[2]
    clouds = [spec for spec in policy.models.values() if isinstance(spec, OpenAIModel)]
    assert clouds
    for spec in clouds:
        assert spec.base_url == f"http://provider:{port}/v1"
        price = spec.price_per_million_usd
        assert price is not None
        assert (price.input, price.output) == (prices[spec.model].input, prices[spec.model].output)


def test_only_loopback_is_published(services: dict[str, Any]) -> None:
    """A port is published on this host alone, and no service shares the host's network."""
    for service in services.values():
        assert "network_mode" not in service
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_ports_of_the_gateway_are_mapped(services: dict[str, Any]) -> None:
    """What it serves in the container can be asked from this host, gRPC and HTTP."""
    parameters = _parse(services["gateway"]["command"])
    mapped = [port.rpartition(":")[2] for port in services["gateway"]["ports"]]
    assert mapped == [parameters[name].rpartition(":")[2] for name in ("listen", "http")]


def test_containers_may_do_little(services: dict[str, Any]) -> None:
    """Services have no capabilities, cannot gain privileges, and write to volumes and /tmp only."""
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert service["init"] is True


def test_the_image_runs_as_nobody_special() -> None:
    """The last stage ends as a user that is not root and owns nothing but the ledger's folder."""
    last_stage = DOCKERFILE.rpartition("FROM ")[2]
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["gateway"]
    assert "useradd" in last_stage


def test_the_image_runs_on_other_machines() -> None:
    """llama.cpp is compiled without the build machine's own instructions, before anything is installed."""
    assert DOCKERFILE.index('CMAKE_ARGS="-DGGML_NATIVE=OFF"') < DOCKERFILE.index("pip install")


def test_the_image_has_the_tested_versions() -> None:
    """Everything is installed at the versions of constraints.txt."""
    installs = [line for line in _instructions("RUN") if "pip install" in line]
    assert all("--mount=type=cache,target=/var/cache/pip" in line for line in installs)
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in line for line in installs)


def test_the_image_runs_every_policy() -> None:
    """It has all extras but Presidio, whose spaCy model is for the operator to choose."""
    (ours,) = (line for line in _instructions("RUN") if re.search(r"pip install .* '\.", line))
    assert ours.endswith("'.[all]'")


def _copied() -> Iterator[str]:
    for line in _instructions("COPY"):
        *sources, _ = line.split()
        if not sources[0].startswith("--from="):
            yield from sources


def test_the_build_gets_what_it_copies() -> None:
    """Every file that the Dockerfile copies is there and passes .dockerignore, and nothing else does."""
    passed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert passed == set(_copied())
    assert all((ROOT / name).exists() for name in passed)
