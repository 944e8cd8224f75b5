"""What a model thinks, in the fields of the providers: read from its answers, and given back to it.

`opaque` of a thought is the bare signature or encrypted text where the rest can be written again; else it is
the provider's own object as JSON.
"""

import json
from collections.abc import Mapping, Sequence

from gateway.domain.answer import ReasoningDelta
from gateway.domain.conversation import Reasoning
from gateway.policy.reasoning_forms import ReasoningForm

THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields with what a model thinks in plain words; some servers write it into two of them."""
THOUGHT_PARTS = frozenset({
    "thinking", "redacted_thinking", "reasoning", "reasoning_text", "reasoning_summary", "thought",
})  # fmt: skip
"""Types of parts of `content` that hold what a model thinks."""
FORMATS: Mapping[str, str] = {
    "reasoning.text": "anthropic-claude-v1",
    "reasoning.encrypted": "openai-responses-v1",
}
"""The format of a detail whose signature is kept without its object."""
OPEN_TAG, CLOSE_TAG = "<thought>", "</thought>"
"""Between which Gemini's endpoint puts a thought in the text."""

NO_THOUGHT = " "
"""What DeepSeek is told that it thought where it thought nothing: it refuses an empty text."""

_BARE = frozenset({"type", "text", "data", "signature", "format", "index"})
Json = dict[str, object]


class ThoughtReader:
    """Takes what a model thinks out of the messages or deltas of one answer."""

    def __init__(self) -> None:
        self._is_plain = False
        """Whether a field in plain words came, which the details repeat."""
        self._is_inside = False
        """Whether a thought is open that Gemini's endpoint flags, but writes as text between tags."""

    @property
    def is_outside(self) -> bool:
        """Whether no thought is open that would have to be closed in the text."""
        return not self._is_inside

    def take(self, message: Mapping[str, object], text: str) -> tuple[list[ReasoningDelta], str]:
        """Return the thoughts of a message, in whichever fields, and what of its `text` is none."""
        plain = next(
            (words for name in THOUGHTS if isinstance(words := message.get(name), str) and words), ""
        )
        details = _details(message.get("reasoning_details"))
        if self._is_plain or (plain and "".join(each.text for each in details) != plain):
            details = [ReasoningDelta(text=plain), *(ReasoningDelta(opaque=each.opaque) for each in details)]
        self._is_plain = self._is_plain or bool(plain)
        tagged, text = self._tagged(message, text)
        found = [*details, *_of_content(message.get("content")), ReasoningDelta(text=tagged)]
        found.append(ReasoningDelta(opaque=google_signature(message)))
        return [each for each in found if each.text or each.opaque], text

    def _tagged(self, message: Mapping[str, object], text: str) -> tuple[str, str]:
        if _google(message).get("thought") is True:
            thought, tag, rest = text.removeprefix(OPEN_TAG).partition(CLOSE_TAG)
            self._is_inside = not tag
            return thought, rest
        if self._is_inside and text:
            self._is_inside = False
            text = text.removeprefix(CLOSE_TAG)
        return "", text


def without_thoughts(message: Mapping[str, object]) -> Mapping[str, object]:
    """Return a message without the fields that hold thoughts."""
    return {
        name: value for name, value in message.items() if name not in THOUGHTS and name != "reasoning_details"
    }


def google_signature(holder: Mapping[str, object]) -> bytes:
    """Return the signature that Gemini's endpoint puts beside a message or a call."""
    signature = _google(holder).get("thought_signature")
    return signature.encode(errors="replace") if isinstance(signature, str) else b""


def _google(holder: Mapping[str, object]) -> Mapping[str, object]:
    extra = holder.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return google if isinstance(google, dict) else {}


def _details(value: object) -> list[ReasoningDelta]:
    details = value if isinstance(value, list) else [value]
    return [_detail(each) for each in details if isinstance(each, dict)]


