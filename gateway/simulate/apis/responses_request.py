"""OpenAI's Responses API: strict parsing of requests. Nothing is stored, so no id of an answer is known."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from gateway.simulate.answers import THOUGHT_TOKENS, Prompt
from gateway.simulate.apis.api import Counting, SimulatedApi, json_object
from gateway.simulate.apis.responses_items import parse_items
from gateway.simulate.apis.responses_writer import ResponseForm, ResponsesWriter
from gateway.simulate.chat import JSON_OBJECT, MAX_TOP_LOGPROBS
from gateway.simulate.chat_error import ChatError, object_of, require
from gateway.simulate.dialects.dialect import Dialect, Json
from gateway.simulate.messages import SentMessage
from gateway.simulate.tools import ToolUse, parse_tool_use

KNOWN_FIELDS: Final = frozenset((
    "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream",
    "stream_options", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include",
    "store", "metadata", "user", "top_logprobs", "truncation", "previous_response_id", "prompt_cache_key",
    "safety_identifier", "service_tier",
))  # fmt: skip
"""Any other field is refused, so that tests detect a client that sends unknown fields."""
LEAST_OUTPUT: Final = 16
"""The least `max_output_tokens` that OpenAI takes."""
INCLUDABLE: Final = (
    "reasoning.encrypted_content", "message.output_text.logprobs", "message.input_image.image_url",
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "computer_call_output.output.image_url", "code_interpreter_call.outputs",
)  # fmt: skip
_SUMMARIES: Final = (None, "auto", "concise", "detailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesRequest:
    """A valid request."""

    model: str
    raw: bytes
    messages: tuple[SentMessage, ...]
    max_tokens: int | None
    schema: object | None
    is_stream: bool
    tool_use: ToolUse
    effort: str
    has_summary: bool
    """Whether thoughts are told in summaries."""
    has_sealed_thoughts: bool
    top_logprobs: int | None
    echo: Json
    """The fields of the request that an answer repeats."""
    cache_marks: frozenset[int] | None = None

    def prompt(self, *, name: str) -> Prompt:
        """Return the prompt for the model with the bare `name`."""
        return Prompt(
            model=name,
            messages=self.messages,
            max_tokens=self.max_tokens,
            schema=self.schema,
            tool_use=self.tool_use,
            effort=self.effort,
        )

    def writer(self, *, name: str, created: int) -> ResponsesWriter:
        """Return the writer of the answer."""
        form = ResponseForm(
            model=name,
            created=created,
            digest=hashlib.sha256(self.raw).hexdigest(),
            echo=self.echo,
            has_summary=self.has_summary,
            has_sealed_thoughts=self.has_sealed_thoughts,
            top_logprobs=self.top_logprobs,
        )
        return ResponsesWriter(form)


def parse_responses(raw: bytes, dialect: Dialect) -> ResponsesRequest:
    """Parse the body of a request; raises ChatError with the wrong field."""
    body = json_object(raw)
    for field in body:
        if field not in KNOWN_FIELDS:
            name = str(field)[:64]
            raise ChatError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    model = body.get("model")
    require(isinstance(model, str) and bool(model), "model", "must be a name")
    if body.get("previous_response_id") is not None:
        message = f"Previous response with id '{str(body['previous_response_id'])[:64]}' not found."
        raise ChatError(400, message, code="previous_response_not_found", param="previous_response_id")
    for field in ("stream", "store"):
        require(isinstance(body.get(field, False), bool), field, "must be true or false")
    _check_range(body, "temperature", 2)
    _check_range(body, "top_p", 1)
    name = str(model).partition("+")[0]
    messages = parse_items(body.get("input"), model=name, instructions=body.get("instructions"))
    include = body.get("include") or []
    is_known = isinstance(include, list) and all(each in INCLUDABLE for each in include)
    require(is_known, "include", f"must be a list of {', '.join(INCLUDABLE)}")
    reasoning = object_of(body.get("reasoning"))
    require(reasoning.get("effort", "none") in THOUGHT_TOKENS, "reasoning.effort", "must be an effort")
    require(reasoning.get("summary") in _SUMMARIES, "reasoning.summary", "must be auto, concise or detailed")
    return ResponsesRequest(
        model=str(model),
        raw=raw,
        messages=messages,
        max_tokens=_max_tokens(body.get("max_output_tokens")),
        schema=_schema(object_of(body.get("text")).get("format"), messages),
        is_stream=bool(body.get("stream", False)),
        tool_use=parse_tool_use(_nested(body)),
        effort=str(reasoning.get("effort") or "none"),
        has_summary=reasoning.get("summary") is not None,
        has_sealed_thoughts="reasoning.encrypted_content" in cast(list[object], include),
        top_logprobs=_top_logprobs(body, cast(list[object], include)),
        echo=_echo(body),
    )


def _check_range(body: Mapping[str, object], field: str, most: int) -> None:
    value = body.get(field)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_right = value is None or (is_number and 0 <= cast(float, value) <= most)
    require(is_right, field, f"must be from 0 to {most}")


def _max_tokens(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= LEAST_OUTPUT
    require(value is None or is_count, "max_output_tokens", f"must be {LEAST_OUTPUT} or more")
    return cast(int | None, value)


def _top_logprobs(body: Mapping[str, object], include: list[object]) -> int | None:
    top = body.get("top_logprobs")
    is_count = isinstance(top, int) and not isinstance(top, bool) and 0 <= top <= MAX_TOP_LOGPROBS
    require(top is None or is_count, "top_logprobs", f"must be from 0 to {MAX_TOP_LOGPROBS}")
    return cast(int | None, top) or 0 if "message.output_text.logprobs" in include else None


def _schema(value: object, messages: tuple[SentMessage, ...]) -> object | None:
    if value in (None, {"type": "text"}):
        return None
    if value == {"type": "json_object"}:
        has_word = any("json" in message.content.lower() for message in messages)
        require(has_word, "input", "must contain the word 'json' for a text.format of json_object")
        return JSON_OBJECT
    form = object_of(value)
    is_schema = form.get("type") == "json_schema" and isinstance(form.get("name"), str) and "schema" in form
    require(is_schema, "text.format", "must be text, json_object, or json_schema with name and schema")
    return form["schema"]


def _nested(body: Mapping[str, object]) -> dict[str, object]:
    """Return tools and choice as chat completions have them, where each is in an object of its own."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    nested = dict(body)
    if isinstance(tools, list):
        nested["tools"] = [_nested_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools)] or None
    if isinstance(choice, dict):
        kind = str(choice.get("type"))
        nested["tool_choice"] = {"type": kind, kind: {"name": choice.get("name")}}
    return nested


