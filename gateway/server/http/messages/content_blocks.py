"""Blocks of content in a request, as parts of a message."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Final

from gateway.domain.conversation import File, Image, Part, Reasoning, Text, ToolCall, ToolResult
from gateway.errors import InvalidRequest, Unsupported
from gateway.server.http.members import Members
from gateway.server.http.opaque import unwrap

Placed = tuple[Part, str]
"""A part, and the path of the block that it was made of."""

CALL_MARK: Final = b"tool_call:"
"""Begins an encrypted thought that belongs to a call of a tool: the call's id and a zero byte follow."""
CACHE: Final = "cache_control"
"""Gateway and backends decide what is cached."""
_TYPE: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_IGNORED: Final = frozenset({CACHE, "citations", "transformations", "caller"})
_OF_DOCUMENTS: Final = ("text", "image")
_HOSTED: Final = ("server_tool_use", "mcp_tool_use", "container_upload")


def shown_type(kind: str) -> str:
    """Return a type as an error names it: not what a caller wrote in its place."""
    return kind if _TYPE.fullmatch(kind) else "this type"


def user_block(block: Members) -> Iterator[Placed]:
    """Yield what a user says; a document in a result of a tool comes after the result, as the user's."""
    kind = block.needed_text("type")
    if kind == "tool_result":
        yield from _tool_result(block)
    else:
        yield from _readable_block(block, kind)


def text_block(block: Members) -> str:
    """Return the text of a block that must have one."""
    if block.needed_text("type") != "text":
        raise InvalidRequest(block.at("type"), "must be text here")
    text = block.needed_text("text")
    block.refuse_rest(ignored=_IGNORED)
    return text


def assistant_block(block: Members, *, drops_hosted: bool) -> Iterator[Placed]:
    """Yield what a model said; of tools that its provider runs nothing is known here."""
    kind = block.needed_text("type")
    match kind:
        case "text":
            yield from _text(block)
        case "thinking":
            model, opaque = unwrap(block.needed_text("signature"))
            text = block.needed_text("thinking")
            if model:
                yield Reasoning(text=text, model=model, opaque=opaque), block.at("thinking")
        case "redacted_thinking":
            model, opaque = unwrap(block.needed_text("data"))
            if model:
                yield Reasoning(model=model, opaque=opaque), block.at("data")
        case "tool_use":
            yield _tool_use(block)
        case _ if kind in _HOSTED or kind.endswith("_tool_result"):
            if not drops_hosted:
                raise Unsupported(
                    block.at("type"), f"{shown_type(kind)} is of a tool that only its provider can run"
                )
            return
        case _:
            raise Unsupported(
                block.at("type"), f"{shown_type(kind)} is not known here in a message of assistant"
            )
    block.refuse_rest(ignored=_IGNORED)


def _readable_block(block: Members, kind: str) -> Iterator[Placed]:
    match kind:
        case "text":
            yield from _text(block)
        case "image":
            yield _image(block), block.at("source")
        case "document":
            yield from _document(block)
        case "search_result":
            texts = (block.needed_text("title"), block.needed_text("source"))
            found = (text_block(each) for each in block.objects("content"))
            yield Text("\n\n".join((*texts, *found))), block.at("content")
        case "tool_reference":  # The search for tools found it; the request has all tools anyway.
            yield Text(block.needed_text("tool_name")), block.at("tool_name")
        case _:
            raise Unsupported(block.at("type"), f"{shown_type(kind)} is not known here in a message of user")
    block.refuse_rest(ignored=_IGNORED)


def _text(block: Members) -> Iterator[Placed]:
    text = block.needed_text("text")
    if text:
        yield Text(text), block.at("text")


def _image(block: Members) -> Image:
    source = block.needed_members("source")
    kind = source.needed_text("type")
    match kind:
        case "base64":
            image = Image(data=_bytes(source), media_type=source.needed_text("media_type"))
        case "url":
            image = Image(url=source.needed_text("url"))
        case _:
            raise Unsupported(source.at("type"), f"{shown_type(kind)} is not known here; send base64 or url")
    source.refuse_rest()
    return image


def _document(block: Members) -> Iterator[Placed]:
    """Yield a document: one of text as text, which can be scanned."""
    citations = block.members("citations")
    if citations is not None and citations.flag("enabled"):
        raise Unsupported(citations.at("enabled"), "the gateway makes no citations; leave it out")
    source = block.needed_members("source")
    title, context = block.text("title") or "", block.text("context") or ""
    kind = source.needed_text("type")
    match kind:
        case "base64":
            media_type = source.needed_text("media_type")
            if context:
                yield Text(context), block.at("context")
            yield File(data=_bytes(source), media_type=media_type, name=title), block.at("source")
        case "text":
            source.text("media_type")
            yield _joined(title, context, source.needed_text("data")), source.at("data")
        case "content" if isinstance(source.value("content"), str):
            yield _joined(title, context, source.needed_text("content")), source.at("content")
        case "content":
            if title or context:
                yield _joined(title, context), block.at("title")
            for each in source.objects("content"):
                kind = each.needed_text("type")
                if kind not in _OF_DOCUMENTS:
                    raise Unsupported(each.at("type"), "must be text or image here")
                yield from _readable_block(each, kind)
        case _:
            raise Unsupported(source.at("type"), f"{shown_type(kind)} is not known here; send base64 or text")
    source.refuse_rest()


def _tool_result(block: Members) -> Iterator[Placed]:
    call_id, is_error = block.needed_text("tool_use_id"), bool(block.flag("is_error"))
    content = block.value("content")
    parts: list[Text | Image] = []
    files: list[Placed] = []
    if isinstance(content, str):
        parts += [Text(content)] if content else []
    else:
        for each in block.objects("content"):
            for part, place in _readable_block(each, each.needed_text("type")):
                if isinstance(part, Text | Image):
                    parts.append(part)
                else:
                    files.append((part, place))
    block.refuse_rest(ignored=_IGNORED)
    yield ToolResult(tool_call_id=call_id, parts=tuple(parts), is_error=is_error), block.at("content")
    yield from files


def _tool_use(block: Members) -> Placed:
    arguments = json.dumps(block.needed_members("input").values, ensure_ascii=False)
    call = ToolCall(id=block.needed_text("id"), name=block.needed_text("name"), arguments_json=arguments)
    return call, block.at("input")


def _bytes(source: Members) -> bytes:
    try:
        return base64.b64decode(source.needed_text("data"), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(source.at("data"), "must be base64") from None


def _joined(*texts: str) -> Text:
    return Text("\n\n".join(text for text in texts if text))
