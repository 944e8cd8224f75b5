"""Permits as routing mints them, for tests of what stands behind it."""

import copy
import dataclasses
from collections.abc import Callable

from gateway.backends.base import Call
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import _ROUTING_SEAL, EgressPermit
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request


def permit_for(
    request: Request,
    *,
    model: str = "cloud",
    privacy_class: PrivacyClass = PrivacyClass.PUBLIC,
    clearance: PrivacyClass = PrivacyClass.PUBLIC,
) -> EgressPermit:
    """Return leave for `request` to go to `model`."""
    return EgressPermit(
        request_id=request.request_id,
        model=model,
        privacy_class=privacy_class,
        clearance=clearance,
        policy_hash="0" * 64,
        request=request,
        seal=_ROUTING_SEAL,
    )


def forged(permit: EgressPermit, **fields: object) -> EgressPermit:
    """Return a copy with other fields, made by force: what a defect further up might bring."""
    made = copy.copy(permit)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _of(call: Call, **fields: object) -> EgressPermit:
    assert call.permit is not None
    return forged(call.permit, **fields)


def _other_text(call: Call) -> EgressPermit:
    return permit_for(dataclasses.replace(call.request, messages=(Message(role=Role.USER, content="x"),)))


WRONG: dict[str, Callable[[Call], object]] = {
    "none": lambda _: None,
    "of another type": lambda call: vars(type("Fake", (), {"model": "cloud", "request": call.request})),
    "for another model": lambda call: _of(call, model="backup"),
    "for another request id": lambda call: _of(call, request_id="request-2"),
    "for another text": _other_text,
    "class above its clearance": lambda call: _of(call, privacy_class=PrivacyClass.INTERNAL),
    "clearance above the model's": lambda call: permit_for(
        call.request, privacy_class=PrivacyClass.INTERNAL, clearance=PrivacyClass.RESTRICTED
    ),
}
