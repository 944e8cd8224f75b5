"""What a policy allows that another did not, and what a running process cannot take up."""

import pytest

from gateway.policy.diff.loosening import loosened
from gateway.policy.diff.restart import needs_restart
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy

BASE = """\
version: 1
models:
  edge:   {kind: llama_cpp, path: "builtin:demo", clearance: confidential, slots: 8}
  other:  {kind: llama_cpp, path: /other.gguf, clearance: internal}
  cloud:  {kind: openai, model: m, base_url: "https://a.example/v1", clearance: internal, mask: [EMAIL],
           price_per_million_usd: {input: 1, output: 2}}
  backup: {kind: openai, model: n, base_url: "https://b.example/v1", clearance: public,
           price_per_million_usd: {input: 1, output: 2}}
privacy:
  classes: {internal: 0.2, confidential: 0.5, restricted: 0.8}
  weights: {PERSON: 0.4}
  floors: {PERSON: internal}
  allow: [desk@example.com]
  deny: [Falcon, Eagle]
  patterns: [{name: STAFF, regex: 'E-[0-9]{6}', confidence: 0.9, context: [staff]}]
  unreadable: confidential
  report_at: 0.5
budgets:
  - {name: daily, per: tenant, limit_usd: 5.00, soft_limit_usd: 4.00, window: day}
  - {name: team, per: label, label: team, limit_usd: 9.50, window: month}
  - {name: builds, per: key, key: ci, limit_usd: 1.50, window: day}
rules:
  - {name: home, when: 'privacy_class >= CONFIDENTIAL', route: [edge, other]}
  - {name: hard, when: 'complexity >= 0.6', route: [edge, cloud]}
  - {name: default, route: [edge]}
resilience: {content_filter: stop}
replies:
  - {id: sorry, text: x}
records: {features_up_to: internal, labels: [team], on_error: refuse}
limits: {concurrency: 10, tenant_concurrency: 5}
handoff: {queue: sqlite, when_reason: [CLEARANCE], store_up_to: internal, keep_days: 3}
mirror: {share: 0.05, classes: [internal], max_usd_per_day: 2.5, judge: cloud}
cache: {ttl_s: 60, max_class: internal}
keys:
  ci: {models: [small, edge, backup]}
aliases: {small: edge, large: cloud}
"""


def policy_of(*edits: tuple[str, str]) -> Policy:
    """Return the policy with pieces of its text replaced, each of which stands there once."""
    text = BASE
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_policy(text, name="team.yaml")


HARD = "{name: hard, when: 'complexity >= 0.6', route: [edge, cloud]}"
TEAM = "  - {name: team, per: label, label: team, limit_usd: 9.50, window: month}\n"
HOME = "  - {name: home, when: 'privacy_class >= CONFIDENTIAL', route: [edge, other]}\n"

