"""`gateway policy check`: what is allowed and hardly meant gets a line with its place, and status 0."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.app import run
from gateway.domain.answer import Usage
from gateway.ledger.money import cost_usd_nanos, nanos_of_usd
from gateway.policy.loading.load import parse_policy
from gateway.policy.loading.warnings import warnings_of
from gateway.policy.model import OpenAIModel, Policy
from gateway.policy.openai import OPENAI_BASE_URL
from tests.support.repository import ROOT

POLICIES = ROOT / "policies"


def policy(limit_usd: str = "5", **keys: object) -> Policy:
    """Return a policy of one model with these keys and one cap."""
    given_keys = {"model": "m", "base_url": "https://llm.example/v1", "clearance": "public", **keys}
    lines = "".join(f"    {key}: {value}\n" for key, value in given_keys.items() if value is not None)
    price = "" if "price_per_million_usd" in keys else "    price_per_million_usd: {input: 1, output: 1}\n"
    return parse_policy(
        f"version: 1\nmodels:\n  m:\n    kind: openai\n{lines}{price}"
        f"budgets: [{{name: daily, per: tenant, limit_usd: {limit_usd}, window: day}}]\n"
        "rules: [{name: all, route: [m]}]\nreplies: [{id: sorry, text: x}]\n",
        name="p.yaml",
    )


def warned(made: Policy) -> list[str]:
    """Return the keys that are warned of."""
    return [made.source.at(path, "").split(": ")[1] for path, _ in warnings_of(made)]


@pytest.mark.parametrize("name", [each.name for each in POLICIES.glob("*.yaml")])
def test_policies_that_ship_have_no_warning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody begins with a policy that is complained of."""
    assert run(["policy", "check", str(POLICIES / name)]) == 0
    assert "warning" not in capsys.readouterr().err


def test_each_warning_has_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, and the policy is right all the same."""
    path = tmp_path / "p.yaml"
    path.write_text(
        """\
version: 1
models:
  far: {kind: openai, model: o3-mini, base_url: "http://10.0.0.7:8000/v1/chat/completions",
        clearance: restricted, price_per_million_usd: {input: 2, output: 8}, context: 200000}
budgets:
  - {name: hourly, per: tenant, limit_usd: 0.30, window: hour}
rules: [{name: all, route: [far]}]
replies: [{id: sorry, text: x}]
"""
    )
    assert run(["policy", "check", str(path)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{path}: ok, 1 model, 1 rule, hash ")
    assert said.err.splitlines() == [
        f"{path}:3: models.far.base_url: warning: restricted text goes to another host without encryption;"
        " write https://",
        f"{path}:3: models.far.base_url: warning: must end before /chat/completions; the gateway adds"
        " /chat/completions itself",
        f"{path}:3: models.far.drop: warning: o3-mini reasons and refuses temperature and top_p; write drop:"
        " [temperature, top_p]",
        f"{path}:6: budgets[0].limit_usd: warning: one request to far that fills its context of 200000 tokens"
        " costs 0.406144 USD, more than the whole cap of 0.3 USD, and is always refused",
    ]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("end", ["chat/completions", "completions", "responses", "embeddings", "messages"])
@pytest.mark.parametrize("base", ["https://llm.example/v1", "https://llm.example/openai/deployments/x"])
def test_the_address_of_one_call_is_no_base_url(base: str, end: str, slash: str) -> None:
    """What a provider's page shows as the address of a call is longer than a base_url."""
    assert warned(policy(base_url=f"{base}/{end}{slash}")) == ["models.m.base_url"]
    assert warned(policy(base_url=f"{base}{slash}")) == []
    assert warned(policy(base_url=f"{base}/{end}/v1{slash}")) == []


@pytest.mark.parametrize("url", ["https://api.openai.com", "https://api.openai.com/"])
def test_openais_address_without_its_version(url: str) -> None:
    """Every call there is answered with 404."""
    assert warned(policy(base_url=url)) == ["models.m.base_url"]


