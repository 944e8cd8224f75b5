"""Tools, calls, results and reasoning in prompts: how templates want them, and what is folded for them."""

from collections.abc import Sequence

import pytest

from gateway import errors
from gateway.domain.template_facts import TemplateFacts
from gateway.engine.prompt import PromptMaker
from gateway.engine.requests import prompt_length, turns_of
from gateway.engine.template.chat_template import ChatTemplate, RenderOptions, TemplateBroken
from gateway.engine.template.turns import Turn, TurnCall, TurnTool
from gateway.engine.v1 import engine_pb2
from tests.support.fakes import FakeClock

TOOL = TurnTool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
OFFER = RenderOptions(tools=(TOOL,))
CALL = TurnCall("call_1", "add", '{"a": 1}')
OTHER = TurnCall("call_2", "add", '{"a": 2}')
ASKED = Turn("user", "add")
RESULT = Turn("tool", "one", call_id="call_1", tool_name="add")
SECOND = Turn("tool", "two", call_id="call_2", tool_name="add")

HEAD = "{% if tools %}[tools]{{ tools | tojson }}{% endif %}"
BODY = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for c in m.tool_calls or [] %}(call {{ c.function.name }} {{ c.function.arguments | tojson }})"
    "{% endfor %}{% endfor %}"
)
END = "{% if add_generation_prompt %}[assistant]{% endif %}"
MODEST = HEAD + BODY + END
THINKING = MODEST.replace(
    "{{ m.content }}",
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}",
).replace("[assistant]", "[assistant]{% if enable_thinking is false %}<think></think>{% endif %}")


def template(source: str, **variables: object) -> ChatTemplate:
    """Return a template."""
    return ChatTemplate(source, bos="<bos>", eos="<eos>", clock=FakeClock(), variables=variables)


def rendered(source: str, turns: Sequence[Turn], options: RenderOptions = OFFER) -> str:
    """Return the prompt of turns, without what it says of tools."""
    chat = template(source)
    chat.check()
    prompt = chat.render(chat.fit(turns, options), options)
    return prompt[prompt.index("[user]") :]


def test_a_whole_conversation_with_tools() -> None:
    """Tools come in OpenAI's form, arguments as JSON, and thoughts where the template has a place."""
    chat = template(THINKING)
    turns = [ASKED, Turn("assistant", "so", (CALL,), reasoning="hm"), RESULT]

    assert chat.render(chat.fit(turns, OFFER), OFFER) == (
        '[tools][{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": '
        '{"type": "object", "properties": {"a": {"type": "integer"}}}}}]'
        '[user]add[assistant]<think>hm</think>so(call add {"a": 1})[tool]one[assistant]'
    )


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        (BODY.replace("{% for c in m.tool_calls or [] %}", "{% for c in [] %}") + END, TemplateFacts()),
        (
            MODEST,
            TemplateFacts(tools=True, calls=True, results=True, parallel_calls=True, text_beside_calls=True),
        ),
        (
            THINKING,
            TemplateFacts(
                tools=True,
                calls=True,
                results=True,
                parallel_calls=True,
                text_beside_calls=True,
                thinking_variable="enable_thinking",
                thinks_by_default=True,
                reasoning=True,
                off_suffix="<think></think>",
            ),
        ),
        (
            BODY.replace("m.tool_calls or []", "[]") + "{{ '<think>\n' if thinking else '</think>' }}",
            TemplateFacts(
                thinking_variable="thinking",
                thinks_by_default=False,
                begins_reasoning=True,
                off_suffix="</think>",
            ),
        ),
        (
            BODY.replace("m.tool_calls or []", "[]")
            + "{% if reasoning_effort == 'medium' %}{{ raise_exception('no') }}{% endif %}"
            + "{{ reasoning_effort }}",
            TemplateFacts(effort_variable="reasoning_effort", efforts=("low", "high")),
        ),
        (
            HEAD + "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
            TemplateFacts(tools=True, results=True),
        ),
    ],
    ids=["nothing", "tools", "thinking", "inside", "effort", "calls as text"],
)
def test_what_a_template_renders_is_found_out(source: str, facts: TemplateFacts) -> None:
    """The facts say what has a form of its own."""
    assert template(source).facts == facts