LOOSER = [
    (
        "mask: [EMAIL]",
        "mask: [EMAIL], modalities: [text, image]",
        "models.cloud.modalities: added image: requests with them may go there",
    ),
    ("clearance: public", "clearance: internal", "models.backup.clearance: raised from public to internal"),
    ("clearance: confidential", "clearance: restricted", "models.edge.clearance: raised from confidential"),
    ("https://a.example/v1", "https://c.example/v1", "models.cloud.base_url: changed to another host"),
    ("https://a.example/v1", "http://a.example/v1", "models.cloud.base_url: changed to another host"),
    ("https://a.example/v1", "https://a.example:8/v1", "models.cloud.base_url: changed to another host"),
    ("model: m,", 'model: m, proxy: "http://p.example",', "models.cloud.proxy: goes through another host"),
    ("mask: [EMAIL]", "mask: [EMAIL, PHONE]", "models.cloud.mask: added PHONE"),
    ("mask: [EMAIL]", "mask: [EMAIL], restore_in_urls: true", "models.cloud.restore_in_urls: turned on"),
    ("clearance: public,\n           price_per_million_usd: {input: 1,",
     "clearance: public,\n           price_per_million_usd: {input: 0.5,",
     "models.backup.price_per_million_usd: input lowered from 1 to 0.5"),
    ("confidential: 0.5", "confidential: 0.6", "privacy.classes.confidential: raised from 0.5 to 0.6"),
    ("internal: 0.2", "internal: 0.3", "privacy.classes.internal: raised from 0.2 to 0.3"),
    ("restricted: 0.8", "restricted: 0.9", "privacy.classes.restricted: raised from 0.8 to 0.9"),
    ("{PERSON: 0.4}", "{PERSON: 0.2}", "privacy.weights.PERSON: lowered from 0.4 to 0.2"),
    ("{PERSON: 0.4}", "{PERSON: 0.4, EMAIL: 0.1}", "privacy.weights.EMAIL: lowered from 0.5 to 0.1"),
    ("  weights: {PERSON: 0.4}\n", "", "privacy.weights.PERSON: lowered from 0.4 to 0.3"),
    ("{PERSON: internal}", "{PERSON: internal, SECRET: public}", "privacy.floors.SECRET: lowered"),
    ("  floors: {PERSON: internal}\n", "", "privacy.floors.PERSON: lowered from internal to none"),
    ("[desk@example.com]", "[desk@example.com, b@x.example]", "privacy.allow: 1 more values are no findings"),
    ("[Falcon, Eagle]", "[falcon]", "privacy.deny: 1 fewer values are secrets"),
    ("'E-[0-9]{6}'", "'E-[0-9]{7}'", "privacy.patterns: a pattern of STAFF is removed or changed"),
    ("confidence: 0.9", "confidence: 0.6", "privacy.patterns: a pattern of STAFF has less confidence"),
    ("unreadable: confidential", "unreadable: internal",
     "privacy.unreadable: lowered from confidential to internal"),
    ("report_at: 0.5", "report_at: 0.7", "privacy.report_at: raised from 0.5 to 0.7"),
    ("limit_usd: 5.00, soft", "limit_usd: 6, soft", "budgets[0].limit_usd: raised from 5 to 6"),
    ("soft_limit_usd: 4.00", "soft_limit_usd: 4.5", "budgets[0].soft_limit_usd: raised from 4 to 4.5"),
    (" soft_limit_usd: 4.00,", "", "budgets[0].soft_limit_usd: raised from 4 to 5"),
    ("window: month", "window: week", "budgets[1].window: changed: it begins anew"),
    ("label: team,", "label: group,", "budgets[1].label: changed: it begins anew"),
    (TEAM, "", "budgets: team is removed"),
    (", key: ci", "", "budgets[2].key: changed: it begins anew"),
    ("key: ci", "key: desk", "budgets[2].key: changed: it begins anew"),
    ("[small, edge, backup]", "[small, edge, large, backup]", "keys.ci.models: added cloud"),
    ("{small: edge, large: cloud}", "{small: cloud, large: cloud}", "keys.ci.models: added cloud"),
    ("keys:\n  ci: {models: [small, edge, backup]}\n", "", "keys.ci: is removed: such keys may use every"),
    ("[edge, cloud]", "[edge, cloud, backup]", "rules[1].route: hard now reaches backup"),
    ("[edge, cloud]", "[cloud, edge]", "rules[1].route: hard tries cloud before edge"),
    ("route: [edge]}", "route: [edge, cloud]}", "rules[2].route: default now reaches cloud"),
    (
        "[edge, cloud]",
        "[edge, cloud], context: {trim: tool_results}",
        "rules[1].context: conversations that were too long for cloud are sent there shortened",
    ),
    ("complexity >= 0.6", "complexity >= 0.1", "rules[1].when: the condition of hard changed"),
    ("privacy_class >= CONFIDENTIAL", "privacy_class >= RESTRICTED", "rules[0].when: the condition of home"),
    (HOME, "", "rules: home is removed: its requests go to the rules after it"),
    (HARD, f"{HARD}\n  - {{name: new, when: 'true', route: [backup]}}", "rules[2]: new is new and reaches"),
    ("content_filter: stop", "content_filter: next", "resilience.content_filter: changed from stop to next"),
    ("features_up_to: internal", "features_up_to: restricted", "records.features_up_to: raised from"),
    ("labels: [team],", "labels: [team, user],", "records.labels: added user"),
    ("concurrency: 10,", "concurrency: 11,", "limits.concurrency: raised from 10 to 11"),
    (", tenant_concurrency: 5", "", "limits.tenant_concurrency: raised from 5 to 9"),
    ("store_up_to: internal", "store_up_to: restricted", "handoff.store_up_to: raised from internal"),
    ("when_reason: [CLEARANCE], ", "", "handoff.when_reason: more requests are stored for people"),
    ("keep_days: 3", "keep_days: 4", "handoff.keep_days: raised from 3 to 4"),
    ("share: 0.05", "share: 0.06", "mirror.share: raised from 0.05 to 0.06"),
    ("classes: [internal]", "classes: [internal, public]", "mirror.classes: added public"),
    ("max_usd_per_day: 2.5", "max_usd_per_day: 3", "mirror.max_usd_per_day: raised from 2.5 to 3"),
    (", judge: cloud", "", "mirror.judge: changed: another model sees requests with both answers"),
    ("max_class: internal", "max_class: restricted", "cache.max_class: raised from internal to restricted"),
    ("ttl_s: 60", "ttl_s: 61", "cache.ttl_s: raised from 60 to 61"),
    ("ttl_s: 60", "ttl_s: 60, store: redis", "cache.store: is redis now: answers leave the process"),
    ("on_error: refuse", "on_error: continue", "records.on_error: changed from refuse to continue"),
]  # fmt: skip

