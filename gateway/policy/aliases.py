"""Names by which callers ask for a model, and the models of the policy that they mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

AUTO: Final = "auto"
"""The name that leaves the choice to the policy, as no name does."""
MAX_ALIASES: Final = 200

_NAME = re.compile(r"[A-Za-z0-9._:/@+-]{1,256}", re.ASCII)
ALIAS_PATTERN: Final = r"^[A-Za-z0-9._:/@+-]*\*?[A-Za-z0-9._:/@+-]*$"
AliasName = Annotated[str, Field(pattern=ALIAS_PATTERN, min_length=1, max_length=256)]
"""A name, or a pattern with one `*`, which stands for any characters of a name."""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What a name that a caller may give means: a model of the policy, or any model of the route."""

    models: frozenset[str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    spaces: frozenset[str] = frozenset()
    """The names of vector spaces, by which embeddings may be asked for."""

    def entry(self, asked: str) -> str | None:
        """Return the entry of the policy that a name means: a model, an alias, or "" for any model.

        None: the policy knows no such name. An exact name goes before a pattern, a longer pattern before a
        shorter one. The entry itself means the same, so that records keep it in place of the name.
        """
        if asked in ("", AUTO):
            return ""
        if asked in self.models or asked in self.aliases or asked in self.spaces:
            return asked
        if not _NAME.fullmatch(asked):
            return None
        fitting = (alias for alias in self.aliases if "*" in alias and _fits(asked, alias))
        return min(fitting, key=lambda alias: (-len(alias), alias), default=None)

    def model(self, asked: str) -> str | None:
        """Return the only model that may answer; "" for any; None: the policy knows no such name."""
        entry = self.entry(asked)
        if entry is None:
            return None
        if entry in self.spaces:
            return ""
        target = self.aliases.get(entry, entry)
        return "" if target == AUTO else target


def _fits(asked: str, pattern: str) -> bool:
    before, _, after = pattern.partition("*")
    fits = asked.startswith(before) and asked.endswith(after)
    return fits and len(asked) >= len(before) + len(after)
