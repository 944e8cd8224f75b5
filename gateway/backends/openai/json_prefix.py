"""Whether a text is a JSON object, or can be the beginning of one: a cut text is told from a wrong one."""

import json
import re

from gateway.domain.text.schema_bounds import strict_json

_CUT = re.compile(r"\s*(?:-|t|tr|tru|f|fa|fal|fals|n|nu|nul|[.eE][+-]?)?", re.ASCII)
"""What may be left of a text where Python's parser stops, if only its end lacks: the beginning of a value."""
_CUT_ESCAPE = re.compile(r"\\?u?[0-9a-fA-F]{0,4}", re.ASCII)


def is_object(text: str) -> bool:
    """Say whether a text is a whole JSON object."""
    try:
        return isinstance(strict_json(text), dict)
    except (ValueError, RecursionError):
        return False


def may_become_object(text: str) -> bool:
    """Say whether a text is the beginning of a JSON object, or of nothing yet."""
    if text.lstrip()[:1] not in ("", "{"):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        if error.msg.startswith("Invalid \\"):
            return _CUT_ESCAPE.fullmatch(rest) is not None
        is_end = error.msg.startswith("Expecting") and _CUT.fullmatch(rest) is not None
        return is_end or error.msg.startswith("Unterminated")
    except (ValueError, RecursionError):
        return False
    return True
