"""Errors of the simulated provider, as HTTP answers in OpenAI's form."""

from typing import cast


class ChatError(Exception):
    """An HTTP error answer: status, the provider's code, and the wrong field."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, object]:
        """Return the error in OpenAI's form."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def require(holds: bool, param: str, rule: str) -> None:
    """Raise ChatError with status 400 for the field `param` unless its rule `holds`."""
    if not holds:
        raise ChatError(400, f"{param} {rule}", code="invalid_value", param=param)


def object_of(value: object) -> dict[str, object]:
    """Return a JSON object as it is, and an empty one for any other value."""
    return cast(dict[str, object], value) if isinstance(value, dict) else {}
