"""A vocabulary of bytes with a few special tokens, for tests of reasoning."""

from collections.abc import Iterable, Mapping
from typing import Literal

from gateway.engine.thinking.tags import ThinkingTags
from gateway.engine.thinking.thinking_form import ThinkingForm
from gateway.engine.thinking.thinking_reader import Thinking, ThinkingReader

PLAIN = ThinkingForm(start="<think>", end="</think>")
"""Tags that are ordinary text."""
HARMONY = ThinkingForm(
    start="<|channel|>analysis<|message|>",
    end="<|end|>",
    header="<|start|>assistant",
    answer="<|channel|>final<|message|>",
    before_end="",
    after_end="",
)
"""Tags of special tokens and text."""
SPECIAL = {
    text: 300 + number
    for number, text in enumerate(
        ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "[THINK]", "[/THINK]", "<tool>")
    )
}
MARKED = ThinkingForm(start="[THINK]", end="[/THINK]", before_end="", after_end="")
"""Tags of one special token each."""
CHUNKS = 1000
"""From here on a token is any text that a test needs as one token."""


class ByteVocabulary:
    """A token for each byte, and special ones; a test may add tokens of several bytes."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def chunk(self, data: bytes) -> int:
        """Return a token for these bytes."""
        if len(data) == 1:
            return data[0]
        if data not in self.chunks:
            self.chunks.append(data)
        return CHUNKS + self.chunks.index(data)

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text."""
        found: list[int] = []
        while text:
            name = next((name for name in SPECIAL if parse_special and text.startswith(name)), "")
            found += [SPECIAL[name]] if name else list(text[0].encode())
            text = text[len(name) or 1 :]
        return found

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token."""
        if token >= CHUNKS:
            return self.chunks[token - CHUNKS]
        return bytes([token]) if token < 256 else b""

    def special_tokens(self) -> Mapping[str, int]:
        """Return the special tokens by their texts."""
        return SPECIAL


class Read:
    """What a reader made of tokens."""

    def __init__(
        self,
        form: ThinkingForm = PLAIN,
        *,
        prompt: str = "",
        max_tokens: int = 10_000,
        budget: int | None = None,
        is_constrained: bool = False,
        calls: Literal["none", "auto", "required"] = "none",
    ) -> None:
        self.vocabulary = ByteVocabulary()
        self.tags = ThinkingTags(form, self.vocabulary)
        thinking = Thinking(tags=self.tags, budget_tokens=budget, is_constrained=is_constrained, calls=calls)
        tokens = tuple(self.vocabulary.tokenize(prompt, parse_special=True))
        self.reader = ThinkingReader(thinking, prompt=tokens, max_tokens=max_tokens)
        self.reasoning = b""
        self.answer = b""
        self.taken = 0

    def tokens(self, text: str) -> "Read":
        """Read the tokens of a text, special ones included."""
        return self.push(self.vocabulary.tokenize(text, parse_special=True))

    def split(self, parts: Iterable[bytes]) -> "Read":
        """Read a token for each part."""
        return self.push([self.vocabulary.chunk(part) for part in parts if part])

    def push(self, tokens: Iterable[int]) -> "Read":
        """Read tokens, and those that they force."""
        for token in tokens:
            self._take(token)
            while forced := self.reader.forced():
                for each in forced:
                    self._take(each)
        return self

    def finish(self) -> "Read":
        """End the answer."""
        piece = self.reader.finish()
        self.reasoning += piece.reasoning
        self.answer += b"".join(data for _, data in piece.answer)
        return self

    def _take(self, token: int) -> None:
        piece = self.reader.push(token, self.vocabulary.piece(token))
        self.taken += 1
        self.reasoning += piece.reasoning
        self.answer += b"".join(data for _, data in piece.answer)
