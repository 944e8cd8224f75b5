"""What is sent to the Messages API of a conversation, and what is refused because the API lacks it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.backends.anthropic.message_body import messages_body
from gateway.backends.anthropic.tools import ReplyForm
from gateway.backends.anthropic.turns import REDACTED
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendInvalid, NotCapable
from gateway.policy.anthropic import AnthropicModel
from tests.support.messages_api import problems_of
from tests.support.permits import permit_for

OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-8"
SCHEMA = '{"type": "object", "properties": {"name": {"type": "string"}}}'
WEATHER = Tool(name="weather", description="Says it.", parameters_json_schema=SCHEMA)
PATCH = Tool(name="patch", kind=ToolKind.CUSTOM, input_grammar="start: /x/")


def user(*parts: Any) -> Message:
    """Return a message of the user."""
    return said(Role.USER, *parts)


def assistant(*parts: Any) -> Message:
    """Return a message of the model."""
    return said(Role.ASSISTANT, *parts)


def said(role: Role, *parts: Any) -> Message:
    """Return a message; a string is a text."""
    return Message(role=role, parts=tuple(Text(part) if isinstance(part, str) else part for part in parts))


def result(call_id: str, *parts: Any, is_error: bool = False) -> Message:
    """Return what a tool gave back."""
    texts = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=call_id, parts=texts, is_error=is_error),))


def spec(**keys: object) -> AnthropicModel:
    """Return the spec of a model."""
    return AnthropicModel.model_validate(
        {"kind": "anthropic", "model": OLD, "clearance": "public", "cache": "none", **keys}
    )


def written(
    *messages: Message, config: GenerationConfig | None = None, max_tokens: int = 4096, **keys: object
) -> tuple[dict[str, Any], ReplyForm]:
    """Return what is sent, which the API would not refuse."""
    request = Request(
        request_id="r1",
        tenant="t1",
        messages=messages or (user("Hi"),),
        config=config or GenerationConfig(),
        labels={"team": "x"},
    )
    body, form = messages_body("cloud", spec(**keys), permit_for(request), max_tokens, is_stream=False)
    assert list(problems_of(body)) == []
    return body, form


def body_of(
    *messages: Message, config: GenerationConfig | None = None, max_tokens: int = 4096, **keys: object
) -> dict[str, Any]:
    """Return what is sent."""
    return written(*messages, config=config, max_tokens=max_tokens, **keys)[0]


def turns_of(*messages: Message, **keys: Any) -> list[dict[str, Any]]:
    """Return the messages that are sent."""
    turns: list[dict[str, Any]] = body_of(*messages, **keys)["messages"]
    return turns


def test_what_the_policy_adds_is_merged_with_what_the_caller_says() -> None:
    """Field by field, the caller's first; but thinking is of one type, and that is the caller's."""
    effort = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.LOW))
    extra = {
        "output_config": {"effort": "high", "task_budget": {"total": 9}},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    body = body_of(config=effort, model=NEW, extra_body=extra)
    assert body["output_config"] == {"effort": "low", "task_budget": {"total": 9}}
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}


class TestConversation:
    """Messages as the API has them."""

    def test_a_plain_request(self) -> None:
        """Nothing is sent but what is needed."""
        assert body_of(Message(role=Role.USER, content="Hi")) == {
            "model": OLD,
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        }

    def test_leading_system_messages_are_the_system_text_and_later_ones_the_users(self) -> None:
        """The API has one place for them, before all messages."""
        body = body_of(
            said(Role.SYSTEM, "Be brief."),
            said(Role.SYSTEM, "Be kind."),
            user("Hi"),
            said(Role.SYSTEM, "It is late."),
            user("So?"),
        )
        assert [block["text"] for block in body["system"]] == ["Be brief.", "Be kind."]
        (turn,) = body["messages"]
        assert [block["text"] for block in turn["content"]] == [
            "Hi",
            "<system>\nIt is late.\n</system>",
            "So?",
        ]

    def test_turns_alternate(self) -> None:
        """Messages of one role are one turn, and an assistant never begins."""
        turns = turns_of(assistant("Hello."), user("a"), user("b"), assistant("c"), assistant("d"), user("e"))
        assert [(turn["role"], len(turn["content"])) for turn in turns] == [
            ("user", 1),
            ("assistant", 1),
            ("user", 2),
            ("assistant", 2),
            ("user", 1),
        ]

    def test_empty_texts_are_left_out(self) -> None:
        """The API refuses them."""
        assert turns_of(user("Hi", " \n"), assistant(""), user("you")) == [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]}
        ]

    def test_nothing_left_to_send(self) -> None:
        """Then this model cannot answer."""
        with pytest.raises(NotCapable) as raised:
            body_of(said(Role.SYSTEM, "Be brief."), user(" "))
        assert raised.value.field == "messages"

    def test_images_and_documents(self) -> None:
        """By their bytes, or the URL that the caller wrote."""
        (turn,) = turns_of(
            user(
                "What?",
                Image(data=b"png", media_type="image/png"),
                Image(url="https://x.example/a.png"),
                File(data=b"%PDF", media_type="application/pdf", name="a.pdf"),
                File(data="Zażółć".encode(), media_type="text/csv"),
            )
        )
        assert turn["content"][1:] == [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}},
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                "title": "a.pdf",
            },
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Zażółć"}},
        ]

    @pytest.mark.parametrize(("data", "media_type"), [(b"x", "application/msword"), (b"\xff", "text/plain")])
    def test_files_that_the_api_does_not_read(self, data: bytes, media_type: str) -> None:
        """They are not sent as something else."""
        with pytest.raises(NotCapable):
            body_of(user(File(data=data, media_type=media_type)))

    def test_calls_and_results(self) -> None:
        """Results come first in the next turn of the user, with texts, images and whether they failed."""
        turns = turns_of(
            user("Hi"),
            assistant(
                "Let me see.",
                ToolCall(id="c1", name="weather", arguments_json='{"name": "x"}'),
                ToolCall(id="c2", name="weather"),
                ToolCall(id="c3", name="patch", input="+x", is_custom=True),
            ),
            user("Quick!"),
            result("c1", "sunny", Image(data=b"p", media_type="image/png")),
            result("c2", is_error=True),
            result("c3"),
            config=GenerationConfig(tools=(WEATHER, PATCH)),
        )
        assert [block.get("input") for block in turns[1]["content"]] == [
            None,
            {"name": "x"},
            {},
            {"input": "+x"},
        ]
        first, second, third, text = turns[2]["content"]
        assert [part["type"] for part in first["content"]] == ["text", "image"]
        assert second["is_error"] is True
        assert "content" not in third
        assert text == {"type": "text", "text": "Quick!"}

    @pytest.mark.parametrize(
        ("arguments", "given"),
        [("[1]", {"arguments": [1]}), ('{"a": ', {"arguments": '{"a": '}), ("3", {"arguments": 3}), ("", {})],
    )
    def test_arguments_that_are_no_object(self, arguments: str, given: object) -> None:
        """The API takes objects only; nothing is repaired."""
        turns = turns_of(
            user("Hi"), assistant(ToolCall(id="c", name="f", arguments_json=arguments)), result("c", "x")
        )
        assert turns[1]["content"][0]["input"] == given

    def test_ids_of_other_providers(self) -> None:
        """What the API refuses becomes another id, the same for the call and its result."""
        turns = turns_of(
            user("Hi"), assistant(ToolCall(id="functions.f:0", name="f")), result("functions.f:0", "x")
        )
        call_id = turns[1]["content"][0]["id"]
        assert call_id.startswith("toolu_")
        assert turns[2]["content"][0]["tool_use_id"] == call_id

    def test_thoughts_go_back_to_their_model_only(self) -> None:
        """With what signs them, or encrypted as they came."""
        turns = turns_of(
            user("Hi"),
            assistant(
                Reasoning(text="Hm.", model="cloud", opaque=b"sig"),
                Reasoning(model="cloud", opaque=REDACTED + b"data"),
                Reasoning(text="Ha.", model="other", opaque=b"sig"),
                Reasoning(text="Unsigned.", model="cloud"),
                "Yes.",
            ),
            assistant(Reasoning(text="Last.", model="cloud", opaque=b"sig")),
            user("And?"),
        )
        assert turns[1]["content"] == [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "data"},
            {"type": "text", "text": "Yes."},
        ]

    def test_a_server_that_signs_nothing_gets_its_thoughts_too(self) -> None:
        """Some need them with calls of tools."""
        turns = turns_of(
            user("Hi"),
            assistant(Reasoning(text="Hm.", model="cloud"), "Yes."),
            user("And?"),
            model="glm-5",
            base_url="https://llm.example/v1",
        )
        assert turns[1]["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}

    def test_the_beginning_of_an_answer_ends_without_white_space(self) -> None:
        """The API refuses it; the reader knows what was not sent."""
        body, form = written(user("Hi"), assistant("Well, \n"))
        assert body["messages"][-1]["content"] == [{"type": "text", "text": "Well,"}]
        assert form.unsent_blanks == " \n"


class TestTools:
    """Tools, and which of them may be called."""

    def test_functions_and_free_text(self) -> None:
        """Free text is the one argument of a function; its grammar is told in words."""
        body, form = written(config=GenerationConfig(tools=(WEATHER, PATCH, Tool(name="now"))))
        weather, patch, now = body["tools"]
        assert weather == {"name": "weather", "description": "Says it.", "input_schema": json.loads(SCHEMA)}
        assert patch["input_schema"]["required"] == ["input"]
        assert "start: /x/" in patch["input_schema"]["properties"]["input"]["description"]
        assert now == {"name": "now", "input_schema": {"type": "object"}}
        assert form.custom_tools == {"patch"}
        assert "tool_choice" not in body

    @pytest.mark.parametrize(
        ("mode", "parallel", "choice"),
        [
            (None, None, None),
            (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
            ("auto", None, {"type": "auto"}),
            ("none", False, {"type": "none"}),
            ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
            ("named", None, {"type": "tool", "name": "weather"}),
        ],
    )
    def test_choice(self, mode: str | None, parallel: bool | None, choice: object) -> None:
        """Each mode has its word."""
        asked = mode and ToolChoice(mode=ToolChoiceMode(mode), name="weather" if mode == "named" else "")
        config = GenerationConfig(tools=(WEATHER,), tool_choice=asked or None, parallel_tool_calls=parallel)
        assert body_of(config=config).get("tool_choice") == choice

    def test_strict_where_the_model_knows_it(self) -> None:
        """An older one refuses it."""
        config = GenerationConfig(tools=(replace(WEATHER, strict=True),))
        assert body_of(config=config)["tools"][0]["strict"] is True
        assert "strict" not in body_of(config=config, model="claude-3-7-sonnet-20250219")["tools"][0]

    def test_calls_in_the_history_need_tools(self) -> None:
        """Those that were called are named, and none may be called."""
        body = body_of(user("Hi"), assistant(ToolCall(id="c", name="f")), result("c", "x"))
        assert [tool["name"] for tool in body["tools"]] == ["f"]
        assert body["tool_choice"] == {"type": "none"}

    def test_a_schema_that_is_no_json(self) -> None:
        """It is the caller's to mend."""
        with pytest.raises(BackendInvalid):
            body_of(config=GenerationConfig(tools=(replace(WEATHER, parameters_json_schema="{"),)))


