"""Images and documents as clients of OpenAI write them: a URL, or the bytes in base64."""

import base64
import binascii
import mimetypes

from gateway.domain.conversation import File, Image, ImageDetail
from gateway.errors import InvalidRequest

SCHEME = "data:"
_TYPE_NAMES = {"image/jpg": "image/jpeg"}
"""Names that clients give a type, and its own."""


def image_of(url: str, *, detail: ImageDetail | None, at: str) -> Image:
    """Return an image; a URL elsewhere is kept as it is, and never fetched. Raises InvalidRequest."""
    if not _has_data(url):
        return Image(url=url, detail=detail)
    media_type, data = _unpacked(url, at=at)
    return Image(data=data, media_type=media_type, detail=detail)


def file_of(coded: str, *, name: str, at: str) -> File:
    """Return a document, by a data: URL or bare base64; raises InvalidRequest."""
    if _has_data(coded):
        media_type, data = _unpacked(coded, at=at)
    else:
        media_type = mimetypes.guess_type(name, strict=True)[0] or "application/pdf"
        data = _decoded(coded, at=at)
    return File(data=data, media_type=media_type, name=name)


def _has_data(url: str) -> bool:
    return url[: len(SCHEME)].lower() == SCHEME


def _unpacked(url: str, *, at: str) -> tuple[str, bytes]:
    head, comma, coded = url[len(SCHEME) :].partition(",")
    media_type, *parameters = (each.strip().lower() for each in head.split(";"))
    if not comma or "base64" not in parameters:
        raise InvalidRequest(at, "must be a data: URL in base64, as data:image/png;base64,...")
    return _TYPE_NAMES.get(media_type, media_type), _decoded(coded, at=at)


def _decoded(coded: str, *, at: str) -> bytes:
    try:
        return base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(at, "is not base64") from None
