"""What models think, in the fields of chat completions: given to clients, and taken back from them.

`reasoning_content` holds the words. Beside it `reasoning_details` has an item for each thought, without the
words: which model had it, how many characters of the words are its own, and what that model wants back.
"""

from typing import Any

from gateway.domain.conversation import Reasoning
from gateway.server.http.members import Members
from gateway.server.http.opaque import unwrap, wrap

WORDS = ("reasoning_content", "reasoning")
"""Where clients keep the words of thoughts."""
FORMAT = "gateway-v1"
"""Tells our items from those of other providers, which are dropped."""


def sealed_thought(model: str, opaque: bytes, *, index: int, chars: int) -> dict[str, Any]:
    """Return the item of a thought."""
    return {
        "type": "reasoning.encrypted",
        "index": index,
        "format": FORMAT,
        "chars": chars,
        "data": wrap(model, opaque),
    }


def thoughts_of(members: Members, *, asked_model: str) -> list[Reasoning]:
    """Return the thoughts of a message that a client sends back.

    Words alone are those of the model that the client names: no other may be told of them.
    """
    words = next(filter(None, [members.text(name) for name in WORDS]), "")
    details = [
        detail
        for detail in members.items("reasoning_details")
        if isinstance(detail, dict) and detail.get("format") == FORMAT
    ]
    if details:
        return _rejoined(words, details)
    return [Reasoning(text=words, model=asked_model)] if words and asked_model else []


def _rejoined(words: str, details: list[dict[str, Any]]) -> list[Reasoning]:
    """Give each thought its words; none where a client has changed them, since signatures cover them."""
    found: list[Reasoning] = []
    end = 0
    for detail in details:
        data, chars = detail.get("data"), detail.get("chars")
        model, opaque = unwrap(data) if isinstance(data, str) else ("", b"")
        if not model or not isinstance(chars, int) or chars < 0:
            return []
        found.append(Reasoning(text=words[end : end + chars], model=model, opaque=opaque))
        end += chars
    return found if end == len(words) else []


def with_signature(call: dict[str, Any], model: str, opaque: bytes) -> dict[str, Any]:
    """Return a call with what its model wants back, where clients of Gemini keep it."""
    if not opaque:
        return call
    return call | {"extra_content": {"google": {"thought_signature": wrap(model, opaque)}}}


def signature_of(call: Members) -> tuple[str, bytes]:
    """Return the model and what it wants back with a call; "" for what another gateway has made."""
    extra = call.members("extra_content")
    google = None if extra is None else extra.members("google")
    signature = None if google is None else google.text("thought_signature")
    return ("", b"") if signature is None else unwrap(signature)