class TestJson:
    """An answer in JSON is the input of a tool, or the API's own format."""

    @pytest.mark.parametrize(
        "config", [GenerationConfig(json_schema=SCHEMA), GenerationConfig(json_object=True)]
    )
    def test_a_tool_that_must_be_called(self, config: GenerationConfig) -> None:
        """Its schema is that of the answer."""
        body, form = written(config=config)
        assert form.answer_tool == "answer"
        assert body["tool_choice"] == {"type": "tool", "name": "answer", "disable_parallel_tool_use": True}
        wanted = {"type": "object"} if config.json_object else json.loads(SCHEMA)
        assert body["tools"][0]["input_schema"] == wanted

    def test_with_tools_any_may_be_called(self) -> None:
        """The name of the answer is one that no tool has."""
        tools = (WEATHER, replace(WEATHER, name="answer"))
        body, form = written(config=GenerationConfig(json_schema=SCHEMA, tools=tools))
        assert form.answer_tool == "answer_2"
        assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}

    @pytest.mark.parametrize("mode", ["required", "named"])
    def test_a_tool_that_the_caller_wants_goes_first(self, mode: str) -> None:
        """Then there is no answer yet."""
        choice = ToolChoice(mode=ToolChoiceMode(mode), name="weather" if mode == "named" else "")
        body, form = written(
            config=GenerationConfig(json_schema=SCHEMA, tools=(WEATHER,), tool_choice=choice)
        )
        assert form.answer_tool == ""
        assert len(body["tools"]) == 1

    def test_native(self) -> None:
        """The API holds the text to the schema."""
        body, form = written(config=GenerationConfig(json_schema=SCHEMA), json_output="native")
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": json.loads(SCHEMA)}}
        assert form.answer_tool == ""
        assert "tools" not in body

    def test_a_schema_of_no_object(self) -> None:
        """A tool takes objects only."""
        with pytest.raises(NotCapable) as raised:
            body_of(config=GenerationConfig(json_schema='{"type": "array"}'))
        assert raised.value.field == "config.json_schema"


