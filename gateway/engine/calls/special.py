"""The special tokens of a vocabulary, as texts of a chat template name them."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping


class SpecialTokens:
    """Divides texts into special tokens and what is between them."""

    def __init__(self, tokens: Mapping[str, int], *, ends: Iterable[int]) -> None:
        """`tokens` are all that a grammar cannot match by their text; `ends` end an answer."""
        self._tokens = {text: token for text, token in tokens.items() if text}
        self._ends = frozenset(ends)

    def texts(self) -> dict[int, str]:
        """Return the text of each token that does not end an answer."""
        return {token: text for text, token in self._tokens.items() if token not in self._ends}

    def token(self, text: str) -> int | None:
        """Return the special token of a text; None if there is none."""
        return self._tokens.get(text)

    def split(self, text: str) -> Iterator[str | int]:
        """Yield texts and special tokens in order; of two that begin together, the longer one."""
        inside = [special for special in self._tokens if special in text]
        while text:
            found = min(
                ((text.find(special), -len(special)) for special in inside if special in text), default=None
            )
            if found is None:
                yield text
                return
            at, size = found[0], -found[1]
            if at:
                yield text[:at]
            yield self._tokens[text[at : at + size]]
            text = text[at + size :]

    def lark(self, text: str) -> str:
        """Return a text as an expression of Lark; "" for an empty one."""
        return " ".join(
            f"<[{part}]>" if isinstance(part, int) else json.dumps(part, ensure_ascii=False)
            for part in self.split(text)
        )

    def others(self, without: Iterable[int]) -> str:
        """Return the special tokens that may be in a text, as an expression of Lark; "" if there are none."""
        tokens = sorted({*self._tokens.values()} - self._ends - {*without})
        ranges = []
        for _, group in itertools.groupby(enumerate(tokens), key=lambda pair: pair[1] - pair[0]):
            run = [token for _, token in group]
            ranges.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
        return f"<[{','.join(ranges)}]>" if ranges else ""
