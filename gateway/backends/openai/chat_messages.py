"""The messages of a conversation as chat completions have them."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.backends.openai.thoughts import thought_fields
from gateway.domain.conversation import File, Image, Message, Reasoning, Role, Text, ToolCall, ToolResult
from gateway.errors import NotCapable
from gateway.policy.openai import OpenAIModel
from gateway.policy.reasoning_forms import ReasoningForm

LONGEST_CALL_ID: Final = 40
"""Characters of a call's id that OpenAI takes."""
MISTRAL_ID: Final = re.compile(r"[A-Za-z0-9]{9}", re.ASCII)
"""The only ids of calls that Mistral's API takes."""
NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""What Gemini takes in place of its signature, on calls that another model made."""

Json = dict[str, object]


class ChatMessages:
    """Writes messages for one model; `name` is its name in the policy."""

    def __init__(self, name: str, spec: OpenAIModel) -> None:
        self._name = name
        self._spec = spec
        self._form = spec.reasoning_form
        self._has_calls = False

    def of(self, messages: Sequence[Message]) -> list[Json]:
        """Return the messages that are sent; raises NotCapable where nothing of them is left."""
        self._has_calls = any(message.tool_calls for message in messages)
        sent: list[Json] = []
        images: list[Json] = []
        """Of results of tools, for APIs that take them from a user only."""
        for message in messages:
            if images and message.role is not Role.TOOL:
                sent.append({"role": "user", "content": images})
                images = []
            match message.role:
                case Role.TOOL:
                    for result in message.tool_results:
                        sent.append(self._result(result, images))
                case Role.ASSISTANT:
                    sent += self._assistant(message)
                case _:
                    sent += self._plain(message)
        if images:
            sent.append({"role": "user", "content": images})
        if not sent:
            raise NotCapable(self._name, "nothing of the messages can be sent to it", field="messages")
        return sent

    def _plain(self, message: Message) -> Iterable[Json]:
        """Yield a message of the system or a user; none where all its parts are empty."""
        content: object = message.text
        parts = [part for part in message.parts if not isinstance(part, Text) or part.text]
        if any(not isinstance(part, Text) for part in parts):
            content = [_content(part) for part in parts]
        if content:
            yield self._named(message, {"role": message.role.value, "content": content})

    def _assistant(self, message: Message) -> Iterable[Json]:
        """Yield a message of a model; none where only another model's thoughts are in it."""
        calls = message.tool_calls
        text = message.text
        thoughts = [
            part for part in message.parts if isinstance(part, Reasoning) and part.model == self._name
        ]
        if not calls and not text:
            return
        said: Json = {"role": "assistant", "content": text or None}
        if calls:
            said["tool_calls"] = [self._call(call, is_first=i == 0) for i, call in enumerate(calls)]
        if thoughts or self._form is ReasoningForm.ALWAYS:
            said |= thought_fields(self._form, thoughts, text, has_calls=self._has_calls)
        yield self._named(message, said)

    def _call(self, call: ToolCall, *, is_first: bool) -> Json:
        said: Json = {"id": self._id(call.id)}
        if call.is_custom:
            return said | {"type": "custom", "custom": {"name": call.name, "input": call.input}}
        arguments = call.arguments_json or "{}"
        said |= {"type": "function", "function": {"name": call.name, "arguments": arguments}}
        own = call.opaque if call.model == self._name else b""
        if self._form is ReasoningForm.GOOGLE and (own or is_first):
            signature = own.decode("utf-8", "replace") or NO_SIGNATURE
            said["extra_content"] = {"google": {"thought_signature": signature}}
        return said

    def _result(self, result: ToolResult, images: list[Json]) -> Json:
        """Return what a tool gave back; `images` takes what only a user may say to this API."""
        call_id = self._id(result.tool_call_id)
        text = result_text(result)
        content: object = text
        seen = [part for part in result.parts if isinstance(part, Image)]
        if seen and self._spec.is_openai:
            images.append({"type": "text", "text": f"Images of the result of {call_id}:"})
            images += map(_content, seen)
            content = text or "The result is in the images that follow."
        elif seen:
            content = [*([{"type": "text", "text": text}] if text else []), *map(_content, seen)]
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    def _id(self, call_id: str) -> str:
        """Return the id of a call as this API takes it, the same one for the call and its result."""
        if self._form is ReasoningForm.PARTS and not MISTRAL_ID.fullmatch(call_id):
            return hashlib.sha256(call_id.encode()).hexdigest()[:9]
        if self._spec.is_openai and len(call_id) > LONGEST_CALL_ID:
            return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
        return call_id

    def _named(self, message: Message, said: Json) -> Json:
        if message.name and "name" not in self._spec.drop:
            said["name"] = message.name
        return said


def result_text(result: ToolResult) -> str:
    """Return the text of a result; an API without a field for it is told of an error in the text."""
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    if not result.is_error:
        return text
    return f"Error: {text}" if text else "Error"


def data_url(media_type: str, data: bytes) -> str:
    """Return bytes as a URL that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def file_name(file: File) -> str:
    """Return the name of a file; OpenAI refuses one without."""
    return file.name or f"file.{_ENDINGS.get(file.media_type, 'txt')}"


_ENDINGS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "application/json": "json",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/html": "html",
    "text/xml": "xml",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
}


def _content(part: object) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            image: Json = {"url": part.url or data_url(part.media_type, part.data)}
            if part.detail is not None:
                image["detail"] = part.detail.value
            return {"type": "image_url", "image_url": image}
        case File():
            file = {"filename": file_name(part), "file_data": data_url(part.media_type, part.data)}
            return {"type": "file", "file": file}
    raise TypeError(f"no user says {type(part).__name__}")


def compact(value: object) -> str:
    """Return a JSON text without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
