"""Which languages a caller reads, for canned replies."""

import re

MAX_LANGUAGES = 8
MAX_LANGUAGE_CHARS = 256
_LANGUAGE = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)(?:\s*;\s*q=([01](?:\.\d{0,3})?))?")


def parse_languages(value: str) -> tuple[str, ...]:
    """Return the tags of the metadata `accept-language`, the dearest first, without what makes no sense."""
    weighed = []
    for part in value[:MAX_LANGUAGE_CHARS].split(","):
        if match := _LANGUAGE.fullmatch(part.strip()):
            weight = float(match[2] or 1)
            if weight > 0:
                weighed.append((-weight, match[1]))
    return tuple(tag for _, tag in sorted(weighed, key=lambda each: each[0]))[:MAX_LANGUAGES]
