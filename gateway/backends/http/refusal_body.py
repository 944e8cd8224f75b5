"""Reading what a provider wrote when it refused, whatever its shape: codes, words, parameters and a pause.

Nothing of it is believed to be of any shape: an error may be an object, a list, a string, HTML or nothing.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LONGEST_BODY = 262_144
"""Bytes of a body that are read as JSON; of a longer one only the beginning is, as words."""
MOST_VALUES = 400
"""Values of a body that are looked at; an error of a provider holds some ten."""
MOST_WORDS = 2_000
"""Characters of its words that are looked at."""

_CODES = frozenset(
    {
        "code",
        "type",
        "status",
        "reason",
        "name",
        "status_code",
        "error",
        "error_code",
        "errorcode",
        "error_type",
    }
    | {"errortype", "__type", "errors", "finish_reason"}
)
_WORDS = frozenset(
    {"message", "msg", "detail", "details", "error", "errors", "error_msg", "errormsg", "error_message"}
    | {
        "errormessage",
        "errmsg",
        "error_description",
        "status_msg",
        "title",
        "description",
        "reason",
        "raw",
        "statustext",
    }
)
_TELLING = frozenset(
    {"message", "detail", "msg", "error_msg", "errormsg", "error_message", "errormessage", "errmsg"}
)
"""Fields of which one beside no choice makes an error."""
_NAMES = frozenset({"param", "params", "parameter", "loc", "location", "field"})
_PAUSES: Mapping[str, float] = {
    "retrydelay": 1.0,
    "retry_delay": 1.0,
    "retry_after": 1.0,
    "retryafter": 1.0,
    "retry_after_seconds": 1.0,
    "retry_after_ms": 0.001,
    "estimated_time": 1.0,  # Of Hugging Face, while a model is loaded.
}
"""Fields that hold a time to come back, and what their unit is in seconds."""
_QUOTED = re.compile(r"""(?<!\w)(["'`“«])(?=[^"'`”»]* )[^"'`”»]{0,2000}["'`”»](?!\w)""")
_TAG = re.compile(r"<(?:!doctype|html|head|body|title|h1|center)\b", re.IGNORECASE)
_HTTP_STATUS = re.compile(r"[45][0-9]{2}")


@dataclass(slots=True)
class RefusalBody:
    """What a body says."""

    codes: list[str] = field(default_factory=list)
    words: str = ""
    """In lower case; its codes are read as words, too, for those that no list knows."""
    own_words: str = ""
    """The same without what it quotes, which may be the caller's own."""
    names: set[str] = field(default_factory=set)
    """Parameters that are named in a field of their own."""
    pause: tuple[object, float] | None = None
    """The value of the first field with a time to come back, and its unit in seconds."""
    status: int | None = None
    """The HTTP status that it names."""
    is_page: bool = False
    """Whether it is HTML: what spoke is not the API but something before it."""


def read_refusal(body: object) -> RefusalBody:
    """Return what the body of a refusal says; `body` is bytes, or a value that was JSON."""
    said = RefusalBody()
    if isinstance(body, bytes):
        body = _parsed(body[:LONGEST_BODY] if len(body) > LONGEST_BODY else body)
    if isinstance(body, str):
        said.is_page = _TAG.search(body[:MOST_WORDS]) is not None
    words: list[str] = []
    for key, value in _values(body):
        _take(said, words, key, value)
    spelt = [re.sub(r"[_-]", " ", code) for code in said.codes]
    said.words = "\n".join([*spelt, *words])[:MOST_WORDS].lower()
    said.own_words = _QUOTED.sub(" ", said.words)
    return said


def is_error(body: object) -> bool:
    """Say whether a body, or an event of a stream, that came with status 200 is an error all the same."""
    if isinstance(body, list):
        return any(isinstance(each, dict) and is_error(each) for each in body[:1])
    if not isinstance(body, dict):
        return False
    if body.get("error"):
        return True
    own = body.get("x_groq")  # It says why a stream was stopped early.
    if isinstance(own, dict) and own.get("error"):
        return True
    choices = body.get("choices")
    if isinstance(choices, list) and choices:
        return isinstance(choices[0], dict) and bool(choices[0].get("error"))
    if body.get("object") == "error" or body.get("type") == "error" or body.get("errors"):
        return True
    base = body.get("base_resp")  # MiniMax: 0 is well.
    if isinstance(base, dict) and base.get("status_code"):
        return True
    names = {str(key).lower() for key, value in list(body.items())[:MOST_VALUES] if value}
    return "choices" not in body and not names.isdisjoint(_TELLING)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body[: 4 * MOST_WORDS].decode(errors="replace")


def _values(body: object) -> Iterator[tuple[str, object]]:
    """Yield the values of a body with their keys in lower case, the outermost first; a list has its key."""
    waiting: deque[tuple[str, object]] = deque([("message", body)])
    for _ in range(MOST_VALUES):
        if not waiting:
            return
        key, value = waiting.popleft()
        if isinstance(value, Mapping):
            waiting.extend((str(name).lower(), each) for name, each in list(value.items())[:MOST_VALUES])
        elif isinstance(value, list):
            waiting.extend((key, each) for each in value[:MOST_VALUES])
        elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and len(value) <= LONGEST_BODY:
            inner = _parsed(value.encode(errors="replace"))
            yield key, value
            if not isinstance(inner, str):  # A proxy hands on what it was told, as text.
                waiting.append((key, inner))
        else:
            yield key, value


def _take(said: RefusalBody, words: list[str], key: str, value: object) -> None:
    if key in _PAUSES and said.pause is None:
        said.pause = (value, _PAUSES[key])
    if isinstance(value, bool) or not isinstance(value, str | int):
        return
    text = str(value)[:MOST_WORDS] if isinstance(value, str) else f"{value}" if abs(value) < 10**9 else ""
    if key in _CODES and 0 < len(text) <= 80 and " " not in text:
        said.codes.append(text)
        if said.status is None and key != "reason" and _HTTP_STATUS.fullmatch(text):
            said.status = int(text)
    if key in _NAMES:
        said.names.add(text.lower())
    if key in _WORDS and isinstance(value, str):
        words.append(text)
    if key == "flagged_input" or key == "flagged_categories":
        said.codes.append("content_filter")
