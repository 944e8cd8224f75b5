"""The content of messages: a string, or parts of text, images, documents."""

from gateway.domain.conversation import File, Image, ImageDetail, Text
from gateway.errors import InvalidRequest, Unsupported
from gateway.server.http.data_urls import file_of, image_of
from gateway.server.http.members import Members

HINTS = ("cache_control", "prompt_cache_breakpoint", "annotations")
"""Members of parts that change nothing of what is said."""
Content = Text | Image | File


def content_of(members: Members, *, name: str = "content") -> tuple[Content, ...]:
    """Return the parts of a message's content; none where it is null or absent."""
    value = members.value(name)
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise InvalidRequest(members.at(name), "must be a string or a list of parts")
    return tuple(map(_part, members.objects(name)))


def _part(part: Members) -> Content:
    kind = part.needed_text("type")
    match kind:
        case "text":
            found: Content = Text(part.needed_text("text"))
        case "refusal":
            found = Text(part.needed_text("refusal"))
        case "image_url":
            found = _image(part)
        case "file":
            found = _file(part)
        case "input_audio":
            raise Unsupported(part.at("type"), "input_audio is not supported: no model here hears")
        case _:
            raise Unsupported(part.at("type"), "must be text, refusal, image_url or file")
    part.refuse_rest(ignored=HINTS)
    return found


def _image(part: Members) -> Image:
    if isinstance(part.value("image_url"), str):
        url, detail = part.needed_text("image_url"), None
    else:
        image = part.needed_members("image_url")
        url = image.needed_text("url")
        detail = image.known("detail", {each.value: each for each in ImageDetail})
        image.refuse_rest()
    return image_of(url, detail=detail, at=part.at("image_url"))


def _file(part: Members) -> File:
    file = part.needed_members("file")
    file.refuse("file_id", "is not supported: no files are kept; send file_data")
    name, coded = file.text("filename") or "", file.needed_text("file_data")
    file.refuse_rest()
    return file_of(coded, name=name, at=file.at("file_data"))
