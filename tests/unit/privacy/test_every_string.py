"""Every string of a request makes its class, ids and signatures are no findings, images are unreadable."""

import base64
import random
import string
from collections.abc import Callable

import pytest

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from gateway.domain.privacy import Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.fakes import FakeClock
from tests.support.policies import POLICY
from tests.support.requests import request_of

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
MAIL = "jane.roe@example.org"
IMAGE = Image(data=b"\x89PNG", media_type="image/png")
Part = Text | Image | File | ToolCall | ToolResult | Reasoning


def scored(
    *parts: Part,
    role: Role = Role.ASSISTANT,
    config: GenerationConfig | None = None,
    name: str = "",
    unreadable: str = "restricted",
) -> PrivacyAssessment:
    """Score a conversation of a text and one message of parts."""
    policy = PrivacyPolicy.model_validate({"unreadable": unreadable})
    request = request_of("hello", config=config)
    message = Message(role=role, parts=parts or (Text("hello"),), name=name)
    request = Request(
        request_id="r", tenant="t", messages=(*request.messages, message), config=request.config
    )
    return PrivacyScorer(policy, clock=FakeClock()).score(request)


def _result(part: Text | Image, *, call_id: str = "call_1") -> ToolResult:
    return ToolResult(tool_call_id=call_id, parts=(Text("ok"), part))


IN_PARTS: dict[str, Callable[[str], Part]] = {
    "parts[0].text": Text,
    "parts[0].tool_call.id": lambda value: ToolCall(id=value, name="mail"),
    "parts[0].tool_call.name": lambda value: ToolCall(id="call_1", name=value),
    "parts[0].tool_call.arguments_json": lambda value: ToolCall(
        id="call_1", name="mail", arguments_json=f'{{"to": "{value}"}}'
    ),
    "parts[0].tool_call.input": lambda value: ToolCall(id="call_1", name="mail", input=value, is_custom=True),
    "parts[0].tool_call.opaque": lambda value: ToolCall(id="call_1", name="mail", opaque=value.encode()),
    "parts[0].tool_result.tool_call_id": lambda value: _result(Text("ok"), call_id=value),
    "parts[0].tool_result.parts[1].text": lambda value: _result(Text(value)),
    "parts[0].reasoning.text": lambda value: Reasoning(text=value, model="cloud"),
    "parts[0].reasoning.opaque": lambda value: Reasoning(text="", model="cloud", opaque=value.encode()),
}


@pytest.mark.parametrize("path", IN_PARTS)
def test_a_part_makes_the_class_and_its_place_is_told(path: str) -> None:
    """Message, path and span name the string in which it was found."""
    privacy = scored(IN_PARTS[path](f"{MAIL}"))
    start = 8 if path.endswith("arguments_json") else 0
    assert privacy.findings == (
        Finding(type="EMAIL", start=start, end=start + len(MAIL), confidence=1.0, message_index=1, path=path),
    )
    assert privacy.privacy_class is PrivacyClass.CONFIDENTIAL


@pytest.mark.parametrize("key", ["key", "value", "cut"])
def test_keys_values_and_arguments_that_are_not_json_count(key: str) -> None:
    """Arguments are read as text, whatever they are."""
    arguments = {"key": f'{{"{MAIL}": 1}}', "value": f'{{"a": ["{MAIL}"]}}', "cut": f'{{"a": "{MAIL}'}[key]
    call = ToolCall(id="call_1", name="mail", arguments_json=arguments, arguments_invalid=key == "cut")
    assert [found.type for found in scored(call).findings] == ["EMAIL"]


def test_a_key_names_its_value() -> None:
    """As in every text, and for a value that is a number."""
    call = ToolCall(id="call_1", name="save", arguments_json='{"ssn": 219099999, "order": 12}')
    assert [(found.type, found.start) for found in scored(call).findings] == [("US_SSN", 8)]


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("config.tools[0].name", GenerationConfig(tools=(Tool(name=MAIL),))),
        ("config.tools[0].description", GenerationConfig(tools=(Tool(name="a", description=MAIL),))),
        (
            "config.tools[0].parameters_json_schema",
            GenerationConfig(tools=(Tool(name="a", parameters_json_schema=f'{{"enum": ["{MAIL}"]}}'),)),
        ),
        (
            "config.tools[0].input_grammar",
            GenerationConfig(tools=(Tool(name="a", kind=ToolKind.CUSTOM, input_grammar=MAIL),)),
        ),
        ("config.grammar", GenerationConfig(grammar=f'root ::= "{MAIL}"')),
        ("config.stop[0]", GenerationConfig(stop=(MAIL,))),
        ("config.json_schema", GenerationConfig(json_schema=f'{{"title": "{MAIL}"}}')),
    ],
)
def test_the_configuration_makes_the_class(path: str, config: GenerationConfig) -> None:
    """Definitions of tools and grammars as much as stop strings and the schema."""
    (found,) = scored(config=config).findings
    assert (found.type, found.message_index, found.path) == ("EMAIL", -1, path)


