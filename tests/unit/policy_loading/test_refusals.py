"""What a policy may not say: each mistake is refused with file, line, key and the nearest right word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from tests.support.draws import examples

GOOD = """\
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
MODEL = "    model: m"
"""Where a key of the openai model is put in: it is on the line after."""
PATH = 'path: "builtin:demo"'


def problems_of(text: str) -> tuple[str, ...]:
    """Return why a text is refused; nothing if it is not."""
    try:
        parse_policy(text, name="p.yaml")
    except PolicyError as error:
        return error.problems
    return ()


def check_refused(old: str, new: str, place: str, message: str) -> None:
    """Put one mistake into a good policy, and find its line among the problems."""
    assert problems_of(GOOD) == ()
    assert old in GOOD
    found = problems_of(GOOD.replace(old, new, 1))
    assert f"p.yaml:{place}: {message}" in found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("version: 1", "version: 1\nmodls: {}", "2: modls", "unknown key (did you mean 'models'?)"),
        (MODEL, MODEL + "\n    wieght: 1", "7: models.cloud.wieght", "unknown key"),
        (MODEL, "    modle: m", "6: models.cloud.modle", "unknown key (did you mean 'model'?)"),
        (MODEL, "    modle: m", "4: models.cloud.model", "is missing"),
        (
            "output: 2.00",
            "out: 2.00",
            "8: models.cloud.price_per_million_usd.out",
            "unknown key (did you mean 'output'?)",
        ),
        (
            "restricted: 0.8",
            "restrictd: 0.8",
            "9: privacy.classes.restrictd",
            "unknown key (did you mean 'restricted'?)",
        ),
        ("window: day", "windw: day", "11: budgets[0].windw", "unknown key (did you mean 'window'?)"),
        ("when: '", "wen: '", "13: rules[0].wen", "unknown key (did you mean 'when'?)"),
        (
            "{first: 0.2",
            "{frist: 0.2",
            "15: resilience.backoff_s.frist",
            "unknown key (did you mean 'first'?)",
        ),
        (
            "when_reason",
            "when_reasons",
            "17: replies[0].when_reasons",
            "unknown key (did you mean 'when_reason'?)",
        ),
        (PATH, "path: x, slot: 8", "3: models.edge.slot", "unknown key (did you mean 'slots'?)"),
        (PATH, "path: x, model: y", "3: models.edge.model", "unknown key"),
    ],
)
def test_an_unknown_key_is_refused_at_any_depth(old: str, new: str, place: str, message: str) -> None:
    """A key that is not of the format is refused, with the nearest that is."""
    check_refused(old, new, place, message)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "kind: openai",
            "kind: openia",
            "5: models.cloud.kind",
            "unknown value 'openia' (did you mean 'openai'?)",
        ),
        (
            "kind: openai",
            "kind: triton",
            "5: models.cloud.kind",
            "unknown value 'triton'; one of llama_cpp, openai, anthropic",
        ),
        (
            "kind: openai\n",
            "kind: openai\n    drop: [stream_option]\n",
            "6: models.cloud.drop[0]",
            "unknown value 'stream_option' (did you mean 'stream_options'?)",
        ),
        (
            "kind: openai\n",
            "kind: openai\n    drop: [max_tokens]\n",
            "6: models.cloud.drop[0]",
            "unknown value 'max_tokens'; "
            "one of temperature, top_p, top_k, min_p, seed, stop, frequency_penalty, presence_penalty, "
            "logit_bias, logprobs, top_logprobs, response_format, tools, tool_choice, parallel_tool_calls, "
            "reasoning_effort, reasoning_summary, stream_options, name",
        ),
        (
            "kind: openai\n",
            "kind: openai\n    first_token_s: atuo\n",
            "6: models.cloud.first_token_s",
            "unknown value 'atuo' (did you mean 'auto'?)",
        ),
        (
            "kind: openai\n",
            "kind: openai\n    first_token_s: 0\n",
            "6: models.cloud.first_token_s",
            "must be more than 0.0",
        ),
        ("kind: openai\n    ", "", "4: models.cloud.kind", "is missing; one of llama_cpp, openai, anthropic"),
        ("kind: openai", "kind: 3", "5: models.cloud.kind", "must be one of llama_cpp, openai, anthropic"),
        (
            "clearance: internal",
            "clearance: intern",
            "7: models.cloud.clearance",
            "unknown value 'intern' (did you mean 'internal'?)",
        ),
        (
            "clearance: internal",
            "clearance: Internal",
            "7: models.cloud.clearance",
            "unknown value 'Internal' (did you mean 'internal'?)",
        ),
        (
            "window: day",
            "window: fortnight",
            "11: budgets[0].window",
            "unknown value 'fortnight'; one of minute, hour, day, week, month",
        ),
        (
            "BUDGET_EXHAUSTED",
            "BUDGET",
            "17: replies[0].when_reason[0]",
            "unknown value 'BUDGET' (did you mean 'RETRY_BUDGET'?)",
        ),
        (
            "EMAIL: 0.5",
            "EMIAL: 0.5",
            "9: privacy.weights.EMIAL",
            "unknown value 'EMIAL' (did you mean 'EMAIL'?)",
        ),
        (
            "DOB: public",
            "DOB: secret",
            "9: privacy.floors.DOB",
            "unknown value 'secret'; one of public, internal, confidential, restricted",
        ),
        (
            "builtin:demo",
            "builtin:dmo",
            "3: models.edge.path",
            "unknown builtin model; known: builtin:demo, builtin:smollm2-135m",
        ),
    ],
)
def test_an_unknown_word_is_refused(old: str, new: str, place: str, message: str) -> None:
    """A word that is none of those that may stand there is refused, with the nearest that is."""
    check_refused(old, new, place, message)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "version: 1",
            "version: 2",
            "1: version",
            "must be 1, which this gateway reads; a later version needs a newer gateway",
        ),
        ("version: 1", "version: true", "1: version", "must be a whole number"),
        ("version: 1\n", "", "1: version", "is missing"),
        (
            "per: tenant",
            "per: label",
            "11: budgets[0].label",
            "is missing; per: label needs the name of a label",
        ),
        (
            "route: [edge]}",
            "route: [edge], context: {above_tokens: 20000}}",
            "14: rules[1].context.above_tokens",
            "needs trim: tool_results or trim: oldest; with trim: none nothing is left out",
        ),
        (
            "route: [edge]}",
            "route: [edge], context: {trim: result}}",
            "14: rules[1].context.trim",
            "unknown value 'result' (did you mean 'tool_results'?)",
        ),
        (
            "route: [edge]}",
            "route: [edge], context: {trim: oldest, above_tokens: 10}}",
            "14: rules[1].context.above_tokens",
            "must be at least 1000",
        ),
        (
            "window: day",
            "window: day, key: ci",
            "11: budgets[0].key",
            "needs per: key, but this budget is per: tenant",
        ),
        (
            "window: day",
            "window: day, label: team",
            "11: budgets[0].label",
            "needs per: label, but this budget is per: tenant",
        ),
        (
            "window: day",
            "window: day, soft_limit_usd: 6",
            "11: budgets[0].soft_limit_usd",
            "must be at most limit_usd (5.0)",
        ),
        (
            "window: day",
            "window: day, time_zone: Europe/Warsow",
            "11: budgets[0].time_zone",
            "unknown time zone (did you mean 'Europe/Warsaw'?)",
        ),
        ("limit_usd: 5.00", "limit_usd: '5.00'", "11: budgets[0].limit_usd", "must be a number"),
        ("limit_usd: 5.00", "limit_usd: true", "11: budgets[0].limit_usd", "must be a number"),
        ("limit_usd: 5.00", "limit_usd: -1", "11: budgets[0].limit_usd", "must be at least 0"),
        ("limit_usd: 5.00", "limit_usd: .nan", "11: budgets[0].limit_usd", "must be a finite number"),
        (
            "limit_usd: 5.00",
            "limit_usd: 0.0000000001",
            "11: budgets[0].limit_usd",
            "must have at most 9 decimals",
        ),
        (
            "input: 0.25",
            "input: 0.0000005",
            "8: models.cloud.price_per_million_usd.input",
            "must have at most 6 decimals",
        ),
        ("EMAIL: 0.5", "EMAIL: 1.5", "9: privacy.weights.EMAIL", "must be at most 1.0"),
        ("EMAIL: 0.5", "EMAIL: high", "9: privacy.weights.EMAIL", "must be a number"),
        ("max: 4}", "max: 0}", "15: resilience.backoff_s.max", "must be more than 0.0"),
        ("max: 300", "max: .inf", "15: resilience.deadline_s.max", "must be a finite number"),
        ("text: y", "text: 5", "18: replies[1].text", "must be text; put it in quotes"),
        ("text: y", "text: ''", "18: replies[1].text", "must not be empty"),
        ("text: y", f"text: {'y' * 4097}", "18: replies[1].text", "must have at most 4096 characters"),
        (
            MODEL,
            f"{MODEL}\n    token_command: [{', '.join('a' * 65)}]",
            "7: models.cloud.token_command",
            "must have at most 64 entries",
        ),
        ("route: [edge]", "route: []", "14: rules[1].route", "must not be empty"),
        ("route: [edge]", "route: edge", "14: rules[1].route", "must be a list"),
        (
            "budgets:\n  - {name: daily, per: tenant, limit_usd: 5.00, window: day}",
            "budgets:",
            "10: budgets",
            "is empty; give it a value, or remove the key",
        ),
        ("  cloud:", "  'the cloud':", "4: models.the cloud", "must be 1 to 64 letters, digits and . _ : -"),
        (
            MODEL,
            MODEL + "\n    base_url: host",
            "7: models.cloud.base_url",
            "must begin with https:// or http://",
        ),
        (
            PATH,
            "path: x, sha256: ABC",
            "3: models.edge.sha256",
            "must be 64 hexadecimal digits in lower case",
        ),
        (PATH, "path: x, slots: 8.0", "3: models.edge.slots", "must be a whole number"),
    ],
)
def test_a_wrong_type_or_range_is_refused(old: str, new: str, place: str, message: str) -> None:
    """A value of another type or out of range is refused; nothing is clamped or converted."""
    check_refused(old, new, place, message)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "    price_per_million_usd: {input: 0.25, output: 2.00}\n",
            "",
            "4: models.cloud.price_per_million_usd",
            "is missing; write {input: ..., output: ...} or price: catalogue, or place: edge if it is free",
        ),
        (
            MODEL,
            MODEL + "\n    place: edge",
            "4: models.cloud.base_url",
            "is missing; an edge model needs one, or requests go to OpenAI",
        ),
        (
            MODEL,
            MODEL + "\n    base_url: https://u:p@h/v1",
            "7: models.cloud.base_url",
            "must hold no user or password; secrets come from the environment (api_key_env)",
        ),
        (MODEL, MODEL + "\n    proxy: https://h:x", "7: models.cloud.proxy", "is not a URL"),
        (MODEL, MODEL + "\n    base_url: https://", "7: models.cloud.base_url", "names no host"),
        (
            MODEL,
            MODEL + "\n    base_url: https://h/v1?key=k",
            "7: models.cloud.base_url",
            "must hold no query and no fragment",
        ),
        (PATH, "path: x, kv_cells: 4095", "3: models.edge.kv_cells", "must be at least context (4096)"),
        (
            "confidential: 0.5",
            "confidential: 0.2",
            "9: privacy.classes",
            "must ascend: internal < confidential < restricted",
        ),
        ("first: 0.2", "first: 5", "15: resilience.backoff_s.first", "must be at most max (4.0)"),
        ("default: 60,", "default: 301,", "15: resilience.deadline_s.default", "must be at most max (300.0)"),
        ("name: default", "name: hard", "14: rules[1].name", "'hard' is already used by rules[0]"),
        ("id: sorry", "id: spent", "18: replies[1].id", "'spent' is already used by replies[0]"),
        (PATH, "path: x, kept_mb: 64", "3: models.edge.kept_mb", "is now called 'prefix_cache_mb'"),
        (PATH, "path: x, hang_s: 9", "3: models.edge.hang_s", "is now called 'watchdog_s'"),
        ("version: 1", "version: 1\nsample: {share: 0.5}", "2: sample", "is now called 'mirror'"),
        (
            "version: 1",
            "version: 1\nmirror: {judge: clod}",
            "2: mirror.judge",
            "no model is called 'clod' (did you mean 'cloud'?)",
        ),
        (
            "name: daily, per: tenant, limit_usd: 5.00, window: day}",
            "name: mirror, per: tenant, limit_usd: 5.00, window: day}\nmirror: {share: 0.1}",
            "11: budgets[0].name",
            "'mirror' is already used by mirror.max_usd_per_day",
        ),
        (
            "route: [edge]",
            "route: [egde]",
            "14: rules[1].route[0]",
            "unknown model 'egde' (did you mean 'edge'?)",
        ),
        (
            "route: [edge]",
            "route: [edge, cloud, edge]",
            "14: rules[1].route[2]",
            "'edge' appears twice in this route; resilience.attempts sets how often one is tried",
        ),
        ("when: 'complexity >= 0.6', ", "", "13: rules[0].when", "is missing; only the last rule has none"),
        (
            "name: default,",
            "name: default, when: 'true',",
            "14: rules[1].when",
            "the last rule must have none, so that every request has a route",
        ),
        (
            "when_reason: [BUDGET_EXHAUSTED], ",
            "",
            "17: replies[0].when_reason",
            "is missing; only the last reply is the catch-all",
        ),
        (
            "id: sorry,",
            "id: sorry, when_reason: [DEADLINE],",
            "18: replies[1].when_reason",
            "the last reply must have none: it is the catch-all",
        ),
        (
            "complexity >= 0.6",
            "complexity >= 1",
            "13: rules[0].when",
            "column 12: '>=' does not take double and int (write 1.0)",
        ),
        (
            "complexity >= 0.6",
            "complexty >= 0.6",
            "13: rules[0].when",
            "column 1: unknown variable 'complexty' (did you mean 'complexity'?)",
        ),
        (
            "complexity >= 0.6",
            "complexity",
            "13: rules[0].when",
            "column 1: must be of type bool, but is double",
        ),
    ],
)
def test_keys_that_do_not_fit_each_other_are_refused(old: str, new: str, place: str, message: str) -> None:
    """What is right alone and wrong with the rest of the policy is refused."""
    check_refused(old, new, place, message)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("version: 1", "version: 1\nversion: 1", "2: version", "appears twice; the first is on line 1"),
        ("  cloud:", "  edge:", "4: models.edge", "appears twice; the first is on line 3"),
        (
            "clearance: internal",
            "clearance: &c internal",
            "7: file",
            "an anchor (&) is not supported; write the value again where it is needed",
        ),
    ],
)
def test_yaml_that_is_not_a_policy_is_refused(old: str, new: str, place: str, message: str) -> None:
    """What YAML would let pass and a policy does not is refused."""
    check_refused(old, new, place, message)