NOT_LOOSER = [
    ("clearance: internal, mask", "clearance: public, mask"),
    ("https://a.example/v1", "https://a.example/v2"),
    ("model: m,", "model: m2,"),
    ("mask: [EMAIL]", "mask: []"),
    ("confidential: 0.5", "confidential: 0.4"),
    ("{PERSON: 0.4}", "{PERSON: 0.5}"),
    ("{PERSON: internal}", "{PERSON: restricted}"),
    ("[desk@example.com]", "[]"),
    ("[Falcon, Eagle]", "[falcon, Eagle, Hawk]"),
    ("confidence: 0.9", "confidence: 1.0"),
    ("unreadable: confidential", "unreadable: restricted"),
    ("limit_usd: 5.00, soft", "limit_usd: 4.5, soft"),
    ("soft_limit_usd: 4.00", "soft_limit_usd: 3"),
    ("[edge, cloud]", "[edge]"),
    ("[small, edge, backup]", "[backup]"),
    ("[small, edge, backup]", "[edge, backup]"),
    ("keys:\n", "keys:\n  desk: {models: [cloud]}\n"),
    ("route: [edge]}", "route: [edge, other]}"),
    ("route: [edge]}", "route: [edge], context: {trim: oldest}}"),
    ("[edge, cloud]", "[edge, cloud], context: {trim: none}"),
    (HARD, f"{HARD}\n  - {{name: new, when: 'true', route: [other]}}"),
    ("text: x", "text: y"),
    ("features_up_to: internal", "features_up_to: public"),
    ("slots: 8", "slots: 9"),
    ("concurrency: 10,", "concurrency: 9,"),
    ("keep_days: 3", "keep_days: 2"),
    ("share: 0.05", "share: 0.04"),
    ("max_usd_per_day: 2.5", "max_usd_per_day: 1"),
    ("ttl_s: 60, max_class: internal", "ttl_s: 59, max_class: public, coalesce: true, max_mb: 100"),
    ("cache: {ttl_s: 60, max_class: internal}\n", ""),
    ("mirror: {share: 0.05, classes: [internal], max_usd_per_day: 2.5, judge: cloud}\n", ""),
]


def looser(before: Policy, after: Policy) -> list[str]:
    """Return the changes as an operator reads them."""
    return [after.source.at(path, message) for path, message in loosened(before, after)]


@pytest.mark.parametrize(
    ("old", "new", "said"), LOOSER, ids=[said.partition(": ")[0] for _, _, said in LOOSER]
)
def test_looser(old: str, new: str, said: str) -> None:
    """The change is named, once, with its key; nothing else is."""
    changes = looser(policy_of(), policy_of((old, new)))

    assert len(changes) == 1, changes
    assert changes[0].partition(": ")[2].startswith(said)


@pytest.mark.parametrize(("old", "new"), NOT_LOOSER, ids=[new[:40] for _, new in NOT_LOOSER])
def test_not_looser(old: str, new: str) -> None:
    """What is tighter, or neither, needs no leave."""
    assert looser(policy_of(), policy_of((old, new))) == []


