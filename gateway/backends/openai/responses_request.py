"""The body of a request to the Responses API: stateless, with a model's encrypted thoughts given back."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.backends.base import sampling_parameters, with_extra
from gateway.backends.openai.chat_messages import data_url, file_name, result_text
from gateway.backends.openai.chat_request import (
    check_capable,
    effort_of,
    parameters_of,
    parsed,
    tool_choice,
)
from gateway.domain.capability import Capability
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
    ToolKind,
    ToolResult,
)
from gateway.domain.decision import EgressPermit
from gateway.domain.request import GenerationConfig
from gateway.errors import NotCapable
from gateway.policy.openai import OpenAIModel

LONGEST_CALL_ID: Final = 64
"""Characters of a call's id that OpenAI takes."""
LEAST_TOKENS: Final = 16
"""Tokens of the smallest `max_output_tokens`."""
ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"
NAMES: Final = {"response_format": "text", "reasoning_effort": "reasoning"}
"""What parameters of `drop` are called here, where it is something else."""

Json = dict[str, object]


def responses_body(
    name: str, spec: OpenAIModel, permit: EgressPermit, max_tokens: int, *, is_stream: bool
) -> Json:
    """Return all that is sent of a call: of what the permit names, so that there is nothing to send without.

    Raises BackendInvalid for a schema that is not JSON, NotCapable for what the policy or the API does not
    send.
    """
    config = permit.request.config
    check_capable(name, spec, config)
    _check_api(name, config, max_tokens)
    body: Json = {
        "model": spec.model,
        "input": ResponseItems(name, spec).of(permit.request.messages),
        "max_output_tokens": max_tokens,
        "store": False,
        "include": [ENCRYPTED],
    }
    sampling = sampling_parameters(config, spec.sampling.values())
    body |= {key: sampling[key] for key in ("temperature", "top_p") if key in sampling}
    if config.tools:
        body["tools"] = [_tool(name, tool) for tool in config.tools]
        if choice := tool_choice(config, is_nested=False):
            body["tool_choice"] = choice
        if config.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.parallel_tool_calls
    if config.json_schema is not None:
        schema = parsed(name, "json_schema", config.json_schema)
        body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema}}
    elif config.json_object:
        body["text"] = {"format": {"type": "json_object"}}
    if config.top_logprobs is not None:
        body |= {"top_logprobs": config.top_logprobs, "include": [ENCRYPTED, LOGPROBS]}
    if effort := effort_of(config.reasoning):
        body["reasoning"] = {"effort": effort}
    if is_stream:
        body["stream"] = True
    dropped = {NAMES.get(each, each) for each in spec.drop}
    if spec.is_openai and permit.request.prompt_cache_key:
        body["prompt_cache_key"] = permit.request.prompt_cache_key
    added = with_extra(_summary(spec, config.reasoning), spec.extra_body)
    return with_extra(added, {key: value for key, value in body.items() if key not in dropped})


def _check_api(name: str, config: GenerationConfig, max_tokens: int) -> None:
    if max_tokens < LEAST_TOKENS:
        detail = f"the Responses API takes no max_tokens below {LEAST_TOKENS}"
        raise NotCapable(name, detail, field="config.max_tokens")
    for field, is_asked in (("stop", bool(config.stop)), ("logit_bias", bool(config.logit_bias))):
        if is_asked:
            raise NotCapable(name, f"the Responses API takes no {field}", field=f"config.{field}")


def _summary(spec: OpenAIModel, reasoning: ReasoningConfig) -> Json:
    """Ask for a summary of the thoughts, which is all that this API shows of them."""
    is_off = reasoning.hide or effort_of(reasoning) == ReasoningEffort.NONE
    thinks = Capability.REASONING in spec.capabilities
    if is_off or not thinks or {"reasoning_effort", "reasoning_summary"}.intersection(spec.drop):
        return {}
    return {"reasoning": {"summary": "auto"}}


def _tool(name: str, tool: Tool) -> Json:
    described: Json = {"type": tool.kind.value, "name": tool.name}
    if tool.description:
        described["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if tool.input_grammar:
            described["format"] = {"type": "grammar", "syntax": "lark", "definition": tool.input_grammar}
        return described
    # Without `strict` this API takes a schema for a strict one, and changes it.
    return described | {"parameters": parameters_of(name, tool), "strict": tool.strict}


class ResponseItems:
    """Writes messages as items for one model; `name` is its name in the policy."""

    def __init__(self, name: str, spec: OpenAIModel) -> None:
        self._name = name
        self._spec = spec
        self._custom: set[str] = set()
        """Ids of calls of custom tools."""

    def of(self, messages: Sequence[Message]) -> list[Json]:
        """Return the items that are sent; raises NotCapable where nothing of the messages is left."""
        items = [item for message in messages for item in self._items(message)]
        if not items:
            raise NotCapable(self._name, "nothing of the messages can be sent to it", field="messages")
        return items

    def _items(self, message: Message) -> Iterator[Json]:
        match message.role:
            case Role.ASSISTANT:
                yield from self._assistant(message)
            case Role.TOOL:
                yield from map(self._result, message.tool_results)
            case _:
                content = [_content(part) for part in message.all_parts if part != Text("")]
                if content:
                    yield {"role": message.role.value, "content": content}

    def _assistant(self, message: Message) -> Iterator[Json]:
        """Yield what a model said in its order; texts in a row are one."""
        texts: list[str] = []
        for part in message.all_parts:
            if isinstance(part, Text):
                texts.append(part.text)
                continue
            if any(texts):
                yield {"role": "assistant", "content": "".join(texts)}
                texts = []
            match part:
                case Reasoning():
                    yield from self._thought(part)
                case ToolCall():
                    yield self._call(part)
        if any(texts):
            yield {"role": "assistant", "content": "".join(texts)}

    def _thought(self, thought: Reasoning) -> Iterator[Json]:
        """Yield a model's own thought; OpenAI takes back none that is not encrypted."""
        if thought.model != self._name:
            return
        if thought.opaque:
            summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
            sealed = thought.opaque.decode("utf-8", "replace")
            yield {"type": "reasoning", "summary": summary, "encrypted_content": sealed}
        elif thought.text and not self._spec.is_openai:
            content = [{"type": "reasoning_text", "text": thought.text}]
            yield {"type": "reasoning", "summary": [], "content": content}

    def _call(self, call: ToolCall) -> Json:
        said: Json = {"call_id": _id(call.id), "name": call.name}
        if call.is_custom:
            self._custom.add(call.id)
            return {"type": "custom_tool_call", **said, "input": call.input}
        return {"type": "function_call", **said, "arguments": call.arguments_json or "{}"}

    def _result(self, result: ToolResult) -> Json:
        is_custom = result.tool_call_id in self._custom
        text = result_text(result)
        output: object = text
        if images := [part for part in result.parts if isinstance(part, Image)]:
            output = [*([_content(Text(text))] if text else []), *map(_content, images)]
        kind = "custom_tool_call_output" if is_custom else "function_call_output"
        return {"type": kind, "call_id": _id(result.tool_call_id), "output": output}


def _id(call_id: str) -> str:
    if len(call_id) <= LONGEST_CALL_ID:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def _content(part: object) -> Json:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image():
            url = part.url or data_url(part.media_type, part.data)
            detail = part.detail.value if part.detail is not None else "auto"
            return {"type": "input_image", "image_url": url, "detail": detail}
        case File():
            file_data = data_url(part.media_type, part.data)
            return {"type": "input_file", "filename": file_name(part), "file_data": file_data}
    raise TypeError(f"no user says {type(part).__name__}")
