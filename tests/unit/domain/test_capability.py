"""What a request needs of a model, by what is in it."""

import pytest

from gateway.domain.capability import FIELD_OF, Capability, needs_of
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.text.schema_bounds import AT_THE_EDGE

HELLO = Message(role=Role.USER, content="hello")
PICTURE = Image(data=b"x", media_type="image/png")
CALL = ToolCall(id="c", name="look")


def needs(*parts: Part, config: GenerationConfig | None = None) -> tuple[Capability, ...]:
    """Return the needs of a request with such parts in its only message."""
    message = Message(role=Role.USER, parts=parts) if parts else HELLO
    return needs_of(
        Request(request_id="r", tenant="t", messages=(message,), config=config or GenerationConfig())
    )


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ((Text("hello"),), ()),
        ((PICTURE,), (Capability.IMAGES,)),
        ((File(data=b"x", media_type="application/pdf"),), (Capability.FILES,)),
        ((CALL,), (Capability.TOOLS,)),
        ((ToolResult(tool_call_id="c"),), (Capability.TOOLS,)),
        ((ToolResult(tool_call_id="c", parts=(PICTURE,)),), (Capability.TOOLS, Capability.IMAGES)),
        (
            (ToolCall(id="c", name="patch", input="x", is_custom=True),),
            (Capability.TOOLS, Capability.CUSTOM_TOOLS),
        ),
        ((Reasoning(text="hm", model="m"),), ()),
    ],
)
def test_parts_of_messages(parts: tuple[Part, ...], needed: tuple[Capability, ...]) -> None:
    """Pictures in results of tools count too; what a model thought is given back to it alone."""
    assert needs(*parts) == needed


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (GenerationConfig(temperature=1.0, max_tokens=9, stop=("x",)), ()),
        (GenerationConfig(tools=(Tool(name="look"),)), (Capability.TOOLS,)),
        (
            GenerationConfig(tools=(Tool(name="patch", kind=ToolKind.CUSTOM),)),
            (Capability.TOOLS, Capability.CUSTOM_TOOLS),
        ),
        (GenerationConfig(top_logprobs=0), (Capability.LOGPROBS,)),
        (GenerationConfig(json_schema="{}"), (Capability.JSON_SCHEMA,)),
        (
            GenerationConfig(json_schema="[" * (AT_THE_EDGE.max_depth + 1)),
            (Capability.JSON_SCHEMA, Capability.LARGE_JSON_SCHEMA),
        ),
        (GenerationConfig(json_object=True), (Capability.JSON_OBJECT,)),
        (GenerationConfig(grammar='root ::= "a"'), (Capability.GRAMMAR,)),
        (
            GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.LOW)),
            (Capability.REASONING,),
        ),
        (GenerationConfig(reasoning=ReasoningConfig(budget_tokens=9)), (Capability.REASONING,)),
        (GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.NONE, hide=True)), ()),
        (GenerationConfig(reasoning=ReasoningConfig(budget_tokens=0)), ()),
        (GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.HIGH, is_optional=True)), ()),
    ],
)
def test_configuration(config: GenerationConfig, needed: tuple[Capability, ...]) -> None:
    """To do without reasoning, or to hide it, needs nothing."""
    assert needs(config=config) == needed


def test_every_capability_has_a_field_to_blame() -> None:
    """A caller is told which field needs it."""
    assert set(FIELD_OF) == set(Capability)
