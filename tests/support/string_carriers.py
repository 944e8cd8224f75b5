"""Every place of a conversation in which a caller's words can stand, one at a time.

    python -m tests.support.string_carriers

prints the table of docs/explanations/egress.md.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.clock import SystemClock
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer

NOTHING = "nothing"
_URL = "https://pictures.example"


class Carrier(NamedTuple):
    """A place of a conversation."""

    parts: Callable[[str], tuple[Part, ...]] | None = None
    """The parts of a message that hold some words."""
    config: Callable[[str], GenerationConfig] | None = None
    role: Role = Role.ASSISTANT
    name: bool = False
    """Whether the words are the name of the participant."""
    may_mask: bool = False
    """Whether placeholders may stand in their place."""


def _arguments(words: str) -> str:
    return json.dumps({"to": [{"name": words}]}, ensure_ascii=False)


def _schema(words: str, key: str) -> str:
    value: object = {"examples": [words], "enum": [words]}.get(key, words)
    field = {"type": "string", key: value}
    properties = {words: {"type": "string"}} if key == "properties" else {"to": field}
    return json.dumps({"type": "object", "properties": properties}, ensure_ascii=False)


def _call(arguments: str = "{}", *, id_: str = "call_1", name: str = "mail") -> tuple[Part, ...]:
    return (ToolCall(id=id_, name=name, arguments_json=arguments),)


def _result(words: str) -> tuple[Part, ...]:
    return (ToolResult(tool_call_id="call_1", parts=(Text("ok"), Text(words))),)


def _tool(*, name: str = "mail", description: str = "", schema: str = "") -> GenerationConfig:
    return GenerationConfig(tools=(Tool(name=name, description=description, parameters_json_schema=schema),))


def _of_parameter(key: str) -> Carrier:
    return Carrier(config=lambda words: _tool(schema=_schema(words, key)))


CARRIERS: Mapping[str, Carrier] = {
    "text part": Carrier(lambda words: (Text("see"), Text(words)), role=Role.USER, may_mask=True),
    "name of a participant": Carrier(name=True, role=Role.USER),
    "URL of an image": Carrier(lambda words: (Image(url=f"{_URL}/?q={words}"),), role=Role.USER),
    "name of a file": Carrier(
        lambda words: (File(data=b"%PDF", media_type="application/pdf", name=f"{words} .pdf"),),
        role=Role.USER,
    ),
    "id of a call": Carrier(lambda words: _call(id_=words)),
    "name of a called tool": Carrier(lambda words: _call(name=words)),
    "value of an argument": Carrier(lambda words: _call(_arguments(words)), may_mask=True),
    "key of an argument": Carrier(lambda words: _call(json.dumps({words: 1}, ensure_ascii=False))),
    "arguments that are not JSON": Carrier(
        lambda words: (
            ToolCall(id="call_1", name="mail", arguments_json=f'{{"to": "{words}"', arguments_invalid=True),
        )
    ),
    "input of a custom tool": Carrier(
        lambda words: (ToolCall(id="call_1", name="sh", input=words, is_custom=True),), may_mask=True
    ),
    "signature of a call": Carrier(
        lambda words: (
            ToolCall(id="call_1", name="mail", arguments_json="{}", opaque=words.encode(), model="cloud"),
        )
    ),
    "id of a result": Carrier(
        lambda words: (ToolResult(tool_call_id=words, parts=(Text("ok"),)),), role=Role.TOOL
    ),
    "text of a result": Carrier(_result, role=Role.TOOL, may_mask=True),
    "reasoning": Carrier(lambda words: (Text("ok"), Reasoning(text=words, model="cloud")), may_mask=True),
    "signed reasoning": Carrier(
        lambda words: (Text("ok"), Reasoning(text=words, model="cloud", opaque=b"c2ln")), may_mask=True
    ),
    "signature of reasoning": Carrier(
        lambda words: (Text("ok"), Reasoning(text="", model="cloud", opaque=words.encode()))
    ),
    "name of a tool": Carrier(config=lambda words: _tool(name=words)),
    "description of a tool": Carrier(config=lambda words: _tool(description=words)),
    "title of a parameter": _of_parameter("title"),
    "description of a parameter": _of_parameter("description"),
    "choice of a parameter": _of_parameter("enum"),
    "default of a parameter": _of_parameter("default"),
    "example of a parameter": _of_parameter("examples"),
    "name of a parameter": _of_parameter("properties"),
    "grammar of a custom tool": Carrier(
        config=lambda words: GenerationConfig(
            tools=(Tool(name="sh", kind=ToolKind.CUSTOM, input_grammar=f'start: "{words}"'),)
        )
    ),
    "grammar of the answer": Carrier(config=lambda words: GenerationConfig(grammar=f'root ::= "{words}"')),
    "stop string": Carrier(config=lambda words: GenerationConfig(stop=(words,))),
    "schema of the answer": Carrier(
        config=lambda words: GenerationConfig(json_schema=json.dumps({"title": words}, ensure_ascii=False))
    ),
}
"""Each takes its words in one string of the request."""

UNREADABLE: Mapping[str, tuple[Role, Part]] = {
    "image": (Role.USER, Image(data=b"\x89PNG", media_type="image/png")),
    "image behind a URL": (Role.USER, Image(url=f"{_URL}/cat.png")),
    "image of a result": (
        Role.TOOL,
        ToolResult(tool_call_id="call_1", parts=(Image(data=b"\x89PNG", media_type="image/png"),)),
    ),
    "file": (Role.USER, File(data=b"%PDF", media_type="application/pdf")),
    "signature that is no text": (Role.ASSISTANT, Reasoning(text="", model="cloud", opaque=b"\x00\xff")),
}
"""What no detector reads, by itself."""


def carrying(carrier: str, words: str) -> tuple[tuple[Message, ...], GenerationConfig]:
    """Return a conversation, and its configuration, with the words in one place."""
    at = CARRIERS[carrier]
    user = Message(role=Role.USER, content=NOTHING)
    parts = at.parts(words) if at.parts is not None else (Text(NOTHING),)
    message = Message(role=at.role, parts=parts, name=words if at.name else "")
    return (user, message), at.config(words) if at.config is not None else GenerationConfig()


def unread(carrier: str) -> tuple[Message, ...]:
    """Return a conversation with something that no detector reads."""
    role, part = UNREADABLE[carrier]
    return (Message(role=Role.USER, content=NOTHING), Message(role=role, parts=(part,)))


def rows() -> list[tuple[str, str, str, str]]:
    """Return each place, its path, the class that a card makes there, and whether it may be masked."""
    scorer = PrivacyScorer(PrivacyPolicy.model_validate({"unreadable": "public"}), clock=SystemClock())
    found = []
    for name, carrier in CARRIERS.items():
        messages, config = carrying(name, "4111 1111 1111 1111")
        privacy = scorer.score(Request(request_id="", tenant="", messages=messages, config=config))
        (card,) = (each for each in privacy.findings if each.type == "CREDIT_CARD")
        masked = "yes" if carrier.may_mask else "no"
        found.append((name, card.path, privacy.privacy_class.name.lower(), masked))
    closed = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    for name in UNREADABLE:
        privacy = closed.score(Request(request_id="", tenant="", messages=unread(name)))
        found.append((name, privacy.findings[-1].path, privacy.privacy_class.name.lower(), "no"))
    return found


def table() -> str:
    """Return the rows in Markdown."""
    head = ["| place | path | class with a card, or by itself | may be masked |", "|---|---|---|---|"]
    return "\n".join(
        [*head, *(f"| {name} | `{path}` | {class_} | {masked} |" for name, path, class_, masked in rows())]
    )


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
