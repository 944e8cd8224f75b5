"""Reading a provider's answer, whole or in pieces, strictly: what is not as it must be is refused."""

import json
from collections.abc import Mapping

from gateway.types import Chunk, FinishReason, Reply, Usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}
"""OpenAI says `stop` for a stop string as well, so STOP_SEQUENCE never comes from a provider."""


class UnreadableAnswer(ValueError):
    """The answer is not a chat completion; the message names the field, never its value."""


class ErrorEvent(UnreadableAnswer):
    """A stream that began with status 200 brought an error; `error` is what it said."""

    def __init__(self, error: object) -> None:
        super().__init__("an error event")
        self.error = error


def read_reply(raw: bytes) -> Reply:
    """Return the whole answer; raises UnreadableAnswer."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("the body is not JSON") from None
    choice = _choice(body)
    if choice is None:
        raise UnreadableAnswer("choices is empty")
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UnreadableAnswer("message is not an object")
    finish_reason = _finish_reason(choice)
    if finish_reason is None:
        raise UnreadableAnswer("finish_reason is absent")
    text, is_refusal = _text(message)
    return Reply(
        text=text,
        finish_reason=FinishReason.CONTENT_FILTER if is_refusal else finish_reason,
        usage=_usage(body),
    )


class StreamReader:
    """Puts a streamed answer together: feed it every event, then ask for the last chunk."""

    def __init__(self) -> None:
        self.has_text = False
        """Whether any text was read."""
        self.is_finished = False
        """Whether the finish reason was read, so that the text is complete."""
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._is_refusal = False

    def feed(self, event: object) -> str:
        """Return the text of one event, perhaps empty; raises UnreadableAnswer."""
        choice = _choice(event)
        self._usage = _usage(event) or self._usage
        if choice is None:
            return ""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            raise UnreadableAnswer("delta is not an object")
        text, is_refusal = _text(delta)
        self._is_refusal = self._is_refusal or is_refusal
        self._finish_reason = _finish_reason(choice) or self._finish_reason
        self.is_finished = self._finish_reason is not None
        self.has_text = self.has_text or bool(text)
        return text

    @property
    def has_usage(self) -> bool:
        """Whether the token counts were read."""
        return self._usage is not None

    def last_chunk(self) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended."""
        if self._finish_reason is None:
            raise UnreadableAnswer("the stream ended without a finish_reason")
        finish_reason = FinishReason.CONTENT_FILTER if self._is_refusal else self._finish_reason
        return Chunk(finish_reason=finish_reason, usage=self._usage)


def _choice(body: object) -> Mapping[str, object] | None:
    """Return the first choice, None where there is none."""
    if not isinstance(body, dict):
        raise UnreadableAnswer("it is not a JSON object")
    if body.get("error"):
        raise ErrorEvent(body["error"])
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise UnreadableAnswer("choices is not a list")
    if not choices:
        return None
    if not isinstance(choices[0], dict):
        raise UnreadableAnswer("a choice is not an object")
    return choices[0]


def _text(message: Mapping[str, object]) -> tuple[str, bool]:
    """Return the text and whether it is the model's refusal, which stands in a field of its own."""
    for field in ("content", "refusal"):
        text = message.get(field)
        if text is not None and not isinstance(text, str):
            raise UnreadableAnswer(f"{field} is not a string")
        if text:
            return text, field == "refusal"
    return "", False


def _finish_reason(choice: Mapping[str, object]) -> FinishReason | None:
    value = choice.get("finish_reason")
    if value is None:
        return None
    if not isinstance(value, str) or value not in FINISH_REASONS:
        raise UnreadableAnswer("finish_reason is not known")
    return FINISH_REASONS[value]


def _usage(body: object) -> Usage | None:
    usage = body.get("usage") if isinstance(body, dict) else None
    if usage is None:
        return None
    if not isinstance(usage, dict):
        raise UnreadableAnswer("usage is not an object")
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"), completion_tokens=_count(usage, "completion_tokens")
    )


def _count(usage: Mapping[str, object], field: str) -> int:
    count = usage.get(field)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise UnreadableAnswer(f"{field} is not a whole number of tokens")
    return count