def test_a_change_that_loosens_one_way_tightens_the_other() -> None:
    """Numbers and sets: if a change is looser, undoing it alone is not, but for what cannot be compared."""
    cannot = ("changed", "the condition", "is removed", "is new", "another host", "goes through")
    for old, new, said in LOOSER:
        if not any(word in said for word in cannot):
            assert looser(policy_of((old, new)), policy_of()) == [], said


def test_the_order_of_rules() -> None:
    """Rules that changed places are said so where one reaches the cloud."""
    after = policy_of((HOME, ""), (f"  - {HARD}\n", f"  - {HARD}\n{HOME}"))
    assert looser(policy_of(), after) == ["team.yaml:22: rules: their order changed"]


def test_a_rule_that_stays_at_the_edge_is_free_where_nothing_reaches_the_cloud() -> None:
    """Without a way to the cloud a condition may be what it likes."""
    home = ("[edge, cloud]", "[edge]")
    changed = ("privacy_class >= CONFIDENTIAL", "privacy_class >= RESTRICTED")
    assert looser(policy_of(home), policy_of(home, changed)) == []


def test_a_change_names_the_line_of_the_new_file() -> None:
    """As `file:line: key`."""
    said = looser(policy_of(), policy_of(("confidential: 0.5", "confidential: 0.6")))
    assert said == ["team.yaml:10: privacy.classes.confidential: raised from 0.5 to 0.6"]


def test_no_private_value_is_repeated() -> None:
    """Lists of values are counted, not shown."""
    after = policy_of(("[desk@example.com]", "[jane@example.com]"), ("[Falcon, Eagle]", "[Falcon]"))
    assert not any("jane" in line or "Eagle" in line for line in looser(policy_of(), after))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("slots: 8", "slots: 8, queue: 4", "team.yaml:3: models.edge.queue: a local model that is changed"),
        ("/other.gguf", "/x.gguf", "team.yaml:4: models.other.path: a local model that is changed"),
        ("  backup:", "  more: {kind: llama_cpp, path: /x, clearance: public}\n  backup:",
         "team.yaml:7: models.more: a local model that is added or replaced needs a restart"),
    ],
)  # fmt: skip
def test_what_needs_a_restart(old: str, new: str, said: str) -> None:
    """An engine was started with its model as it was."""
    after = policy_of((old, new))
    changes = [after.source.at(path, message) for path, message in needs_restart(policy_of(), after)]
    assert [change.startswith(said) and "needs a restart" in change for change in changes] == [True], changes


def test_a_local_model_that_is_gone_needs_a_restart() -> None:
    """And the message says how to go without one."""
    after = policy_of(
        ("  other:  {kind: llama_cpp, path: /other.gguf, clearance: internal}\n", ""),
        ("[edge, other]", "[edge]"),
    )
    ((path, message),) = needs_restart(policy_of(), after)
    assert path == ("models", "other")
    assert "to stop its requests, remove it from the rules" in message


def test_clearance_and_bounds_of_a_local_model_need_none() -> None:
    """They are the gateway's own, and no engine is told."""
    after = policy_of(("clearance: confidential, slots", "clearance: public, max_tokens: 5, slots"))
    assert list(needs_restart(policy_of(), after)) == []


def test_a_mirror_that_is_new_is_looser() -> None:
    """Requests go to models that would not have been asked; without the section none do."""
    section = ("mirror: {share: 0.05, classes: [internal], max_usd_per_day: 2.5, judge: cloud}\n", "")
    (said,) = looser(policy_of(section), policy_of())
    assert said.endswith("mirror: is new: requests are also answered by the other side")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("slots: 8}", "slots: 8, sampling: {top_k: 5}}"),
        ("model: m,", "model: m, sampling: {temperature: 0.5},"),
    ],
)
def test_sampling_may_change_while_the_gateway_runs(old: str, new: str) -> None:
    """It is sent with each request, and lets nothing more out of the house."""
    before, after = policy_of(), policy_of((old, new))
    assert before.hash != after.hash
    assert list(needs_restart(before, after)) == []
    assert loosened(before, after) == []
