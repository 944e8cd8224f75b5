"""Permits as routing mints them, for tests of what stands behind it."""

from gateway.types import _ROUTING_SEAL, EgressPermit, PrivacyClass, Request


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
