"""A conversation as the Messages API has it: a system text, and turns of user and assistant in turn."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.backends.anthropic.tools import input_of
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.errors import NotCapable
from gateway.policy.anthropic import ANTHROPIC_BASE_URL, AnthropicModel

Json = dict[str, object]

REDACTED: Final = b"redacted:"
"""Begins the `opaque` of a thought that came encrypted; that of others is a signature, which has no colon."""
BEGINNING: Final = "Begin."
"""What the user says before a conversation that an assistant begins, since a user must."""
_TEXT_TYPES: Final = ("text/", "application/json")
_ID: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
"""The only ids of calls that the API takes."""
_THOUGHTS: Final = ("thinking", "redacted_thinking")


class Turns:
    """The messages for one model; `name` is its name in the policy. Raises NotCapable."""

    def __init__(self, name: str, spec: AnthropicModel, messages: Sequence[Message]) -> None:
        self._name = name
        self._spec = spec
        self.system: list[Json] = []
        """Of the system messages before all others; text of later ones is the user's, in its place."""
        self.turns: list[tuple[str, list[Json]]] = []
        """Who speaks, and the blocks of content."""
        self.unsent_blanks = ""
        """White space at the end of the beginning of the answer, which the API refuses."""
        for message in messages:
            self._add(message)
        for role, blocks in self.turns:
            if role == "user":
                blocks.sort(key=lambda block: block["type"] != "tool_result")  # They must come first.
        self.turns = [(role, blocks) for role, blocks in self.turns if blocks]
        if not self.turns:
            raise NotCapable(name, "nothing of the messages can be sent to it", field="messages")
        if self.turns[0][0] == "assistant":
            self.turns.insert(0, ("user", [_text(BEGINNING)]))
        self._strip_end()

    @property
    def is_begun(self) -> bool:
        """Whether the last message is the beginning of the answer."""
        return self.turns[-1][0] == "assistant"

    @property
    def is_conversation(self) -> bool:
        """Whether the model has spoken in it."""
        return any(role == "assistant" for role, _ in self.turns)

    @property
    def lacks_thoughts(self) -> bool:
        """Whether it goes on after calls of tools that were made without a thought of this model."""
        last = next((blocks for role, blocks in reversed(self.turns) if role == "assistant"), None)
        is_result = self.turns[-1][1][0]["type"] == "tool_result"
        return is_result and last is not None and last[0]["type"] not in _THOUGHTS

    def as_json(self) -> list[Json]:
        """Return the turns as they are sent."""
        return [{"role": role, "content": blocks} for role, blocks in self.turns]

    def _add(self, message: Message) -> None:
        if message.role is Role.SYSTEM:
            if not message.text.strip():
                return
            if not self.turns:
                self.system.append(_text(message.text))
            else:
                self._join("user", [_text(f"<system>\n{message.text}\n</system>")])
            return
        blocks = [block for part in message.all_parts for block in self._blocks(part)]
        if message.role is not Role.ASSISTANT:
            self._join("user", blocks)
            return
        while blocks and blocks[-1]["type"] in _THOUGHTS:
            blocks.pop()  # Nothing was said after them, and the API refuses a turn that ends so.
        self._join("assistant", blocks)

    def _join(self, role: str, blocks: list[Json]) -> None:
        """Add blocks to the turn of who spoke last, or begin another one."""
        if not blocks:
            return
        if self.turns and self.turns[-1][0] == role:
            self.turns[-1][1].extend(blocks)
        else:
            self.turns.append((role, blocks))

    def _strip_end(self) -> None:
        last = self.turns[-1][1][-1]
        text = last.get("text")
        if self.is_begun and isinstance(text, str):
            last["text"] = text.rstrip()
            self.unsent_blanks = text[len(text.rstrip()) :]

    def _blocks(self, part: Part) -> Iterator[Json]:
        """Yield a part as blocks; none for an empty one, or a thought of another model."""
        match part:
            case Text() if part.text.strip():
                yield _text(part.text)
            case Image():
                yield _image(part)
            case File():
                yield self._document(part)
            case ToolCall():
                yield {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": input_of(part)}
            case ToolResult():
                yield _result(part)
            case Reasoning() if part.model == self._name and self._spec.thinks_by != "none":
                yield from self._thought(part)

    def _thought(self, thought: Reasoning) -> Iterator[Json]:
        opaque = thought.opaque.decode("utf-8", "replace")
        if thought.opaque.startswith(REDACTED):
            yield {"type": "redacted_thinking", "data": opaque[len(REDACTED) :]}
        elif opaque or self._spec.base_url != ANTHROPIC_BASE_URL:  # Others may sign nothing.
            yield {"type": "thinking", "thinking": thought.text, "signature": opaque}

    def _document(self, file: File) -> Json:
        if file.media_type == "application/pdf":
            data = base64.b64encode(file.data).decode()
            source: Json = {"type": "base64", "media_type": file.media_type, "data": data}
        elif file.media_type.startswith(_TEXT_TYPES):
            try:
                source = {"type": "text", "media_type": "text/plain", "data": file.data.decode()}
            except UnicodeDecodeError:
                raise NotCapable(self._name, "it reads text files in UTF-8 only", field="messages") from None
        else:
            detail = f"it reads PDF and text files, none of type {file.media_type}"
            raise NotCapable(self._name, detail, field="messages")
        document: Json = {"type": "document", "source": source}
        return document | ({"title": file.name} if file.name else {})


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _image(image: Image) -> Json:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    data = base64.b64encode(image.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}


def _result(result: ToolResult) -> Json:
    content = [
        _image(part) if isinstance(part, Image) else _text(part.text)
        for part in result.parts
        if isinstance(part, Image) or part.text.strip()
    ]
    sent: Json = {"type": "tool_result", "tool_use_id": _id(result.tool_call_id)}
    if result.is_error:
        sent["is_error"] = True
        content = content or [_text("Error")]
    if content:
        sent["content"] = content
    return sent


def _id(call_id: str) -> str:
    """Return the id of a call as the API takes it, the same one for the call and its result."""
    if _ID.fullmatch(call_id):
        return call_id
    return f"toolu_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