def test_all_mistakes_are_reported_at_once_in_the_order_of_lines() -> None:
    """Mistakes of YAML, of types, between parts and in CEL are reported together, by line."""
    text = (
        GOOD.replace("clearance: restricted", "clearance: restricted, slots: many")
        .replace("complexity >=", "complexty >=")
        .replace("window: day", "window: dayly")
        .replace("route: [edge]", "route: [edge, clod]")
        .replace("id: sorry", "id: spent")
        + "budgets: []\n"
    )
    assert [problem.split(": ")[1] for problem in problems_of(text)] == [
        "models.edge.slots",
        "budgets[0].window",
        "rules[0].when",
        "rules[1].route[1]",
        "replies[1].id",
        "budgets",
    ]


def test_a_list_of_wrong_items_is_not_called_empty() -> None:
    """A list whose only item is wrong has one problem: the item's."""
    only = GOOD[: GOOD.index("replies:")] + "replies: [{id: sorry, txt: y}]\n"
    assert problems_of(only) == (
        "p.yaml:16: replies[0].text: is missing",
        "p.yaml:16: replies[0].txt: unknown key (did you mean 'text'?)",
    )


def test_a_condition_over_several_lines_is_refused_on_its_own_line() -> None:
    """A mistake on the second line of a block is reported on that line of the file."""
    block = """rules:
  - name: own
    when: |
      budget < 0.5 &&
        complexty > 0.1
    route: [edge]
"""
    text = GOOD.replace("rules:\n", block, 1)
    assert problems_of(text) == (
        "p.yaml:16: rules[0].when: column 3: unknown variable 'complexty' (did you mean 'complexity'?)",
    )


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    """A key pasted where a name belongs is refused without being shown."""
    secret = "sk-" + "a1B2" * 9
    for old, new in [
        ("    model: m", f"    model: m\n    api_key_env: {secret}"),
        ("    model: m", f"    model: m\n    base_url: https://user:{secret}@host/v1"),
        ("clearance: internal", f"clearance: {secret}"),
        ("route: [edge]", f"route: [{secret}]"),
    ]:
        found = problems_of(GOOD.replace(old, new, 1))
        assert found
        assert secret not in "\n".join(found)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_a_damaged_policy_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever is cut out of a policy or put into it, the outcome is a Policy or a PolicyError."""
    start = data.draw(st.integers(0, len(GOOD) - 1))
    end = data.draw(st.integers(start, min(len(GOOD), start + 30)))
    inserted = data.draw(st.text(alphabet="a1:-[]{}'\"|>, \n~.", max_size=6))
    for problem in problems_of(GOOD[:start] + inserted + GOOD[end:]):
        file, line, rest = problem.split(":", 2)
        assert file == "p.yaml"
        assert int(line) >= 1
        assert rest.count(": ") >= 1


@pytest.mark.parametrize(
    "name", ["chat.jinja", "templates/chatml.jinja2", "chatml", "./{x}.j2", "{# none #}"]
)
def test_the_name_of_a_file_is_no_chat_template(name: str) -> None:
    """The key holds the text; one that prints nothing of a conversation is most likely a file's name."""
    found = problems_of(GOOD.replace(PATH, f'{PATH}, template: "{name}"'))
    assert found == (
        "p.yaml:3: models.edge.template: must be a Jinja template: its text, not a path; "
        "write template: | and the text below",
    )
    assert problems_of(GOOD.replace(PATH, f'{PATH}, template: "{{{{ messages }}}}"')) == ()


@pytest.mark.parametrize("name", ["messages", "tools", "bos_token", "add_generation_prompt"])
def test_a_variable_that_the_engine_sets_is_no_template_kwarg(name: str) -> None:
    """A variable of each request cannot be set in the policy; others can, such as a switch of thinking."""
    found = problems_of(GOOD.replace(PATH, f"{PATH}, template_kwargs: {{{name}: yes}}"))
    assert found == (f"p.yaml:3: models.edge.template_kwargs: {name} is set by the gateway; remove it",)
    assert problems_of(GOOD.replace(PATH, f"{PATH}, template_kwargs: {{enable_thinking: false}}")) == ()
