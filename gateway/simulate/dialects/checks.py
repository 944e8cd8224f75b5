"""What single providers want of the messages that OpenAI does not."""

import hashlib
import re
from collections.abc import Sequence

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import Dialect
from gateway.simulate.messages import SentMessage

NO_SIGNATURE = "skip_thought_signature_validator"
"""What Gemini takes in place of its signature, on calls that another model made."""
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}", re.ASCII)


def signature_of(call_id: str) -> str:
    """Return the signature of the call with this id."""
    return hashlib.sha256(f"signature of {call_id}".encode()).hexdigest()[:32]


def check_messages(dialect: Dialect, messages: Sequence[SentMessage], *, thinks: bool) -> None:
    """Raise ChatError for the first message that this provider refuses; `thinks`: the model is to."""
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    for i, message in enumerate(messages):
        at = f"messages[{i}]"
        if message.name and not dialect.takes_names:
            raise ChatError(400, f"{at}: property 'name' is unsupported", param=f"{at}.name")
        ids = [call.id for call in message.calls] + ([message.call_id] if message.call_id else [])
        if dialect.checks_call_ids and not all(map(_MISTRAL_ID.fullmatch, ids)):
            raise ChatError(400, "a call's id must be a-z, A-Z, 0-9, with a length of 9", param=at)
        if not message.calls:
            continue
        if dialect.wants_thoughts_back and thinks and not message.thought:
            words = "The `reasoning_content` in the thinking mode must be passed back to the API."
            raise ChatError(400, words, code="invalid_request_error", param=at)
        if i <= last_user:
            continue
        first = message.calls[0]
        if dialect.has_signatures and first.signature not in (NO_SIGNATURE, signature_of(first.id)):
            raise ChatError(400, "a function call is missing its thought_signature", param=at)
