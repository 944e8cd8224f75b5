"""Chat templates: what they find in their environment, what is folded for them, and their bounds."""

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.prompt import PromptMaker, any_of
from gateway.engine.template.chat_template import ChatTemplate, TemplateBroken
from gateway.engine.template.turns import Turn
from tests.support.fakes import FakeClock

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def template(source: str) -> ChatTemplate:
    """Return a template with the time of a fake clock, and tokens that stand out."""
    return ChatTemplate(source, bos="<bos>", eos="<eos>", clock=FakeClock())


def said(source: str, turns: Sequence[Turn] = (Turn("user", "hi"),)) -> str:
    """Return what a template makes of turns that it takes as they are."""
    return template(source).render(turns)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ strftime_now('%Y-%m-%d') }}", datetime.fromtimestamp(FakeClock().unix_s()).strftime("%Y-%m-%d")),
        ("{{ strftime_now('at %H') }}", datetime.fromtimestamp(FakeClock().unix_s()).strftime("at %H")),
        ("a{% generation %}{{ eos_token }}{% endgeneration %}b", "a<eos>b"),
        ("{%- generation -%}\n x {%- endgeneration -%}\n y", "xy"),
        ("{% generation %}{% set x = 1 %}{% endgeneration %}{{ x }}", "1"),
        ("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", "hi"),
        ("""{{ {"b": "<é&'>", "a": 1} | tojson }}""", """{"b": "<é&'>", "a": 1}"""),
        (
            """{{ {"b": "é", "a": 1} | tojson(ensure_ascii=True, sort_keys=True) }}""",
            r'{"a": 1, "b": "\u00e9"}',
        ),
        ("""{{ [1, {"a": 2}] | tojson(separators=(",", ":")) }}""", '[1,{"a":2}]'),
        ("""{{ {"a": [1]} | tojson(indent=2) }}""", json.dumps({"a": [1]}, indent=2)),
        ("{{ '<' ~ ({'a': 1} | tojson) + '>' }}", '<{"a": 1}>'),
        ("{{ ('<i>' | safe) + '<b>' }}", "<i><b>"),
        (
            "{% set n = namespace(a=0) %}{% for i in range(3) %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}",
            "3",
        ),
        (
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}"
            "{% if i == 3 %}{% break %}{% endif %}{% endfor %}",
            "023",
        ),
        ("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join }}", "hi"),
        ("{{ messages[0]['content'].split('i')[0].rstrip() ~ messages[-1].role.startswith('u') }}", "hTrue"),
        ("{{ tools is none }} {{ documents is none }} {{ custom_tools is defined }}", "True True False"),
        ("{% if true %}\n  x\n{% endif %}\n", "  x\n"),
        ("{% set l = [1] %}{% do l.append(2) %}{% set _ = l.append(3) %}{{ l | join }}{{ l.pop() }}", "1233"),
        ("{%- macro m(x) -%}({{ x }}){%- endmacro -%}{{ m(1) }}{{ m('2') }}", "(1)(2)"),
        ("{% set x %}{{ 'a' ~ 1 ~ none }}{% endset %}{{ x }}", "a1None"),
        ("{{ '%s=%d' % ('a', 3) }}{{ 'ab' * 2 }}{{ 2 ** 10 }}{{ ([1] + [2]) | length }}", "a=3abab10242"),
    ],
)
def test_the_environment(source: str, expected: str) -> None:
    """Templates find what transformers gives them, and texts are not made safe for HTML."""
    content = "{% if 'text' in messages[0].content %}{{ messages[0].content }}{% endif %}"

    assert said(content + source) == expected