CALL_AS_TEXT = BODY.replace("c.function.arguments | tojson", "'' + c.function.arguments")
SHORT_IDS = (
    "{% for c in m.tool_calls or [] %}{% if c.id | length != 9 %}{{ raise_exception('id') }}{% endif %}"
)
FIRST, SECOND_CALL = '(call add {"a": 1})', '(call add {"a": 2})'
CALLED = f"[user]add[assistant]{FIRST}[tool]one[assistant]"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (MODEST, CALLED),
        (HEAD + CALL_AS_TEXT + END, CALLED),
        (
            "{% for t in tools or [] %}{{ t.name ~ t.parameters }}{% endfor %}" + BODY + END,
            CALLED,
        ),
        ("{{ '[tools]' + functions }}" + BODY + END, CALLED),
        (HEAD + BODY.replace("{% for c in m.tool_calls or [] %}", SHORT_IDS) + END, CALLED),
        (
            HEAD + BODY.replace("(call {{ c.function.name }}", "(call {{ c.id }}") + END,
            '[user]add[assistant](call functions.add:0 {"a": 1})[tool]one[assistant]',
        ),
        (
            HEAD + BODY.replace("{{ m.content }}", "{{ m.content or '' }}")
            .replace("m.tool_calls or []", "(m.tool_calls if m.content is none else [])") + END,
            CALLED,
        ),
        (
            HEAD + BODY.replace("{{ c.function.arguments | tojson }}",
            "{% for key, value in c.function.arguments.items() %}{{ key }}={{ value }};{% endfor %}") + END,
            "[user]add[assistant](call add a=1;)[tool]one[assistant]",
        ),
    ],
    ids=["object", "json", "function", "one text", "short ids", "ids with names", "no content",
         "items"],
)  # fmt: skip
def test_a_template_gets_calls_as_it_wants_them(source: str, expected: str) -> None:
    """Tools, arguments, ids and missing content have the form that test conversations showed."""
    assert rendered(source, [ASKED, Turn("assistant", calls=(CALL,)), RESULT]) == expected


ONE_CALL = "{% if m.tool_calls and m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}"
NO_TEXT = "{% if not m.tool_calls %}{{ m.content }}{% endif %}"
ALTERNATING = (
    "{% set n = namespace(i=0) %}{% for m in messages if m.role != 'tool' and not m.tool_calls %}"
    "{% if (m.role == 'user') != (n.i % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
    "{% set n.i = n.i + 1 %}{% endfor %}"
)
BOTH = (ASKED, Turn("assistant", "so", (CALL, OTHER)), RESULT, SECOND)


@pytest.mark.parametrize(
    ("source", "turns", "expected"),
    [
        (MODEST, BOTH, f"[user]add[assistant]so{FIRST}{SECOND_CALL}[tool]one[tool]two[assistant]"),
        (
            MODEST.replace("{{ m.content }}", ONE_CALL + "{{ m.content }}"),
            BOTH,
            f"[user]add[assistant]so{FIRST}[tool]one[assistant]{SECOND_CALL}[tool]two[assistant]",
        ),
        (
            MODEST.replace("{{ m.content }}", NO_TEXT),
            BOTH,
            f"[user]add[assistant]so[assistant]{FIRST}{SECOND_CALL}[tool]one[tool]two[assistant]",
        ),
        (
            ALTERNATING + MODEST,
            (ASKED, Turn("assistant", calls=(CALL,)), RESULT, Turn("user", "and?")),
            f"[user]add[assistant]{FIRST}[tool]one[assistant] [user]and?[assistant]",
        ),
        (
            ALTERNATING + MODEST.replace("{{ m.content }}", NO_TEXT),
            (ASKED, Turn("assistant", "so", (CALL,)), RESULT, Turn("assistant", "done"), ASKED),
            f"[user]add[assistant]so[user][assistant]{FIRST}[tool]one[assistant]done[user]add[assistant]",
        ),
    ],
    ids=["kept", "single", "split", "cut in", "split and padded"],
)  # fmt: skip
def test_calls_are_folded_as_little_as_will_do(source: str, turns: Sequence[Turn], expected: str) -> None:
    """Parallel calls become single ones, and the text beside a call a turn, where the template demands it."""
    assert rendered(source, turns) == expected