def test_names_of_participants_and_files_and_urls_make_the_class() -> None:
    """Whatever the class of what is behind them."""
    assert [found.path for found in scored(name=MAIL).findings] == ["name"]
    named = File(data=b"%PDF", media_type="application/pdf", name=f"{MAIL}.pdf")
    linked = Image(url=f"https://example.org/?to={MAIL}")
    found = scored(named, linked, role=Role.USER, unreadable="public").findings
    assert {each.path for each in found if each.type == "EMAIL"} == {
        "parts[0].file.name",
        "parts[1].image.url",
    }


class TestUnreadable:
    """Images, files and bytes that are no text."""

    @pytest.mark.parametrize(
        ("part", "path"),
        [
            (IMAGE, "parts[0].image"),
            (Image(url="https://example.org/cat.png"), "parts[0].image"),
            (File(data=b"%PDF", media_type="application/pdf"), "parts[0].file"),
            (_result(IMAGE), "parts[0].tool_result.parts[1].image"),
            (Reasoning(text="", model="m", opaque=b"\xff\x00"), "parts[0].reasoning.opaque"),
            (ToolCall(id="a", name="b", opaque=b"a\x00b"), "parts[0].tool_call.opaque"),
        ],
    )
    def test_what_cannot_be_read_is_restricted(self, part: Part, path: str) -> None:
        """The finding names its place; an image behind a URL is not read either."""
        privacy = scored(part)
        assert (privacy.privacy_class, privacy.reason) == (PrivacyClass.RESTRICTED, "unreadable content")
        assert [
            (each.message_index, each.path) for each in privacy.findings if each.type == "UNREADABLE"
        ] == [(1, path)]

    @pytest.mark.parametrize("least", ["public", "internal", "confidential"])
    def test_the_policy_says_what_it_is_at_least(self, least: str) -> None:
        """Many images are no list of people."""
        assert scored(*[IMAGE] * 30, unreadable=least).privacy_class is PrivacyClass[least.upper()]
        private = scored(IMAGE, Text(MAIL), unreadable=least)
        assert private.privacy_class is PrivacyClass.CONFIDENTIAL

    def test_a_rule_may_name_it(self) -> None:
        """The type is known, and no pattern takes its name."""
        policy = POLICY.replace("complexity >= 0.6", '"UNREADABLE" in findings')
        assert "UNREADABLE" in policy
        assert parse_policy(policy, name="p").privacy.unreadable == "restricted"
        own = f'{POLICY}privacy: {{patterns: [{{name: UNREADABLE, regex: "a"}}]}}'
        with pytest.raises(PolicyError, match="what no detector reads"):
            parse_policy(own, name="p")


LETTERS = string.ascii_letters + string.digits
LOWER_HEX = "0123456789abcdef"


def _drawn(rng: random.Random, count: int, of: str = LETTERS) -> str:
    return "".join(rng.choices(of, k=count))


IDS: dict[str, Callable[[random.Random], str]] = {
    "OpenAI": lambda rng: f"call_{_drawn(rng, 24)}",
    "OpenAI, Responses": lambda rng: f"fc_{_drawn(rng, 48, LOWER_HEX)}",
    "Anthropic": lambda rng: f"toolu_01{_drawn(rng, 22)}",
    "Bedrock": lambda rng: f"tooluse_{_drawn(rng, 22)}",
    "vLLM": lambda rng: f"chatcmpl-tool-{_drawn(rng, 32, LOWER_HEX)}",
    "Mistral": lambda rng: _drawn(rng, 9),
    "llama-server": lambda rng: _drawn(rng, 32),
    "xAI": lambda rng: f"call_{_drawn(rng, 8, string.digits)}",
    "DeepSeek": lambda rng: f"call_{rng.randrange(3):02}_{_drawn(rng, 24)}",
    "Kimi": lambda rng: f"functions.get_weather:{rng.randrange(30)}",
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_calls_are_no_findings(kind: str) -> None:
    """Also where the conversation asked for passwords and numbers before."""
    rng = random.Random(kind)
    asked = request_of("What is your password, SSN, phone number, passport number and API key?").messages
    for _ in range(150):
        id_ = IDS[kind](rng)
        call = Message(role=Role.ASSISTANT, parts=(ToolCall(id=id_, name="search", arguments_json="{}"),))
        result = Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=id_, parts=(Text("ok"),)),))
        request = Request(request_id="r", tenant="t", messages=(*asked, call, result))
        assert SCORER.score(request).privacy_class is PrivacyClass.PUBLIC


@pytest.mark.parametrize("kind", ["Anthropic", "OpenAI"])
def test_signatures_are_no_findings(kind: str) -> None:
    """A long run of Base64 holds nothing that is told from chance; what is written beside it counts."""
    rng = random.Random(kind)
    for _ in range(150):
        data = rng.randbytes(rng.choice((200, 900, 2400)))
        text = base64.b64encode(data) if kind == "Anthropic" else b"gAAAAA" + base64.urlsafe_b64encode(data)
        thought = Reasoning(text="", model="cloud", opaque=text)
        assert scored(thought).findings == ()
        assert len(scored(Reasoning(text="", model="m", opaque=text + b" " + MAIL.encode())).findings) == 1