@pytest.mark.parametrize(
    ("url", "clearance", "is_warned"),
    [
        ("http://llm.example/v1", "restricted", True),
        ("http://192.168.3.4:8000/v1", "confidential", True),
        ("http://[2001:db8::5]/v1", "restricted", True),
        ("http://llm.example/v1", "internal", False),
        ("https://llm.example/v1", "restricted", False),
        ("http://127.0.0.1:8000/v1", "restricted", False),
        ("http://[::1]:8000/v1", "restricted", False),
        ("http://localhost:8000/v1", "restricted", False),
    ],
)
def test_plain_http_to_another_host(url: str, clearance: str, is_warned: bool) -> None:
    """Only where what may be sent is confidential or more, and leaves the host."""
    assert warned(policy(base_url=f'"{url}"', clearance=clearance)) == ["models.m.base_url"] * is_warned


@pytest.mark.parametrize(
    "model",
    [
        "o1",
        "o1-pro",
        "o3",
        "o3-mini-2025-01-31",
        "o4-mini",
        "gpt-5",
        "gpt-5-nano",
        "openai/gpt-5-mini",
        "ft:o4-mini:us::x",
    ],
)
@pytest.mark.parametrize("drop", [None, "[temperature]", "[temperature, top_p]"])
def test_reasoning_models_need_drop(model: str, drop: str | None) -> None:
    """What such a model refuses has to be dropped, all of it."""
    assert warned(policy(model=model, drop=drop)) == ["models.m.drop"] * (drop != "[temperature, top_p]")


@pytest.mark.parametrize(
    "model",
    ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "olmo-2", "o", "llama-3", "phi-o1x", "mistral/open-o"],
)
def test_other_models_need_none(model: str) -> None:
    """A name that only looks alike is left alone."""
    assert warned(policy(model=model)) == []


@given(
    limit=st.decimals("0.01", 100, places=2),
    input_=st.decimals(0, 100, places=4),
    output=st.decimals(0, 100, places=4),
    context=st.integers(64, 1_000_000),
    max_tokens=st.integers(1, 100_000),
)
def test_a_cap_below_one_request_is_warned_of(
    limit: Decimal, input_: Decimal, output: Decimal, context: int, max_tokens: int
) -> None:
    """Exactly where the ledger would count more for it than the cap is."""
    price = f"{{input: {input_}, output: {output}}}"
    made = policy(str(limit), price_per_million_usd=price, context=context, max_tokens=max_tokens)
    spec = made.models["m"]
    assert isinstance(spec, OpenAIModel)
    answer = min(max_tokens, context)
    cost = cost_usd_nanos(spec, Usage(prompt_tokens=context - answer, completion_tokens=answer))
    assert bool(warned(made)) == (cost > nanos_of_usd(limit))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://api.openai.com/v1/",
        "https://API.OpenAI.com/v1",
        "https://api.openai.com:443/v1",
    ],
)
def test_openais_own_address_means_none(url: str) -> None:
    """Written out or left out, it is one policy."""
    spelled, left_out = policy(base_url=f'"{url}"'), policy(base_url=None)
    model = spelled.models["m"]
    assert isinstance(model, OpenAIModel)
    assert (model.base_url, model.max_tokens_field) == (OPENAI_BASE_URL, "max_completion_tokens")
    assert (spelled.models, spelled.hash) == (left_out.models, left_out.hash)


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com.evil.example/v1", "https://api.openai.com/v2", "https://api.openai.com:8443/v1"],
)
def test_another_address_stays(url: str) -> None:
    """What only looks alike is somebody else's."""
    model = policy(base_url=f'"{url}"').models["m"]
    assert isinstance(model, OpenAIModel)
    assert (model.base_url, model.max_tokens_field) == (url, "max_tokens")


def test_sampling_that_is_dropped_is_warned_of() -> None:
    """Who sets a temperature and drops it gets neither what he wrote nor an error."""
    assert warned(policy(sampling="{temperature: 0.5, top_p: 0.9}", drop="[temperature]")) == [
        "models.m.sampling.temperature"
    ]
