"""Checks a whole request."""

import re
from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.request import Request
from gateway.errors import InvalidRequest
from gateway.server.validation.config import checked_config
from gateway.server.validation.conversation import checked_messages

IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
MAX_LABELS = 16
MAX_COST_USD = 1_000_000
MAX_MODEL_BYTES = 256
MAX_SESSION_BYTES = 1024


def checked(request: Request) -> Request:
    """Return the request as it is routed and sent; raises InvalidRequest with the path of a bad field."""
    check_identifier("request_id", request.request_id)
    check_labels(request.labels)
    if len(request.model.encode()) > MAX_MODEL_BYTES:
        raise InvalidRequest("model", f"must have at most {MAX_MODEL_BYTES} bytes")
    if len(request.session_id.encode()) > MAX_SESSION_BYTES:
        raise InvalidRequest("session_id", f"must have at most {MAX_SESSION_BYTES} bytes")
    messages, config = checked_messages(request.messages), checked_config(request.config)
    return replace(request, messages=messages, config=config)


def check_identifier(field: str, value: str) -> None:
    """Raise InvalidRequest for what is no id."""
    if not IDENTIFIER.fullmatch(value):
        raise InvalidRequest(field, "must match [A-Za-z0-9._:-]{1,64}")


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise InvalidRequest for what are no labels."""
    if len(labels) > MAX_LABELS:
        raise InvalidRequest("labels", f"must have at most {MAX_LABELS} entries, has {len(labels)}")
    for key, value in labels.items():
        if not IDENTIFIER.fullmatch(key):
            raise InvalidRequest("labels", "every key must match [A-Za-z0-9._:-]{1,64}")
        check_identifier(f"labels[{key}]", value)