class TestThinking:
    """How much the model thinks, as its version is asked."""

    @pytest.mark.parametrize(
        ("effort", "budget", "max_tokens", "thinking"),
        [
            (None, None, 4096, None),
            ("low", None, 4096, 1024),
            ("high", None, 4096, 3072),
            ("high", None, 100_000, 24_576),
            ("none", None, 4096, None),
            ("high", None, 1024, None),
            (None, 2000, 4096, 2000),
            (None, 9000, 4096, 4095),
            (None, 500, 4096, None),
            ("high", 2000, 4096, 2000),
        ],
    )
    def test_by_a_budget(
        self, effort: str | None, budget: int | None, max_tokens: int, thinking: int | None
    ) -> None:
        """It leaves room for the answer; one below the API's least is none."""
        asked = ReasoningConfig(effort=(effort and ReasoningEffort(effort)) or None, budget_tokens=budget)
        body = body_of(config=GenerationConfig(reasoning=asked), max_tokens=max_tokens)
        wanted = None if thinking is None else {"type": "enabled", "budget_tokens": thinking}
        assert body.get("thinking") == wanted

    @pytest.mark.parametrize(
        ("effort", "budget", "wanted"),
        [
            ("minimal", None, "low"),
            ("medium", None, "medium"),
            ("xhigh", None, "xhigh"),
            (None, 1024, "low"),
            (None, 5000, "medium"),
            (None, 50_000, "high"),
        ],
    )
    def test_by_an_effort(self, effort: str | None, budget: int | None, wanted: str) -> None:
        """Newer models take no budget."""
        asked = ReasoningConfig(effort=(effort and ReasoningEffort(effort)) or None, budget_tokens=budget)
        body = body_of(config=GenerationConfig(reasoning=asked), model=NEW)
        assert body["output_config"] == {"effort": wanted}
        assert body["thinking"] == {"type": "adaptive", "display": "summarized"}

    def test_an_effort_that_the_version_does_not_know(self) -> None:
        """The highest that it knows takes its place."""
        asked = ReasoningConfig(effort=ReasoningEffort.XHIGH, hide=True)
        body = body_of(config=GenerationConfig(reasoning=asked), model="claude-opus-4-6")
        assert body["output_config"] == {"effort": "high"}
        assert body["thinking"]["display"] == "omitted"

    def test_no_thinking(self) -> None:
        """It is turned off where it may be on by itself."""
        asked = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.NONE))
        assert body_of(config=asked, model=NEW)["thinking"] == {"type": "disabled"}
        assert "thinking" not in body_of(config=asked, model=NEW, thinking="none")

    def test_what_does_not_go_with_thinking(self) -> None:
        """A forced call, a begun answer, and how tokens are picked; the API refuses each."""
        asked = GenerationConfig(
            reasoning=ReasoningConfig(effort=ReasoningEffort.HIGH),
            temperature=0.2,
            top_k=5,
            json_schema=SCHEMA,
        )
        for model in (OLD, "claude-opus-4-6"):
            forced = body_of(config=asked, model=model)
            assert "thinking" not in forced
            assert forced["temperature"] == 0.2
            free = body_of(config=replace(asked, json_schema=None), model=model)
            assert free["thinking"]["type"] in ("enabled", "adaptive")
            assert "temperature" not in free
            begun = body_of(
                user("Hi"), assistant("Well"), config=replace(asked, json_schema=None), model=model
            )
            assert "thinking" not in begun

    def test_by_a_budget_a_call_needs_its_thought(self) -> None:
        """After calls that another model made the API lets this one not think."""
        asked = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.HIGH), tools=(WEATHER,))
        call, answer = ToolCall(id="c", name="weather"), result("c", "x")
        thought = Reasoning(text="Hm.", model="cloud", opaque=b"sig")
        assert "thinking" not in body_of(user("Hi"), assistant(call), answer, config=asked)
        assert "thinking" in body_of(user("Hi"), assistant(thought, call), answer, config=asked)
        assert "thinking" in body_of(user("Hi"), assistant(call), answer, config=asked, model=NEW)