def _detail(detail: Mapping[str, object]) -> ReasoningDelta:
    words = next((w for name in ("text", "summary") if isinstance(w := detail.get(name), str)), "")
    sealed = next((s for name in ("data", "signature") if isinstance(s := detail.get(name), str) and s), "")
    if not sealed:
        return ReasoningDelta(text=words)
    kind = detail.get("type")
    default = FORMATS.get(kind, "") if isinstance(kind, str) else ""
    is_bare = all(name in _BARE or value is None for name, value in detail.items()) and (
        detail.get("format") in (None, default)
    )
    if not is_bare:
        own = {name: value for name, value in detail.items() if name != "text"}
        sealed = json.dumps(own, ensure_ascii=True, separators=(",", ":"))
    return ReasoningDelta(text=words, opaque=sealed.encode(errors="replace"))


def _of_content(content: object) -> list[ReasoningDelta]:
    parts = content if isinstance(content, list) else [content]
    return [
        _part(part) for part in parts if isinstance(part, dict) and part.get("type") in THOUGHT_PARTS
    ]  # fmt: skip


def _part(part: Mapping[str, object]) -> ReasoningDelta:
    words = next((part[name] for name in ("thinking", "text", "reasoning") if part.get(name)), "")
    inner = words if isinstance(words, list) else [words]
    text = "".join(
        each if isinstance(each, str) else str(each["text"])
        for each in inner
        if isinstance(each, str) or (isinstance(each, dict) and isinstance(each.get("text"), str))
    )
    sealed = next((s for name in ("signature", "data") if isinstance(s := part.get(name), str)), "")
    return ReasoningDelta(text=text, opaque=sealed.encode(errors="replace"))


def thought_fields(
    form: ReasoningForm, thoughts: Sequence[Reasoning], text: str, *, has_calls: bool
) -> dict[str, object]:
    """Return the fields of a message that give a model its thoughts back.

    In plain words they go only into a conversation with calls of tools: nobody needs them elsewhere, and some
    refuse them there.
    """
    words = "".join(thought.text for thought in thoughts)
    match form:
        case ReasoningForm.ALWAYS if has_calls:
            return {ReasoningForm.CONTENT.value: words or NO_THOUGHT}
        case ReasoningForm.CONTENT | ReasoningForm.PLAIN if words and has_calls:
            return {form.value: words}
        case ReasoningForm.DETAILS:
            details = [_as_detail(thought, index) for index, thought in enumerate(thoughts)]
            return {"reasoning_details": [each for each in details if each]}
        case ReasoningForm.PARTS:
            parts: list[object] = [_as_part(thought) for thought in thoughts if thought.text]
            return {"content": [*parts, *([{"type": "text", "text": text}] if text else [])]}
        case ReasoningForm.GOOGLE:
            opaque = thoughts[-1].opaque.decode("utf-8", "replace")
            return {"extra_content": {"google": {"thought_signature": opaque}}} if opaque else {}
    return {}


def _as_detail(thought: Reasoning, index: int) -> Json:
    opaque = thought.opaque.decode("utf-8", "replace")
    if opaque.startswith("{"):
        try:
            own: Json = json.loads(opaque)
        except ValueError:
            return {}
        return own | ({"text": thought.text} if own.get("type") == "reasoning.text" else {})
    if opaque and not thought.text:
        kind = "reasoning.encrypted"
        return {"type": kind, "data": opaque, "format": FORMATS[kind], "index": index}
    detail: Json = {"type": "reasoning.text", "text": thought.text, "index": index}
    return detail | ({"signature": opaque, "format": FORMATS["reasoning.text"]} if opaque else {})


def _as_part(thought: Reasoning) -> Json:
    part: Json = {"type": "thinking", "thinking": [{"type": "text", "text": thought.text}]}
    return part | ({"signature": thought.opaque.decode("utf-8", "replace")} if thought.opaque else {})
