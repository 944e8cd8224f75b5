"""From YAML to a Policy: what is refused and how, what is filled in, and what the hash is of."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PolicyError
from gateway.policy.loading.document import MAX_BYTES
from gateway.policy.loading.load import default_policy_path, load_policy, parse_policy
from gateway.policy.model import LlamaCppModel, OpenAIModel
from tests.support.draws import examples
from tests.support.repository import ROOT

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud:
    kind: openai
    model: m
    clearance: internal
    price_per_million_usd: {input: 0.25, output: 2.00}
privacy: {classes: {confidential: 0.5, restricted: 0.8}, weights: {EMAIL: 0.5}, floors: {DOB: public}}
budgets:
  - {name: daily, per: tenant, limit_usd: 5.00, window: day}
rules:
  - {name: hard, when: 'complexity >= 0.6', route: [cloud, edge]}
  - {name: default, route: [edge]}
resilience: {backoff_s: {first: 0.2, max: 4}, deadline_s: {default: 60, max: 300}}
replies:
  - {id: spent, when_reason: [BUDGET_EXHAUSTED], text: x}
  - {id: sorry, text: y}
"""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "1: file: is empty"),
        (b"- a\n", "1: file: must be a mapping of keys to values"),
        (b"text", "1: file: must be a mapping of keys to values"),
        (b"version: 1\n# caf\xe9\n", "2: file: is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), f"1: file: is longer than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_is_no_policy_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    """What cannot be a policy at all gets one line, which names the file."""
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    assert refused.value.problems == (f"{path}:{problem}",)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """A missing file and a directory are refused like a mistake in a file."""
    for path, why in [(tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(PolicyError) as refused:
            load_policy(path)
        assert refused.value.problems == (f"{path}:1: file: cannot be read: {why}",)


def test_defaults_that_depend_on_other_keys_are_filled_in() -> None:
    """The policy that the gateway works with leaves no such default open."""
    text = POLICY.replace(
        "  cloud:",
        "  far: {kind: openai, model: m, clearance: public, base_url: 'http://h', place: edge}\n  cloud:",
    )
    policy = parse_policy(text.replace("resilience: {", "resilience: {first_token_s: 7, "), name="p")
    edge, cloud, far = policy.models["edge"], policy.models["cloud"], policy.models["far"]
    assert isinstance(edge, LlamaCppModel)
    assert isinstance(cloud, OpenAIModel)
    assert isinstance(far, OpenAIModel)
    assert (edge.kv_cells, edge.place, edge.first_token_s) == (8 * 4096 // 2, "edge", 7.0)
    assert (cloud.base_url, cloud.place) == ("https://api.openai.com/v1", "cloud")
    assert (cloud.max_tokens_field, far.max_tokens_field) == ("max_completion_tokens", "max_tokens")
    assert cloud.price_per_million_usd is not None
    assert cloud.price_per_million_usd.input == Decimal("0.25")


def test_time_to_begin_is_left_to_the_gateway() -> None:
    """Unset it is auto, in the policy and for each model, and so it is shown."""
    policy = parse_policy(POLICY, name="p")
    assert policy.resilience.first_token_s == "auto"
    assert {spec.first_token_s for spec in policy.models.values()} == {"auto"}
    assert policy.effective_yaml.count("first_token_s: auto") == 1 + len(policy.models)


def test_one_slot_has_cells_for_a_whole_context() -> None:
    """The default of kv_cells is never less than context, which would be refused if written."""
    text = POLICY.replace('path: "builtin:demo"', "path: x, slots: 1")
    edge = parse_policy(text, name="p").models["edge"]
    assert isinstance(edge, LlamaCppModel)
    assert edge.kv_cells == 4096


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("version: 1", "# a comment\nversion: 1", True),
        ("limit_usd: 5.00", "limit_usd: 5", True),
        ("clearance: restricted}", "clearance: restricted, slots: 8}", True),  # A default, written out.
        ("clearance: restricted}", "clearance: restricted, kv_cells: 16384}", True),
        ("{first: 0.2, max: 4}", "{max: 4.0, first: 0.2}", True),  # Keys have no order.
        ("    model: m\n    clearance: internal", "    clearance: internal\n    model: m", True),
        ("limit_usd: 5.00", "limit_usd: 5.01", False),
        ("[cloud, edge]", "[edge, cloud]", False),  # A route has one.
        ("text: y", "text: z", False),
        ("complexity >= 0.6", "complexity >= 0.7", False),
    ],
)
def test_the_hash_is_of_what_the_policy_means(old: str, new: str, is_same: bool) -> None:
    """The hash differs exactly where the effective policy does."""
    assert old in POLICY
    first, second = parse_policy(POLICY, name="p"), parse_policy(POLICY.replace(old, new, 1), name="q")
    assert (first.hash == second.hash) is is_same
    assert len(first.hash) == 64


def test_the_order_in_which_models_are_named_means_nothing() -> None:
    """Models are asked in the order of a route, so that of their names is not part of the hash."""
    edge = next(line for line in POLICY.splitlines(keepends=True) if line.startswith("  edge:"))
    swapped = POLICY.replace(edge, "").replace("privacy: {", f"{edge}privacy: {{", 1)
    assert list(parse_policy(swapped, name="p").models) == ["cloud", "edge"]
    assert parse_policy(swapped, name="p").hash == parse_policy(POLICY, name="p").hash


@pytest.mark.parametrize("path", sorted(ROOT.glob("policies/*.yaml")), ids=lambda path: path.name)
def test_the_effective_policy_loads_again_to_the_same_hash(path: Path) -> None:
    """What `policy show` prints is a policy, and the same one."""
    policy = load_policy(path)
    again = parse_policy(policy.effective_yaml, name="shown")
    assert again.hash == policy.hash
    assert again.effective_yaml == policy.effective_yaml


@settings(max_examples=examples(50), deadline=None)
@given(
    text=st.text(
        alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80
    ),
    nanos=st.integers(min_value=0, max_value=10**15),
    share=st.floats(min_value=0, max_value=1),
)
def test_any_text_and_any_number_survives_the_round_trip(text: str, nanos: int, share: float) -> None:
    """A reply's text, a limit of nine decimals and a weight come back as they were."""
    limit = f"{nanos // 10**9}.{nanos % 10**9:09d}"
    escaped = "".join(f"\\U{ord(character):08x}" for character in text)
    policy = parse_policy(
        POLICY.replace("text: y", f'text: "{escaped}"')
        .replace("5.00", limit)
        .replace("EMAIL: 0.5", f"EMAIL: {share!r}"),
        name="p",
    )
    again = parse_policy(policy.effective_yaml, name="shown")
    assert (again.replies[1].text, again.budgets[0].limit_usd) == (text, Decimal(limit))
    assert again.privacy.weights == {"EMAIL": share}
    assert again.hash == policy.hash


def test_the_packaged_policy_is_the_one_of_the_repository() -> None:
    """`serve` without a policy runs the file that the manual shows, byte for byte."""
    assert default_policy_path().read_bytes() == (ROOT / "policies" / "default.yaml").read_bytes()


def test_the_packaged_policy_needs_nothing() -> None:
    """Without account, key or download: the default policy names the built-in model only."""
    models = load_policy(default_policy_path()).models.values()
    assert [spec.path for spec in models if isinstance(spec, LlamaCppModel)] == ["builtin:demo"]
    assert not [spec for spec in models if isinstance(spec, OpenAIModel)]


@settings(max_examples=examples(50))
@given(name=st.from_regex(r"[A-Za-z0-9_.-]{1,12}(/[A-Za-z0-9_.-]{1,12}){0,2}\.gguf", fullmatch=True))
def test_every_relative_path_is_relative_to_the_policy(name: str) -> None:
    """A model and an adapter get whole paths in any working folder; the hash keeps what was written."""
    text = POLICY.replace('path: "builtin:demo"', f'path: "{name}", lora: [{{path: "a/{name}"}}]')
    here, there = (parse_policy(text, name="p", folder=Path(folder)) for folder in ("/etc/gateway", "team"))
    for policy, folder in ((here, Path("/etc/gateway")), (there, Path.cwd() / "team")):
        edge = policy.models["edge"]
        assert isinstance(edge, LlamaCppModel)
        assert (edge.path, edge.lora[0].path) == (str(folder / name), str(folder / "a" / name))
    assert here.hash == there.hash


@pytest.mark.parametrize("path", ["builtin:demo", "/models/own.gguf", "~/own.gguf"])
def test_a_path_that_is_whole_stays(path: str) -> None:
    """A built-in model, an absolute path and one of the user's home are what they were."""
    policy = parse_policy(POLICY.replace("builtin:demo", path), name="p", folder=Path("team"))
    edge = policy.models["edge"]
    assert isinstance(edge, LlamaCppModel)
    assert edge.path == path