class TestSampling:
    """How tokens are picked."""

    def test_everything_that_the_api_has(self) -> None:
        """Seed, penalties and min_p are hints that it lacks, so they are left out."""
        config = GenerationConfig(
            temperature=1.5,
            top_k=5,
            seed=3,
            min_p=0.1,
            frequency_penalty=1.0,
            presence_penalty=1.0,
            stop=("END",),
        )
        body = body_of(config=config)
        assert {key: body[key] for key in body if key not in ("model", "messages", "max_tokens")} == {
            "temperature": 1.0,
            "top_k": 5,
            "stop_sequences": ["END"],
        }

    def test_temperature_or_top_p(self) -> None:
        """Newer models take one of the two: temperature, unless only top_p is the caller's own."""
        both = GenerationConfig(temperature=0.3, top_p=0.5)
        assert "top_p" not in body_of(config=both)
        body = body_of(config=replace(both, temperature=None), sampling={"temperature": 0.3})
        assert body["top_p"] == 0.5
        assert "temperature" not in body

    def test_what_is_dropped_is_not_sent(self) -> None:
        """By the policy, and by itself for versions that are known to refuse it."""
        config = GenerationConfig(temperature=0.3, top_k=3, stop=("END",))
        body = body_of(config=config, model=NEW)
        assert "temperature" not in body
        assert "top_k" not in body
        assert "stop_sequences" not in body_of(config=config, drop=["stop"])

    @pytest.mark.parametrize(
        ("config", "field"),
        [
            (GenerationConfig(grammar="root ::= x"), "config.grammar"),
            (GenerationConfig(logit_bias={1: 1.0}), "config.logit_bias"),
            (GenerationConfig(top_logprobs=0), "config.top_logprobs"),
            (GenerationConfig(stop=("\n",)), "config.stop"),
        ],
    )
    def test_what_the_api_lacks(self, config: GenerationConfig, field: str) -> None:
        """A request that needs it goes elsewhere, and says why."""
        with pytest.raises(NotCapable) as raised:
            body_of(config=config)
        assert raised.value.field == field


class TestCache:
    """What the provider is asked to keep."""

    def marks(self, *messages: Message, **keys: Any) -> list[str]:
        """Return the texts and names that end a part which is kept."""
        config = GenerationConfig(tools=(WEATHER, replace(WEATHER, name="last")))
        body = body_of(*messages, config=config, **keys)
        blocks = [*body["tools"], *body.get("system", [])]
        blocks += [block for turn in body["messages"] for block in turn["content"]]
        return [str(block.get("name") or block.get("text")) for block in blocks if "cache_control" in block]

    def test_a_conversation(self) -> None:
        """Tools, system text, and the last two turns of the user: four, which is the most."""
        messages = [said(Role.SYSTEM, "one"), said(Role.SYSTEM, "two"), user("a"), assistant("b")]
        messages += [user("c"), assistant("d"), user("e")]
        assert self.marks(*messages, cache="auto") == ["last", "two", "c", "e"]

    def test_one_question(self) -> None:
        """It is not asked again, so it is not kept."""
        assert self.marks(said(Role.SYSTEM, "one"), user("a"), cache="auto") == ["last", "one"]

    def test_none(self) -> None:
        """Nothing is kept where the policy says so."""
        assert self.marks(user("a"), assistant("b"), user("c"), cache="none") == []
