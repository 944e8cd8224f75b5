"""`docs/guides/write-a-policy.md` shows a policy that loads, and refusals as they are."""

import pytest

from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.policy.loading.rules import VARIABLES
from tests.support.repository import ROOT, code_blocks

PAGE = (ROOT / "docs" / "guides" / "write-a-policy.md").read_text(encoding="utf-8")
BROKEN = """\
# yaml-language-server: $schema=schema.json
version: 1

models:
  edge:  {kind: llama_cpp, path: /models/small.gguf, clearance: restriced}
  cloud: {kind: openai, model: gpt-5-mini, clearance: internal, api_key_env: OPENAI_API_KEY}

budgets:
  - {name: daily, per: tenant, limit_usd: 5.00, windw: day}

rules:
  - {name: hard, when: 'complexity >= 1', route: [clod, edge]}
  - {name: secret-work, when: 'privacy_class >= CONFIDENTAL', route: [edge]}
  - {name: people, when: "'PERSN' in findings", route: [edge]}
  - {name: default, route: [edge, cloud], when: 'true'}

replies:
  - {id: sorry, text: "Please try again in a few minutes.", when_reason: [DEADLNE]}
"""


def test_the_policy_on_the_page_loads() -> None:
    """A reader may start from what the page shows."""
    shown, of_embeddings, of_http, of_keys = code_blocks(PAGE, "yaml")
    policy = parse_policy(shown, name="page")
    assert list(policy.models) == ["edge", "cloud"]
    (cap,) = (line for line in shown.splitlines(keepends=True) if "per: tenant" in line)
    narrowed = parse_policy(shown.replace(f"budgets:\n{cap}", of_keys), name="page")
    assert narrowed.models_of_key("ci") == frozenset({"edge"})
    assert [each.key for each in narrowed.budgets] == [None, "ci"]
    rest = "  - {name: default, route: [minilm-edge]}\nreplies: [{id: sorry, text: Sorry.}]\n"
    assert parse_policy(f"version: 1\n{of_embeddings}{rest}", name="page").spaces == {"minilm": 384}
    assert parse_policy(shown + of_http, name="page").http.drop_hosted_tools


def test_the_refusals_on_the_page_are_real() -> None:
    """What the page shows is what a policy with these mistakes gets, line for line."""
    with pytest.raises(PolicyError) as refused:
        parse_policy(BROKEN, name="team.yaml")
    assert f"{refused.value}\n" in PAGE


def test_the_page_names_every_variable() -> None:
    """Each variable of a condition stands in the page's table."""
    assert [name for name in VARIABLES if f"`{name}`" not in PAGE] == []