MODEST = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no such role') }}{% endif %}" + MODEST
ALTERNATING = (
    "{% if messages[0].role == 'system' %}{{ '[system]' ~ messages[0].content }}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m.role == 'system' or (m.role == 'user') != (loop.index0 is even) %}"
    "{{ raise_exception('turns must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)
DROPPING = (
    "{% if messages[0].role == 'system' %}[system]{{ messages[0].content }}{% endif %}"
    "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)
PARTS = "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("source", "roles", "expected"),
    [
        (
            MODEST,
            "suuasut",
            "[system]0[user]1[user]2[assistant]3[system]4[user]5[user]Result of the tool :\n6",
        ),
        (NO_SYSTEM, "u", "[user]0"),
        (NO_SYSTEM, "su", "[user]0\n\n1"),
        (NO_SYSTEM, "suau", "[user]0\n\n1[assistant]2[user]3"),
        (NO_SYSTEM, "usau", "[user]0[system]1[assistant]2[user]3"),
        (ALTERNATING, "uu", "[user]0\n\n1"),
        (ALTERNATING, "suau", "[system]0[user]1[assistant]2[user]3"),
        (ALTERNATING, "suaau", "[system]0[user]1[assistant]2\n\n3[user]4"),
        (ALTERNATING, "usu", "[user]0\n\n1\n\n2"),
        (ALTERNATING, "ssus", "[system]0\n\n1[user]2\n\n3"),
        (ALTERNATING, "au", "[user][assistant]0[user]1"),
        (ALTERNATING, "sau", "[user]0[assistant]1[user]2"),
        (ALTERNATING, "utau", "[user]0\n\nResult of the tool :\n1[assistant]2[user]3"),
        (DROPPING, "sus", "[system]0[user]1\n\n2"),
        (DROPPING, "usu", "[user]0\n\n1\n\n2"),
        (DROPPING, "uu", "[user]0[user]1"),
        (PARTS, "su", "[system]0[user]1"),
    ],
)
def test_what_a_template_does_not_take_is_folded(source: str, roles: str, expected: str) -> None:
    """System turns become the beginning of the user's, turns of one role are joined, as little as will do."""
    chat = template(source)
    turns = [Turn(ROLES[letter], str(number)) for number, letter in enumerate(roles)]

    assert chat.render(chat.fit(turns)) == expected


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        (MODEST, ()),
        (PARTS, ()),
        (NO_SYSTEM, ("system", "later_system")),
        (DROPPING, ("later_system",)),
        (ALTERNATING, ("later_system", "same_role", "first_assistant")),
    ],
)
def test_what_is_folded_is_told(source: str, folded: tuple[str, ...]) -> None:
    """The check at the start says what a template does not take; the log has it once."""
    assert template(source).check() == folded


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", 'refuses a conversation of user: "it leaves a message out"'),
        ("{{ raise_exception('never\n today') }}", r'refuses a conversation of user: "never  today"'),
        ("{{ raise_exception('x' * 999) }}", '"' + "x" * 200 + '"'),
        (
            "{{ nothing.at_all }}",
            "refuses a conversation of user: \"UndefinedError: 'nothing' is undefined\"",
        ),
        (
            "{{ messages | map(attribute='content') | join | capitalize }}",
            "refuses a conversation of user: it leaves",
        ),
        (
            "{{ messages[0].content.swapcase() ~ messages | tojson | upper }}",
            "refuses a conversation of user",
        ),
        ("{{ [].extend(messages) }}", 'refuses a conversation of user: "SecurityError'),
        ("{% include 'other' %}", "refuses a conversation of user"),
        (
            "{{ messages[0].content }}",
            "refuses a conversation of user, assistant, user: it leaves a message out",
        ),
        (
            MODEST + "{% if messages | length > 2 %}{{ raise_exception('one question only') }}{% endif %}",
            'refuses a conversation of user, assistant, user: "one question only"',
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "refuses a conversation of user: RecursionError"),
    ],
)
def test_a_template_without_which_no_request_could_be_served(source: str, said: str) -> None:
    """What fails for every form of an ordinary conversation fails at the start, in the template's words."""
    with pytest.raises(
        TemplateBroken, match=re.escape(said.replace('"it leaves a message out"', "it leaves"))
    ):
        template(source).check()


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ 'a }}",
        "{% generation %}x",
        "{% no_such_tag %}",
        "{{ x | no_such_filter }}",
        "{% for i in messages %}" * 30 + "{% endfor %}" * 30,
    ],
    ids=["for", "quote", "generation", "tag", "filter", "nested"],
)
def test_what_does_not_compile(source: str) -> None:
    """Whatever keeps a template from compiling is one error, with the line where there is one."""
    with pytest.raises(TemplateBroken, match=r"^does not compile \(\w+( in line 1)?\)$"):
        template(source)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Return a template with what people's templates refuse, drop, trim or move."""
    text = draw(st.sampled_from(["m.content", "m['content'] | trim", "m.content.strip()", "(m | tojson)"]))
    system = draw(
        st.sampled_from(
            [
                "",
                "{% if 'system' in messages | map(attribute='role') %}{{ raise_exception('no') }}{% endif %}",
                "{% for m in messages[1:] if m.role == 'system' %}{{ raise_exception('late') }}{% endfor %}",
            ]
        )
    )
    turns = draw(
        st.sampled_from(["", "{% if m.role == before.role %}{{ raise_exception('twice') }}{% endif %}"])
    )
    begins = draw(
        st.sampled_from(
            ["", "{% if messages[0].role == 'assistant' %}{{ raise_exception('who?') }}{% endif %}"]
        )
    )
    drops = draw(
        st.sampled_from(["", " if m.role != 'system'", " if m.role != 'system' or m == messages[0]"])
    )
    return (
        f"{system}{begins}{{% set before = namespace(role='') %}}{{% for m in messages{drops} %}}{turns}"
        f"{{% set before.role = m.role %}}<{{{{ m.role }}}}>{{{{ {text} }}}}{{% endfor %}}"
    )


@given(source=templates(), roles=st.text("suat", min_size=1, max_size=12))
def test_no_text_is_ever_lost(source: str, roles: str) -> None:
    """For any template and any order of roles each text comes out once and in order, or it is refused."""
    chat = template(source)
    chat.check()
    turns = [Turn(ROLES[letter], f"<word-{number}>") for number, letter in enumerate(roles)]

    prompt = chat.render(chat.fit(turns))

    assert re.findall(r"<word-\d+>", prompt) == [turn.text for turn in turns]


class Bytes:
    """A vocabulary of bytes with a thousand control tokens."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the bytes."""
        return list(text.encode())

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens."""
        return tokens

    def control_texts(self) -> tuple[str, ...]:
        """Return how the control tokens are written."""
        return ("<|im_end|>", *(f"<|reserved_special_token_{number}|>" for number in range(1000)))


def test_many_messages_that_spell_control_tokens_cost_little() -> None:
    """A thousand such messages take about as long as a thousand others."""
    maker = PromptMaker(Bytes(), template(MODEST))

    def cpu_s(text: str) -> float:
        turns = [Turn("user", f"{text} {number}") for number in range(1024)]
        maker.tokens(turns)  # From here on the order of roles is known.
        start_s = time.thread_time()
        tokens = maker.tokens(turns)
        assert bytes(tokens).decode() == "".join(f"[user]{turn.text}" for turn in turns)
        return time.thread_time() - start_s

    assert cpu_s("<|im_end|> x") < 10 * cpu_s("(|im_end|) x") + 0.05


@given(texts=st.lists(st.text("ab<|", max_size=4)), content=st.text("ab<|", max_size=9))
def test_a_tree_of_texts_finds_what_any_of_them_would(texts: list[str], content: str) -> None:
    """The pattern agrees with a search for each text."""
    assert bool(any_of(texts).search(content)) == any(text in content for text in texts if text)
