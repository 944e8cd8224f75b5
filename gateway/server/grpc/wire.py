"""From protobuf to a valid Request, and back: after `parse_request` nothing checks a field again."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import jsonschema_rs
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Feedback, GenerationConfig, Hints, Request
from gateway.domain.text.schema_bounds import ON_THE_WIRE, strict_json, wrapper_problem
from gateway.errors import InvalidRequest
from gateway.ledger.money import NANOS_PER_USD
from gateway.pipeline.context import CallContext, IncomingRequest
from gateway.v1 import gateway_pb2 as pb

AnyRequest = pb.GenerateRequest | pb.StreamGenerateRequest | pb.ExplainRequest

IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
MAX_MESSAGES = 1024
MAX_LABELS = 16
MAX_STOPS = 4
MAX_STOP_BYTES = 256
MAX_TOKENS = 1_000_000
MAX_COST_USD = 1_000_000

_VISIBLE = re.compile(
    "[^\\s\\x00-\\x1f\\x7f-\\x9f\\u2800"
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f"
    "\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufff8"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff]"
)
"""A character that a reader sees: no space, no control, not braille's empty cell, and nothing that Unicode
lists as `Default_Ignorable_Code_Point`, zero-width characters above all."""
MAX_LANGUAGES = 8
MAX_LANGUAGE_CHARS = 256
_LANGUAGE = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)(?:\s*;\s*q=([01](?:\.\d{0,3})?))?")

DIALECTS = frozenset(
    f"{uri}{end}"
    for uri in (
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    )
    for end in ("", "#")
)
"""What `$schema` may name; a schema of any other dialect, or of none, is read as draft 2020-12."""
KEYWORDS = frozenset({
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema",
    "$vocabulary", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "dependencies",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "format", "id", "if", "items", "maxContains", "maxItems",
    "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
    "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties",
    "propertyNames", "readOnly", "required", "then", "title", "type", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems", "writeOnly",
})  # fmt: skip
"""The keywords of JSON Schema, drafts 4 to 2020-12."""

_ROLES: Mapping[int, Role] = {
    pb.ROLE_SYSTEM: Role.SYSTEM,
    pb.ROLE_USER: Role.USER,
    pb.ROLE_ASSISTANT: Role.ASSISTANT,
    pb.ROLE_TOOL: Role.TOOL,
}


def prompt_tokens(message: AnyRequest) -> int:
    """Return the estimate of a prompt's tokens, as `routing` makes it, before anything of it is checked."""
    return -(-sum(len(turn.content.encode()) for turn in message.messages) // 4)


def parse_request_id(message: object, *, new_id: str) -> str:
    """Return the caller's id of a request, or a new one; raises InvalidRequest."""
    own_id = getattr(message, "request_id", "")
    return _identifier("request_id", own_id) if own_id else new_id


def incoming(message: AnyRequest, context: CallContext) -> IncomingRequest:
    """Return a request that is checked when it is admitted."""
    return IncomingRequest(
        prompt_tokens=prompt_tokens(message),
        json_schema=message.config.json_schema,
        parse=lambda: replace(
            parse_request(message, tenant=context.tenant, new_id=context.request_id),
            languages=context.languages,
        ),
    )


def parse_request(message: AnyRequest, *, tenant: str, new_id: str) -> Request:
    """Return the request that a message holds; raises InvalidRequest with the path of the first bad field."""
    return Request(
        request_id=parse_request_id(message, new_id=new_id),
        tenant=tenant,
        messages=_messages(message),
        config=_config(message.config) if message.HasField("config") else GenerationConfig(),
        hints=_hints(message.hints) if message.HasField("hints") else Hints(),
        labels=_labels(message.labels),
    )


def parse_languages(value: str) -> tuple[str, ...]:
    """Return the tags of the metadata `accept-language`, the dearest first, without what makes no sense."""
    weighed = []
    for part in value[:MAX_LANGUAGE_CHARS].split(","):
        if match := _LANGUAGE.fullmatch(part.strip()):
            weight = float(match[2] or 1)
            if weight > 0:
                weighed.append((-weight, match[1]))
    return tuple(tag for _, tag in sorted(weighed, key=lambda each: each[0]))[:MAX_LANGUAGES]


def parse_tenant(value: str) -> str:
    """Return the tenant that the metadata `x-tenant` names; raises InvalidRequest."""
    return _identifier("x-tenant", value)


def parse_ticket_id(value: str) -> str:
    """Return the ticket that a caller names; raises InvalidRequest for what cannot be one."""
    return _identifier("ticket_id", value)


def parse_feedback(message: pb.SubmitFeedbackRequest, *, tenant: str) -> Feedback:
    """Return the feedback that a message holds; raises InvalidRequest with the first bad field."""
    request_id = _identifier("request_id", message.request_id)
    if not message.HasField("score"):
        raise InvalidRequest("score", "must be there, a number from 0 to 1")
    if not 0.0 <= message.score <= 1.0:  # False for NaN too.
        raise InvalidRequest("score", f"must be a number from 0 to 1, is {message.score:g}")
    return Feedback(request_id=request_id, tenant=tenant, score=message.score, labels=_labels(message.labels))


def _identifier(field: str, value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise InvalidRequest(field, "must match [A-Za-z0-9._:-]{1,64}")
    return value


def _messages(message: AnyRequest) -> tuple[Message, ...]:
    count = len(message.messages)
    if not 1 <= count <= MAX_MESSAGES:
        raise InvalidRequest("messages", f"must have 1 to {MAX_MESSAGES} messages, has {count}")
    parsed = []
    for index, turn in enumerate(message.messages):
        role = _ROLES.get(turn.role)
        if role is None:
            raise InvalidRequest(f"messages[{index}].role", f"must be a known role, is {turn.role}")
        if not _VISIBLE.search(turn.content):
            raise InvalidRequest(
                f"messages[{index}].content", "must not be empty, nor hold blank characters alone"
            )
        parsed.append(Message(role=role, content=turn.content))
    return tuple(parsed)


def _config(config: pb.GenerationConfig) -> GenerationConfig:
    return GenerationConfig(
        max_tokens=_max_tokens(config.max_tokens) if config.HasField("max_tokens") else None,
        temperature=_temperature(config.temperature) if config.HasField("temperature") else None,
        top_p=_top_p(config.top_p) if config.HasField("top_p") else None,
        seed=config.seed if config.HasField("seed") else None,
        stop=_stop(tuple(config.stop)),
        json_schema=_json_schema(config.json_schema) if config.HasField("json_schema") else None,
    )


def _max_tokens(value: int) -> int:
    if not 1 <= value <= MAX_TOKENS:
        raise InvalidRequest("config.max_tokens", f"must be 1 to {MAX_TOKENS}, is {value}")
    return value


def _temperature(value: float) -> float:
    if not 0.0 <= value <= 2.0:  # False for NaN too.
        raise InvalidRequest("config.temperature", f"must be a number from 0 to 2, is {value:g}")
    return value


def _top_p(value: float) -> float:
    if not 0.0 < value <= 1.0:
        raise InvalidRequest("config.top_p", f"must be a number above 0 and at most 1, is {value:g}")
    return value


def _stop(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > MAX_STOPS:
        raise InvalidRequest("config.stop", f"must have at most {MAX_STOPS} strings, has {len(values)}")
    for index, value in enumerate(values):
        if not 1 <= len(value.encode()) <= MAX_STOP_BYTES:
            raise InvalidRequest(f"config.stop[{index}]", f"must have 1 to {MAX_STOP_BYTES} bytes")
    return values


def _json_schema(text: str) -> str:
    problem = schema_problem(text)
    if problem:
        raise InvalidRequest("config.json_schema", problem)
    # Without the escapes that JSON does not need: behind them private data would pass the detectors, and
    # a provider is sent the schema without them.
    plain = json.dumps(strict_json(text), ensure_ascii=False)
    if not plain.isascii() and not _is_unicode(plain):
        raise InvalidRequest("config.json_schema", "has half of a surrogate pair")
    return plain


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=256)
def schema_problem(text: str) -> str:
    """Say what keeps `text` from being a JSON schema that is taken, or "" when nothing does.

    Applications send the same few schemas again and again, and a check costs milliseconds: hence the cache.
    """
    problem = ON_THE_WIRE.problem(text)
    if problem:
        return problem
    try:
        schema = strict_json(text)
    except ValueError:
        return "is not JSON"
    if not isinstance(schema, dict):
        return "must be a JSON object"
    if str(schema.get("$schema")) not in DIALECTS:
        # The library would look up, on the network too, a dialect that it does not know.
        schema = {key: value for key, value in schema.items() if key != "$schema"}
    if problem := wrapper_problem(schema):
        return problem
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        keyword = error.instance_path[-1] if error.instance_path else None
        # Only a keyword of the standard is named: other names in a schema are the caller's text.
        if keyword in KEYWORDS:
            return f"is not a JSON schema: the value of {keyword!r} is wrong"
        return "is not a JSON schema"
    return ""


def _hints(hints: pb.Hints) -> Hints:
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


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    if len(labels) > MAX_LABELS:
        raise InvalidRequest("labels", f"must have at most {MAX_LABELS} entries, has {len(labels)}")
    for key, value in labels.items():
        if not IDENTIFIER.fullmatch(key):
            raise InvalidRequest("labels", "every key must match [A-Za-z0-9._:-]{1,64}")
        _identifier(f"labels[{key}]", value)
    return dict(labels)