def _nested_tool(value: object, at: str) -> object:
    tool = object_of(value)
    kind = str(tool.get("type"))
    require(kind in ("function", "custom"), f"{at}.type", "must be function or custom: no tool runs here")
    parameters = object_of(tool.get("parameters"))
    if tool.get("strict") is True:
        _check_strict(parameters, str(tool.get("name"))[:64], at)
    rest = {key: each for key, each in tool.items() if key != "type" and each is not None}
    return {"type": kind, kind: rest}


def _check_strict(schema: Mapping[str, object], name: str, at: str) -> None:
    """Check what OpenAI wants of the schema of a strict tool: each property required, and no others."""
    found = ""
    if schema.get("additionalProperties") is not False:
        found = "'additionalProperties' is required to be supplied and to be false."
    elif set(object_of(schema.get("properties"))) - set(cast(list[str], schema.get("required") or [])):
        found = "'required' is required to be supplied and to be an array including every key in properties."
    if found:
        message = f"Invalid schema for function '{name}': In context=(), {found}"
        raise ChatError(400, message, code="invalid_function_parameters", param=f"{at}.parameters")


def _echo(body: Mapping[str, object]) -> Json:
    reasoning = object_of(body.get("reasoning"))
    return {
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "user": body.get("user"),
    }


RESPONSES_API: Final = SimulatedApi(
    path="/responses",
    parse=parse_responses,
    counting=Counting(
        path="/responses/input_tokens", parse=parse_responses, more={"object": "response.input_tokens"}
    ),
)
