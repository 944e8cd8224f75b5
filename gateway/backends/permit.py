"""The last look before text leaves for a cloud model: does routing's permit say so?"""

from gateway.backends.base import Call
from gateway.domain.decision import EgressPermit
from gateway.domain.privacy import PrivacyClass
from gateway.errors import NotPermitted


def permitted(call: Call, *, model: str, clearance: PrivacyClass) -> EgressPermit:
    """Return the permit of a call to `model`, a cloud model that may see `clearance` at most.

    Raises NotPermitted if there is none, or it is for another request, model or text, or its class is
    above what the permit or the model itself allows. Whatever raises here is a defect further up.
    """
    permit = call.permit
    if not isinstance(permit, EgressPermit):
        raise NotPermitted(f"{model}: a call without a permit")
    if permit.model != model:
        raise NotPermitted(f"{model}: the permit is for another model")
    if permit.request_id != call.request.request_id or permit.request != call.request:
        raise NotPermitted(f"{model}: the permit is for another request")
    if permit.privacy_class > permit.clearance or permit.privacy_class > clearance:
        raise NotPermitted(f"{model}: the permit's class is above the model's clearance")
    return permit
