"""From protobuf to a Request: what only the wire can say is checked here, the rest by `server.validation`."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.domain.conversation import (
    File,
    Image,
    ImageDetail,
    Message,
    Part,
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
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Feedback, GenerationConfig, Hints, Request
from gateway.errors import InvalidRequest
from gateway.ledger.money import NANOS_PER_USD
from gateway.pipeline.context import CallContext, IncomingRequest
from gateway.pipeline.steps import Steps, finished
from gateway.server.grpc.decode import parse_request_id
from gateway.server.validation.config import MAX_TOOLS, check_counts
from gateway.server.validation.conversation import (
    MAX_MESSAGES,
    PART_CHARS,
    check_message_count,
    check_part_count,
)
from gateway.server.validation.feedback import feedback_of
from gateway.server.validation.request import (
    MAX_COST_USD,
    check_label_count,
    checking_steps,
)
from gateway.v1 import gateway_pb2 as pb

AnyRequest = pb.GenerateRequest | pb.StreamGenerateRequest | pb.ExplainRequest | pb.CountTokensRequest

BYTES_PER_TOKEN = 4


_ROLES: Mapping[int, Role] = {
    pb.ROLE_SYSTEM: Role.SYSTEM,
    pb.ROLE_USER: Role.USER,
    pb.ROLE_ASSISTANT: Role.ASSISTANT,
    pb.ROLE_TOOL: Role.TOOL,
}
_DETAILS: Mapping[int, ImageDetail | None] = {
    pb.IMAGE_DETAIL_UNSPECIFIED: None,
    **{pb.ImageDetail.Value(f"IMAGE_DETAIL_{each.name}"): each for each in ImageDetail},
}
_TOOL_KINDS: Mapping[int, ToolKind] = {
    pb.TOOL_KIND_UNSPECIFIED: ToolKind.FUNCTION,
    **{pb.ToolKind.Value(f"TOOL_KIND_{each.name}"): each for each in ToolKind},
}
_CHOICES: Mapping[int, ToolChoiceMode] = {
    pb.TOOL_CHOICE_MODE_UNSPECIFIED: ToolChoiceMode.AUTO,
    **{pb.ToolChoiceMode.Value(f"TOOL_CHOICE_MODE_{each.name}"): each for each in ToolChoiceMode},
}
_EFFORTS: Mapping[int, ReasoningEffort | None] = {
    pb.REASONING_EFFORT_UNSPECIFIED: None,
    **{pb.ReasoningEffort.Value(f"REASONING_EFFORT_{each.name}"): each for each in ReasoningEffort},
}
_Known = TypeVar("_Known")


def prompt_tokens(message: AnyRequest) -> int:
    """Return an estimate of a prompt's tokens before anything of it is checked, for limits of rates.

    Parts and tools are taken by their size on the wire, images too: what is too much for a rate is not read.
    A request with more messages or tools than it may have is refused by their count anyway.
    """
    turns = message.messages[: MAX_MESSAGES + 1]
    parts_bytes = sum(turn.ByteSize() for turn in turns if turn.parts)
    tools_bytes = sum(tool.ByteSize() for tool in message.config.tools[: MAX_TOOLS + 1])
    content_bytes = sum(len(turn.content.encode()) for turn in turns)
    return -(-(content_bytes + parts_bytes + tools_bytes) // BYTES_PER_TOKEN)


def incoming(message: AnyRequest, context: CallContext) -> IncomingRequest:
    """Return a request that is checked when it is admitted."""
    return IncomingRequest(
        prompt_tokens=prompt_tokens(message),
        parse=lambda: request_steps(
            message, tenant=context.tenant, new_id=context.request_id, languages=context.languages
        ),
    )


def parse_request(message: AnyRequest, *, tenant: str, new_id: str) -> Request:
    """Return the request that a message holds; raises InvalidRequest with the path of the first bad field."""
    return finished(request_steps(message, tenant=tenant, new_id=new_id))


def request_steps(
    message: AnyRequest, *, tenant: str, new_id: str, languages: tuple[str, ...] = ()
) -> Steps[Request]:
    """Do what `parse_request` does in steps; each count is checked before time is spent on each."""
    check_message_count(len(message.messages))
    messages = []
    for i, each in enumerate(message.messages):
        yield PART_CHARS * (1 + len(each.parts))
        messages.append(_message(f"messages[{i}]", each))
    hints, labels, session_id = Hints(), dict[str, str](), ""
    config = _config(message.config) if message.HasField("config") else GenerationConfig()
    if not isinstance(message, pb.CountTokensRequest):
        check_label_count(len(message.labels))
        hints = hints_of(message.hints) if message.HasField("hints") else hints
        labels, session_id = dict(message.labels), message.session_id
    request = Request(
        request_id=parse_request_id(message, new_id=new_id),
        tenant=tenant,
        messages=tuple(messages),
        config=config,
        hints=hints,
        labels=labels,
        languages=languages,
        model=message.model,
        session_id=session_id,
    )
    return (yield from checking_steps(request))


def parse_feedback(message: pb.SubmitFeedbackRequest, *, tenant: str) -> Feedback:
    """Return the feedback that a message holds; raises InvalidRequest with the first bad field."""
    score = message.score if message.HasField("score") else None
    return feedback_of(message.request_id, score, message.labels, tenant=tenant)


def _known(field: str, value: int, known: Mapping[int, _Known], what: str) -> _Known:
    if value not in known:
        raise InvalidRequest(field, f"must be a known {what}, is {value}")
    return known[value]


def _message(at: str, message: pb.Message) -> Message:
    return Message(
        role=_known(f"{at}.role", message.role, _ROLES, "role"),
        content=message.content,
        parts=_parts(at, message.parts) if message.parts else (),
        name=message.name,
    )


def _parts(at: str, parts: Sequence[pb.Part]) -> tuple[Part, ...]:
    check_part_count(at, len(parts))
    return tuple(_part(f"{at}.parts[{i}]", part) for i, part in enumerate(parts))


def _part(at: str, part: pb.Part) -> Part:
    match part.WhichOneof("part"):
        case "text":
            return Text(part.text)
        case "image":
            return _image(f"{at}.image", part.image)
        case "file":
            return File(data=part.file.data, media_type=part.file.media_type, name=part.file.name)
        case "tool_call":
            call = part.tool_call
            return ToolCall(
                id=call.id,
                name=call.name,
                arguments_json=call.arguments_json,
                input=call.input,
                is_custom=bool(call.input),
                arguments_invalid=call.arguments_invalid,
                opaque=call.opaque,
                model=call.model,
            )
        case "tool_result":
            return _result(f"{at}.tool_result", part.tool_result)
        case "reasoning":
            thought = part.reasoning
            return Reasoning(text=thought.text, model=thought.model, opaque=thought.opaque)
    raise InvalidRequest(at, "must have a part that this gateway knows")


def _result(at: str, result: pb.ToolResult) -> ToolResult:
    check_part_count(at, len(result.parts))
    parts: list[Text | Image] = []
    for i, part in enumerate(result.parts):
        field = f"{at}.parts[{i}]"
        match part.WhichOneof("part"):
            case "text":
                parts.append(Text(part.text))
            case "image":
                parts.append(_image(f"{field}.image", part.image))
            case _:
                raise InvalidRequest(field, "must be text or image")
    return ToolResult(tool_call_id=result.tool_call_id, parts=tuple(parts), is_error=result.is_error)


def _image(at: str, image: pb.Image) -> Image:
    return Image(
        data=image.data,
        url=image.url,
        media_type=image.media_type,
        detail=_known(f"{at}.detail", image.detail, _DETAILS, "detail"),
    )


def _config(config: pb.GenerationConfig) -> GenerationConfig:
    def of(name: str) -> object:
        return getattr(config, name) if config.HasField(name) else None  # type: ignore[arg-type]  # A name.

    check_counts(stops=len(config.stop), biases=len(config.logit_bias), tools=len(config.tools))
    return GenerationConfig(
        **{name: of(name) for name in _OPTIONAL},  # type: ignore[arg-type]  # Fields of the same name and type.
        stop=tuple(config.stop),
        tools=tuple(_tool(f"config.tools[{i}]", each) for i, each in enumerate(config.tools)),
        tool_choice=_choice(config.tool_choice) if config.HasField("tool_choice") else None,
        reasoning=_reasoning(config.reasoning),
        logit_bias=dict(config.logit_bias),
        json_object=config.json_object,
    )


_OPTIONAL = (
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "json_schema",
    "parallel_tool_calls",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "top_logprobs",
    "grammar",
)
"""Fields of a configuration that are None where the caller did not set them."""


def _tool(at: str, tool: pb.Tool) -> Tool:
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters_json_schema=tool.parameters_json_schema,
        strict=tool.strict,
        kind=_known(f"{at}.kind", tool.kind, _TOOL_KINDS, "kind"),
        input_grammar=tool.input_grammar,
    )


def _choice(choice: pb.ToolChoice) -> ToolChoice:
    return ToolChoice(mode=_known("config.tool_choice.mode", choice.mode, _CHOICES, "mode"), name=choice.name)


def _reasoning(reasoning: pb.ReasoningConfig) -> ReasoningConfig:
    return ReasoningConfig(
        effort=_known("config.reasoning.effort", reasoning.effort, _EFFORTS, "effort"),
        budget_tokens=reasoning.budget_tokens if reasoning.HasField("budget_tokens") else None,
        hide=reasoning.hide,
    )


def hints_of(hints: pb.Hints) -> Hints:
    """Return the hints of a message; raises InvalidRequest with the first bad field."""
    # A hint only tightens, so one that we do not know must not be dropped in silence.
    if len(UnknownFieldSet(hints)):
        raise InvalidRequest("hints", "has a field that this gateway does not know")
    return Hints(
        privacy_class=_privacy_class(hints.privacy_class) if hints.HasField("privacy_class") else None,
        max_cost_usd_nanos=_max_cost(hints.max_cost_usd) if hints.HasField("max_cost_usd") else None,
        allow_degraded=hints.allow_degraded if hints.HasField("allow_degraded") else True,
    )


def _privacy_class(value: int) -> PrivacyClass | None:
    if value == pb.PRIVACY_CLASS_UNSPECIFIED:
        return None
    try:
        return PrivacyClass(value)
    except ValueError:
        raise InvalidRequest("hints.privacy_class", f"must be a known class, is {value}") from None


def _max_cost(value: float) -> int:
    if not 0.0 <= value <= MAX_COST_USD:  # False for NaN too.
        raise InvalidRequest("hints.max_cost_usd", f"must be 0 to {MAX_COST_USD}, is {value:g}")
    return math.floor(value * NANOS_PER_USD)
