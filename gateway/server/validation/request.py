"""Checks a whole request."""

import re
from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.request import Request
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Steps
from gateway.server.validation.config import config_steps
from gateway.server.validation.conversation import check_count, message_steps
from gateway.server.validation.embedding import check_dimensions, input_steps

IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
MAX_LABELS = 16
MAX_COST_USD = 1_000_000
MAX_MODEL_BYTES = 256
MAX_SESSION_BYTES = 1024


def checking_steps(request: Request) -> Steps[Request]:
    """Return the request as it is routed and sent; raises InvalidRequest with the path of a bad field."""
    check_identifier("request_id", request.request_id)
    check_labels(request.labels)
    if len(request.model.encode()) > MAX_MODEL_BYTES:
        raise InvalidRequest("model", f"must have at most {MAX_MODEL_BYTES} bytes")
    _check_session_id(request.session_id)
    if request.embedding is not None:
        check_dimensions(request.embedding)
        return replace(request, messages=(yield from input_steps(request.messages)))
    messages = yield from message_steps(request.messages)
    config = yield from config_steps(request.config)
    if messages is request.messages and config is request.config:
        return request
    return replace(request, messages=messages, config=config)


def check_identifier(field: str, value: str) -> None:
    """Raise InvalidRequest for what is no id."""
    if not IDENTIFIER.fullmatch(value):
        raise InvalidRequest(field, "must match [A-Za-z0-9._:-]{1,64}")


def check_label_count(count: int) -> None:
    """Raise InvalidRequest for too many labels."""
    check_count("labels", count, MAX_LABELS, "entries")


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise InvalidRequest for what are no labels."""
    check_label_count(len(labels))
    for key, value in labels.items():
        if not IDENTIFIER.fullmatch(key):
            raise InvalidRequest("labels", "every key must match [A-Za-z0-9._:-]{1,64}")
        check_identifier(f"labels[{key}]", value)


def parse_session_id(value: str) -> str:
    """Return the conversation that a caller names; raises InvalidRequest for what cannot be one."""
    if not value:
        raise InvalidRequest("session_id", "must be there: the one of the requests of the conversation")
    _check_session_id(value)
    return value


def _check_session_id(value: str) -> None:
    if len(value.encode("utf-8", "surrogatepass")) > MAX_SESSION_BYTES:
        raise InvalidRequest("session_id", f"must have at most {MAX_SESSION_BYTES} bytes")
