"""The turns of a conversation, and the forms in which a chat template may accept them; all keep every
text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RoleText = tuple[str, str]
"""Role and text."""
ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "user"}
"""By their first letters. A tool result is sent as the user's, since conversations hold no tool calls."""
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Form:
    """How turns are changed for a template that refuses the original ones."""

    system: Literal["kept", "first", "none"] = "kept"
    """Which system turns are kept; the others become user turns. "first": those at the start."""
    is_merged: bool = False
    """Whether consecutive turns of one role are merged."""
    is_opened: bool = False
    """Whether an empty user turn is put before an assistant turn that would be first."""

    def apply(self, turns: Sequence[RoleText]) -> list[RoleText]:
        """Return the turns in this form."""
        found: list[RoleText] = []
        for given, text in turns:
            role = ROLES[given[0]]
            if role == "system" and not self._stays_system(found):
                role = "user"
            if self.is_merged and found and found[-1][0] == role:
                found[-1] = (role, found[-1][1] + _BETWEEN + text)
                continue
            if self.is_opened and role == "assistant" and all(before == "system" for before, _ in found):
                found.append(("user", ""))
            found.append((role, text))
        return found

    def _stays_system(self, found: Sequence[RoleText]) -> bool:
        if self.system == "first":
            return all(role == "system" for role, _ in found)
        return self.system == "kept"


FORMS = (
    Form(),
    Form(is_merged=True),
    Form(system="first", is_merged=True),
    Form(system="none", is_merged=True),
    Form(system="first", is_merged=True, is_opened=True),
    Form(system="none", is_merged=True, is_opened=True),
)
"""From the unchanged conversation to the most changed one."""
