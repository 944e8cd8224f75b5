"""The Helm chart, by real `helm` and the published schemas of Kubernetes. No cluster runs here."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from gateway.cli.serve import serve
from gateway.offline.egress_manifests import network_policy
from gateway.policy.egress import destinations
from gateway.policy.loading.load import parse_policy
from tests.support.npm_packages import Unavailable
from tests.support.peer_packages import installed_helm, installed_kubernetes_validate
from tests.support.repository import ROOT

CHART = ROOT / "deploy" / "helm" / "edge-cloud-gateway"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
PLAIN = CHART / "ci" / "plain-values.yaml"
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Tools:
    """Programs of others."""

    helm: Path
    validate: Path

    def rendered(self, *args: str) -> str:
        """Return the manifests of a release named `g`."""
        return _run(self.helm, "template", "g", str(CHART), *args).stdout

    def check(self, manifests: str, folder: Path) -> None:
        """Hold manifests against the schemas of Kubernetes; unknown keys are errors."""
        file = folder / "manifests.yaml"
        file.write_text(manifests)
        done = _run(self.validate, "--strict", "--quiet", str(file), check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def tools() -> Tools:
    """The programs; the tests are skipped, with words, where they cannot be had."""
    try:
        return Tools(helm=installed_helm(), validate=installed_kubernetes_validate())
    except Unavailable as error:
        pytest.skip(str(error))


def _run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done


def _by_kind(text: str) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for manifest in YAML(typ="safe").load_all(text):
        found.setdefault(manifest["kind"], []).append(manifest)
    return found


def _pods(found: Mapping[str, list[Manifest]]) -> Any:
    (workload,) = found.get("Deployment", []) + found.get("StatefulSet", [])
    return workload["spec"]["template"]["spec"]


def test_there_are_ten_value_sets() -> None:
    """Each is a way to run the gateway."""
    assert len(VALUES) == 10


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_every_value_set_renders_to_what_kubernetes_takes(values: Path, tools: Tools, tmp_path: Path) -> None:
    """Linted, rendered, and valid; every pod is restricted, and every flag is one of `gateway serve`."""
    _run(tools.helm, "lint", "--strict", str(CHART), "--values", str(values))
    text = tools.rendered("--values", str(values))
    tools.check(text, tmp_path)
    found = _by_kind(text)
    pods = _pods(found)
    assert pods["securityContext"]["runAsNonRoot"]
    for container in pods.get("initContainers", []) + pods["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
    command, *args = pods["containers"][0]["args"]
    assert command == "serve"
    context = _parsed(args)
    ends_within_s = context["drain_s"] + context["grace_s"]
    assert pods["terminationGracePeriodSeconds"] > ends_within_s
    policy = found["ConfigMap"][0]["data"]["policy.yaml"]
    assert (
        context["grace_s"] == 30
        or context["grace_s"] >= parse_policy(policy, name="p").resilience.deadline_s.max
    )
    has_tls = context["tls_cert"] is not None
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert ("exec" in pods["containers"][0][probe]) is has_tls


def _parsed(args: list[str]) -> Mapping[str, Any]:
    """Return the values of flags; fails for a flag that `gateway serve` does not have."""
    app = typer.Typer()
    app.command()(serve)
    return typer.main.get_command(app).make_context("serve", args, resilient_parsing=False).params


@pytest.mark.parametrize(
    ("name", "owner", "replicas"),
    [
        ("secure", "Deployment", 2),
        ("autoscaled", "Deployment", None),
        ("engines-autoscaled", "StatefulSet", None),
    ],
)
def test_the_number_of_pods_has_one_owner(name: str, owner: str, replicas: int | None, tools: Tools) -> None:
    """The workload names a number, or an autoscaler does."""
    found = _by_kind(tools.rendered("--values", str(CHART / "ci" / f"{name}-values.yaml")))
    (workload,) = found[owner]
    assert workload["spec"].get("replicas") == replicas
    scalers = found.get("HorizontalPodAutoscaler", [])
    assert len(scalers) == (replicas is None)
    for scaler in scalers:
        assert scaler["spec"]["scaleTargetRef"]["kind"] == owner
        assert scaler["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]


def test_names_agree(tools: Tools) -> None:
    """Services, budgets, monitors and network policies select the pods; what is mounted exists."""
    text = "".join(tools.rendered("--values", str(values)) + "\n---\n" for values in VALUES)
    for manifest in YAML(typ="safe").load_all(text):
        if manifest is None:
            continue
        spec = manifest.get("spec", {})
        labels = {"app.kubernetes.io/name": "edge-cloud-gateway", "app.kubernetes.io/instance": "g"}
        selector = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
            "StatefulSet": lambda spec: spec["selector"]["matchLabels"],
        }.get(manifest["kind"])
        assert selector is None or selector(spec) == labels
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            template = spec["template"]
            assert labels.items() <= template["metadata"]["labels"].items()
            claims = {each["metadata"]["name"] for each in spec.get("volumeClaimTemplates", [])}
            volumes = {each["name"] for each in template["spec"]["volumes"]} | claims
            for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
                assert {each["name"] for each in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--set", "policy="], "policy: is missing"),
        (["--set", "policy=a: [b"], "policy: is not YAML"),
        (["--set", "insecure=false"], "tls.existingSecret: is missing"),
        (["--set", "insecure=false,tls.existingSecret=t"], "keys.existingSecret: is missing"),
        (["--set", "replicas=2"], "more than one pod needs a shared Redis"),
        (["--set", "autoscaling.enabled=true"], "more than one pod needs a shared Redis"),
        (["--set", "state.url=redis://:secret@redis"], "state.url: holds a password"),
        (["--set", "tls.clientCa.existingSecret=c"], "needs tls.existingSecret"),
        (["--set", "state.url=memory:"], "/state/url"),
        (["--set", "repicas=2"], "repicas"),
    ],
)
def test_values_that_would_run_wrongly_are_refused(args: list[str], said: str, tools: Tools) -> None:
    """In words that name the value."""
    done = _run(tools.helm, "template", "g", str(CHART), "--values", str(PLAIN), *args, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_an_engine_needs_its_volume(tools: Tools) -> None:
    """A model file is in no image."""
    engines = CHART / "ci" / "engines-values.yaml"
    command = ("template", "g", str(CHART), "--values", str(engines), "--set", "engines.enabled=false")
    done = _run(tools.helm, *command, check=False)
    assert "engines.enabled: model edge is of kind llama_cpp and needs a volume" in done.stderr


def test_the_printed_permit_is_a_network_policy_of_these_pods(tools: Tools, tmp_path: Path) -> None:
    """`gateway policy egress --format k8s` is valid, selects the pods, and fits the values."""
    found = _by_kind(tools.rendered("--values", str(PLAIN)))
    policy = parse_policy(found["ConfigMap"][0]["data"]["policy.yaml"], name="p")
    text = network_policy(destinations(policy, state="redis://redis.data.svc"))
    tools.check(text, tmp_path)
    printed = YAML(typ="safe").load(text)["spec"]
    pods = found["Deployment"][0]["spec"]["template"]["metadata"]["labels"]
    assert printed["podSelector"]["matchLabels"].items() <= pods.items()
    values = tmp_path / "egress.json"
    values.write_text(json.dumps({"networkPolicy": {"egress": printed["egress"]}}))
    rendered = tools.rendered("--values", str(PLAIN), "--values", str(values))
    tools.check(rendered, tmp_path)
    assert _by_kind(rendered)["NetworkPolicy"][0]["spec"]["egress"] == printed["egress"]
