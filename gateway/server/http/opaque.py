"""What models want back unread, as clients keep it: one string that names the model and holds the bytes."""

import base64
import binascii
import json

PREFIX = "gw1."
"""Tells our strings from those of a provider that a client talked to before."""


def wrap(model: str, opaque: bytes) -> str:
    """Return what a client is given, and gives back as it is."""
    name = json.dumps(model, ensure_ascii=False).encode()
    return PREFIX + base64.urlsafe_b64encode(name + b"\n" + opaque).decode().rstrip("=")


def unwrap(text: str) -> tuple[str, bytes]:
    """Return the model and its bytes; "" and none for what no gateway has made: nobody can use it."""
    if not text.startswith(PREFIX):
        return "", b""
    coded = text.removeprefix(PREFIX)
    try:
        data = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        name, _, opaque = data.partition(b"\n")
        model = json.loads(name)
    except (binascii.Error, ValueError):
        return "", b""
    return (model, opaque) if isinstance(model, str) else ("", b"")