def test_without_a_form_for_calls_they_are_text() -> None:
    """A model that knows no tools reads what was called; tools that it would not see are refused."""
    source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"

    assert rendered(source, BOTH, RenderOptions()) == (
        '[user]add[assistant]so\n\nCall of the tool add: {"a": 1}\nCall of the tool add: {"a": 2}'
        "[user]Result of the tool add:\none[user]Result of the tool add:\ntwo"
    )
    with pytest.raises(TemplateBroken, match="shows the model no tools") as refusal:
        template(source).fit([ASKED], OFFER)
    assert refusal.value.field == "config.tools"


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "1", '"a"', "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """A call that was cut off in the history is an error of the request, whatever its template."""
    chat = template(MODEST)
    turns = [ASKED, Turn("assistant", calls=(TurnCall("call_1", "add", arguments),)), RESULT]

    with pytest.raises(TemplateBroken, match="arguments are a JSON object") as refusal:
        chat.render(chat.fit(turns, OFFER), OFFER)
    assert refusal.value.field == "messages"


def test_schemas_are_filled_for_a_template_that_expects_descriptions() -> None:
    """What a schema may leave out is added only for a template that fails without it."""
    strict = HEAD.replace(
        "{{ tools | tojson }}",
        "{% for t in tools %}{{ t.function.name }}"
        "{% for key, value in t.function.parameters.properties | items %}"
        "{{ key + ':' + value.type + value.description + (value.items.type or '') }}{% endfor %}{% endfor %}",
    )
    tool = TurnTool("add", "", {"properties": {"a": {}, "b": {"type": "array", "items": {"type": "number"}}}})
    chat = template(strict + BODY)

    assert chat.render([ASKED], RenderOptions(tools=(tool,))) == "[tools]adda:stringb:arraynumber[user]add"


def test_thinking_and_effort_are_variables() -> None:
    """The request decides; else the policy's variables; else the template."""
    source = BODY + "{{ enable_thinking if enable_thinking is defined }}/{{ reasoning_effort }}"

    def end(options: RenderOptions, **variables: object) -> str:
        return template(source, **variables).render([ASKED], options).removeprefix("[user]add")

    assert end(RenderOptions()) == "/"
    assert end(RenderOptions(thinking=False, effort="high")) == "False/high"
    assert end(RenderOptions(), enable_thinking=False) == "False/"
    assert end(RenderOptions(thinking=True), enable_thinking=False) == "True/"


class Angles:
    """A vocabulary of characters and one control token, 0."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text."""
        return [ord(each) for each in (text.replace("<end>", "\0") if parse_special else text)]

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens."""
        return tokens

    def control_texts(self) -> tuple[str, ...]:
        """Return the text of the control token."""
        return ("<end>",)


def test_a_template_that_takes_characters_out_makes_no_control_token() -> None:
    """Some templates remove "/think" from a message; what is left must not be a control token."""
    source = "{% for m in messages %}{{ m.content.replace('/think', '') }}<end>{% endfor %}"
    maker = PromptMaker(Angles(), template(source))

    def prompt(text: str) -> str:
        return "".join(map(chr, maker.tokens([Turn("user", text)])))

    assert prompt("a /think b") == "a  b\0"
    assert prompt("a <b> c") == "a <b> c\0"
    assert prompt("a <e/thinknd> b") == "a <end> b\0"


def test_a_request_becomes_turns() -> None:
    """A result gets the name of its call, and thoughts their place."""
    messages = [
        engine_pb2.Message(
            role="assistant",
            content="so",
            tool_calls=[engine_pb2.ToolCall(id="call_1", name="add", arguments_json='{"a": 1}')],
            reasoning="hm",
        ),
        engine_pb2.Message(role="tool", content="one", tool_call_id="call_1"),
    ]

    assert turns_of(messages) == [Turn("assistant", "so", (CALL,), reasoning="hm"), RESULT]


@pytest.mark.parametrize(
    ("source", "schema", "field"),
    [
        (BODY.replace("m.tool_calls or []", "[]"), "{}", "config.tools"),
        (MODEST, '{"type": ', "config.tools"),
        (MODEST + "{% if 'x' in messages[0].content and 'x' == messages[0].content %}{{ 1 / 0 }}{% endif %}",
         "", ""),
    ],
    ids=["no tools", "no schema", "messages"],
)  # fmt: skip
def test_a_refusal_names_its_field(source: str, schema: str, field: str) -> None:
    """What a template refuses is `messages` or `config.tools`."""
    tools = [engine_pb2.Tool(name="add", parameters_json_schema=schema)] if field else []
    request = engine_pb2.CountTokensRequest(
        messages=[engine_pb2.Message(role="user", content="x")], tools=tools
    )

    with pytest.raises(errors.NotCapable, match=field or "messages") as refusal:
        prompt_length(request, name="edge", prompts=PromptMaker(Angles(), template(source)))
    assert refusal.value.field == (field or "messages")
