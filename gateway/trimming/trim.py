"""Leaves out of a conversation what is old, until it is short enough: `trimmed`.

Old results of tools are shortened first, the oldest before the others. Only then, and only with `oldest`,
whole turns go, and of those that stay the oldest steps: a call and its results together. Messages of the
system, the user's last one and the last steps are never touched, and nothing is put into other words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.conversation import Image, Message, Role, Text, ToolResult
from gateway.domain.request import Request
from gateway.domain.strings import TOKENS_OF_AN_IMAGE, estimate_prompt_tokens, strings_of
from gateway.domain.trimming import Trim, Trimmed
from gateway.trimming.turns import Outline, outline

HEAD_CHARS: Final = 300
"""What stays of the beginning of an old result: what it is."""
TAIL_CHARS: Final = 150
"""What stays of its end: how it ended."""
SHORTENED_FROM_CHARS: Final = 600
"""A shorter result stays as it is; what takes its place would hardly be shorter."""
STEPS_OF_LIMIT: Final = 2
"""What is left out grows in steps of this part of the limit, so that for several turns the beginning of the
prompt stays the same, and caches of prompts keep it."""
_BYTES_PER_TOKEN: Final = 4
"""As `estimate_prompt_tokens` has it."""


def trimmed(request: Request, trim: Trim, most_tokens: int) -> Trimmed | None:
    """Return the conversation with as much left out as `most_tokens` wants, or as may be.

    None where it is short enough, or nothing of it may be left out.
    """
    before = estimate_prompt_tokens(request)
    if trim is Trim.NONE or before <= most_tokens:
        return None
    step = max(1, most_tokens // STEPS_OF_LIMIT)
    excess = before - most_tokens
    wanted_bytes = -(-excess // step) * step * _BYTES_PER_TOKEN
    messages: dict[int, Message] = dict(enumerate(request.messages))
    parts = outline(request.messages)
    freed = _shorten(messages, parts, wanted_bytes)
    if trim is Trim.OLDEST and freed < excess * _BYTES_PER_TOKEN:
        _leave_out(messages, parts, wanted_bytes - freed)
    changed = sum(messages.get(at) is not message for at, message in enumerate(request.messages))
    if not changed:
        return None
    left = replace(request, messages=tuple(messages.values()))
    return Trimmed(request=left, messages=changed, tokens=before - estimate_prompt_tokens(left))


def least_tokens(request: Request, trim: Trim) -> int:
    """Return how short a conversation can become, as routing estimates it."""
    whole = estimate_prompt_tokens(request)
    most = trimmed(request, trim, 0)
    return whole if most is None else whole - most.tokens


def _shorten(messages: dict[int, Message], parts: Outline, wanted_bytes: int) -> int:
    """Shorten old results, the oldest first, until so many bytes are free; return how many are."""
    freed = 0
    for turn in parts.turns:
        for at in (at for step in turn if parts.may_go(step) for at in step):
            if freed >= wanted_bytes:
                return freed
            if messages[at].role is Role.TOOL:
                shorter = _with_short_results(messages[at])
                freed += _bytes_of({at: messages[at]}) - _bytes_of({at: shorter})
                messages[at] = shorter
    return freed


def _leave_out(messages: dict[int, Message], parts: Outline, wanted_bytes: int) -> None:
    """Take out whole turns, the oldest first, then steps of those that stay."""
    for group in _droppable(parts):
        if wanted_bytes <= 0:
            return
        gone = {at: messages[at] for at in group if messages[at].role is not Role.SYSTEM}
        wanted_bytes -= _bytes_of(gone)
        for at in gone:
            del messages[at]


def _droppable(parts: Outline) -> Iterator[Sequence[int]]:
    whole = [turn for turn in parts.turns if all(map(parts.may_go, turn))]
    yield from ([at for step in turn for at in step] for turn in whole)
    for turn in parts.turns:
        if turn not in whole:
            # The question of a turn stays with what stays of its answer.
            yield from (step for step in turn[1:] if parts.may_go(step))


def _with_short_results(message: Message) -> Message:
    results = tuple(_short(part) if isinstance(part, ToolResult) else part for part in message.parts)
    return message if results == message.parts else replace(message, parts=results)


def _short(result: ToolResult) -> ToolResult:
    """Return a result with its beginning and end, and what lies between in one line."""
    text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    images = sum(isinstance(part, Image) for part in result.parts)
    if len(text) <= SHORTENED_FROM_CHARS and not images:
        return result
    if len(text) > SHORTENED_FROM_CHARS:
        head, tail = _ended_by_a_word(text[:HEAD_CHARS]), _begun_by_a_word(text[-TAIL_CHARS:])
        count = len(text) - len(head) - len(tail)
        text = f"{head}\n[{count} characters of this result were left out]\n{tail}"
    left_out = f"[{images} images of this result were left out]" if images else ""
    return replace(result, parts=(Text("\n".join(filter(None, (text, left_out)))),))


def _ended_by_a_word(text: str) -> str:
    """Return a text without the word that was cut at its end: a placeholder is one word."""
    at = max(text.rfind(" "), text.rfind("\n"))
    return text[: at + 1] if at > len(text) // 2 else text


def _begun_by_a_word(text: str) -> str:
    places = [at for char in " \n" if 0 <= (at := text.find(char)) < len(text) // 2]
    return text[min(places) :] if places else text


def _bytes_of(messages: Mapping[int, Message]) -> int:
    """Return how many bytes of a prompt messages are, and four for each token of an image."""
    alone = Request(request_id="", tenant="", messages=tuple(messages.values()))
    texts = sum(len(each.text.encode("utf-8", "surrogatepass")) for each in strings_of(alone))
    images = sum(1 for message in alone.messages for _ in message.unreadable_parts)
    return texts + images * TOKENS_OF_AN_IMAGE * _BYTES_PER_TOKEN
