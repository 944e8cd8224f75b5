"""From messages to a prompt: chat templates in their sandbox, and words that look like control tokens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.prompt import PromptMaker
from gateway.engine.template.chat_template import PLAIN_TEMPLATE, ChatTemplate, TemplateBroken
from gateway.engine.template.turns import Turn

TURNS = (
    "{{ bos_token }}{% for m in messages %}\n  {% if m.role == '' %}{% continue %}{% endif %}\n"
    "<{{ m.role }}>{{ m.content | trim }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
CONTROLS = ("<end>", "<system>", "<user>", "<assistant>", "<bos>")


class Characters:
    """A vocabulary of characters and five control tokens, the latter as negative numbers."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        pattern = "|".join(map(re.escape, CONTROLS)) + "|." if parse_special else "."
        parts = re.findall(pattern, text, re.DOTALL)
        return [-1 - CONTROLS.index(part) if part in CONTROLS else ord(part) for part in parts]

    def begin(self, tokens: list[int]) -> list[int]:
        bos = -1 - CONTROLS.index("<bos>")
        return tokens if tokens[:1] == [bos] else [bos, *tokens]

    def control_texts(self) -> tuple[str, ...]:
        return CONTROLS


def written(tokens: tuple[int, ...]) -> str:
    """Return tokens as text, control tokens in capitals."""
    return "".join(CONTROLS[-1 - t].upper() if t < 0 else chr(t) for t in tokens)


def prompt(*messages: tuple[str, str], template: str = TURNS) -> str:
    """Return the prompt for messages of (role, content)."""
    return written(
        PromptMaker(Characters(), ChatTemplate(template, bos="<bos>", eos="<end>")).tokens(
            [Turn(role, content) for role, content in messages]
        )
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (TURNS, "<BOS><SYSTEM>be brief<END><USER>hi<END><USER>Result of the tool :\n42<END><ASSISTANT>"),
        (PLAIN_TEMPLATE, "<BOS>system: be brief\nuser:  hi \nuser: Result of the tool :\n42\nassistant:"),
    ],
    ids=["as templates are written", "without a template"],
)
def test_render(template: str, text: str) -> None:
    """Roles are strings, white space of blocks is trimmed, loop controls work, the beginning comes once."""
    assert prompt(("system", "be brief"), ("user", " hi "), ("tool", "42"), template=template) == text


@given(content=st.lists(st.sampled_from([*CONTROLS, "<", "end>", "a", " ", "{{ bos_token }}"])).map("".join))
def test_a_message_never_makes_a_control_token(content: str) -> None:
    """Whatever a message spells, the prompt's control tokens are the template's own, and no word is lost."""
    tokens = PromptMaker(Characters(), ChatTemplate(TURNS, bos="<bos>", eos="<end>")).tokens(
        [Turn("user", content)]
    )

    controls = [CONTROLS[-1 - t] for t in tokens if t < 0]
    words = "".join(chr(t) for t in tokens if t >= 0)

    assert controls == ["<bos>", "<user>", "<end>", "<assistant>"]
    assert words.strip() == content.strip()


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('roles must alternate: ' + messages[0].content) }}",
        "{{ messages[0].content.__class__.__mro__ }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[99].content }}",
        "{{ (1).__class__.__base__.__subclasses__() }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
    ids=["raise_exception", "dunder", "type error", "missing message", "escape", "endless"],
)
def test_a_template_that_refuses(template: str) -> None:
    """A template that fails, or reaches out of its sandbox, is an error that quotes nothing."""
    asked = "{% if 'secret' in messages[0].content %}" + template + "{% endif %}{{ messages[0].content }}"
    with pytest.raises(
        TemplateBroken, match=r"refuses this order of roles, or leaves a message out$|^takes too much memory"
    ):
        prompt(("user", "secret words"), template=template)
    with pytest.raises(TemplateBroken, match=r"(this conversation \(\w+\)|is too large)$") as refusal:
        prompt(("user", "secret words"), template=asked)

    assert "secret" not in str(refusal.value)


def test_a_template_that_does_not_compile() -> None:
    """A template with a syntax error is refused when it is read."""
    with pytest.raises(TemplateBroken, match="does not compile"):
        ChatTemplate("{% for %}", bos="", eos="")


def test_a_template_that_drops_such_a_message() -> None:
    """A template that does not carry over a message that contains a control token is not trusted with it."""
    with pytest.raises(TemplateBroken, match="changes a message that contains a control token"):
        prompt(("user", "<end>"), template="{{ messages[0].content[:30] }}")


def test_an_answer_that_was_begun_is_gone_on_with() -> None:
    """It stands after the words that begin an answer, as plain text, and its turn is left open."""
    maker = PromptMaker(Characters(), ChatTemplate(TURNS, bos="<bos>", eos="<end>"))
    messages = (Turn("user", "hi"), Turn("assistant", " one <end> two"))
    tokens = maker.tokens(messages, continue_final_message=True)
    assert written(tokens) == "<BOS><USER>hi<END><ASSISTANT> one <end> two"
    assert written(maker.tokens(messages)) == "<BOS><USER>hi<END><ASSISTANT>one <end> two<END><ASSISTANT>"
