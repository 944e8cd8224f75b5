"""Converts messages to prompt tokens, with the model's own template and vocabulary.

A caller's text never becomes a control token: a message that contains one ("<|im_end|>") would end its turn
and could forge a system turn. Wherever a text of the caller spells one (in a message, a tool, a call), a
number takes its place while the template is rendered, and it is tokenized as plain text.
"""

import itertools
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from gateway.engine.calls.calling import ToolCalling
from gateway.engine.template.chat_template import (
    DEFAULT_OPTIONS,
    ChatTemplate,
    RenderOptions,
    TemplateBroken,
)
from gateway.engine.template.turns import Turn
from gateway.engine.thinking.tags import ThinkingTags

_SECRET_DIGITS = 40
_NUMBER_DIGITS = 8
_MAX_NUMBERS = 10**_NUMBER_DIGITS


class Vocabulary(Protocol):
    """The vocabulary of a model; safe to call from any thread."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special`, texts of control tokens become control
        tokens."""
        ...

    def begin(self, tokens: list[int]) -> list[int]:
        """Return the tokens with the BOS token in front, if the model needs it."""
        ...

    def control_texts(self) -> tuple[str, ...]:
        """Return the texts of control tokens."""
        ...


class PromptMaker:
    """Makes the prompts of one model; used by the server outside its event loop."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        template: ChatTemplate,
        tags: ThinkingTags | None = None,
        calling: ToolCalling | None = None,
    ) -> None:
        """`tags` are those of a model that thinks; `calling` is how one that calls tools does."""
        self.tags = tags
        self.calling = calling
        self._vocabulary = vocabulary
        self._template = template
        controls = vocabulary.control_texts()
        self._control = any_of(controls)
        self._begins = any_of(text[:1] for text in controls)

    @property
    def efforts(self) -> tuple[str, ...]:
        """The efforts that the template takes."""
        return self._template.facts.efforts

    def tokens(
        self,
        turns: Sequence[Turn],
        options: RenderOptions = DEFAULT_OPTIONS,
        *,
        continue_final_message: bool = False,
    ) -> tuple[int, ...]:
        """Return the prompt's tokens; raises TemplateBroken.

        With `continue_final_message` the last message follows the start of the answer as plain text, so that
        the model continues it."""
        if self.calling is not None:
            turns, options = self.calling.turns(turns, options)
        final = [turns[-1].text] if continue_final_message else []
        rendered = self._rendered(turns[: len(turns) - len(final)], options)
        tokens: list[int] = []
        for text, is_plain in self._runs(rendered):
            tokens += self._vocabulary.tokenize(text, parse_special=not is_plain)
        for text in final:
            tokens += () if self.tags is None else self.tags.before_answer(tokens)
            tokens += self._vocabulary.tokenize(text, parse_special=False)
        return tuple(self._vocabulary.begin(tokens))

    def _rendered(self, turns: Sequence[Turn], options: RenderOptions) -> list[str]:
        """Return the prompt in pieces: at odd indexes what callers wrote that spells a control token."""
        fitted = self._template.fit(turns, options)
        quotes = _Quotes(self._control, self._begins)
        pieces = quotes.split(self._template.render(fitted, options, quotes.protect))
        if not (self._template.may_join and quotes.has_begun):
            return pieces
        # The template may take out what parts a control token in a message: "<|im_/thinkend|>".
        strict = _Quotes(self._begins, self._begins)
        strict_pieces = strict.split(self._template.render(fitted, options, strict.protect))
        return pieces if self._controls(pieces) == self._controls(strict_pieces) else strict_pieces

    def _controls(self, pieces: Sequence[str]) -> list[str]:
        """Return the control tokens of a prompt that no caller wrote."""
        return [found for piece in pieces[::2] for found in self._control.findall(piece)]

    def _runs(self, pieces: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Yield the prompt as (text, whether it is plain); a plain text is whole up to a control token."""
        plain = ""
        for index, piece in enumerate(pieces):
            if index % 2:
                plain += piece
                continue
            first, last = 0, len(piece)
            if len(pieces) > 1:
                found = list(self._control.finditer(piece))
                first = found[0].start() if found else last
                last = found[-1].end() if found else last
            if index == 0:
                first = 0
            if index == len(pieces) - 1:
                last = len(piece)
            plain += piece[:first]
            if first < last:
                if plain:
                    yield plain, True
                yield piece[first:last], False
                plain = ""
            plain += piece[last:]
        if plain:
            yield plain, True


class _Quotes:
    """The control tokens in the callers' texts of one prompt; a number replaces each.

    It has digits only: no filter of a template changes them.
    """

    def __init__(self, control: re.Pattern[str], begins: re.Pattern[str]) -> None:
        """`control` finds what to replace, `begins` with what a control token may begin."""
        self._control = control
        self._begins = begins
        self._secret = "".join(secrets.choice("0123456789") for _ in range(_SECRET_DIGITS))
        self._quoted: list[str] = []
        self._known: dict[str, tuple[str, range]] = {}
        self._required: set[int] = set()
        self.has_begun = False
        """Whether any text has a character with which a control token begins."""

    def protect(self, text: str, is_required: bool) -> str:
        """Return a text in which numbers replace control tokens; the same for an equal text."""
        if text not in self._known:
            first = len(self._quoted)
            self._known[text] = self._control.sub(self._number, text), range(first, len(self._quoted))
            self.has_begun = self.has_begun or self._begins.search(text) is not None
        found, numbers = self._known[text]
        if is_required:
            self._required.update(numbers)
        return found

    def _number(self, match: re.Match[str]) -> str:
        self._quoted.append(match[0])
        return f"{self._secret}{len(self._quoted) - 1:0{_NUMBER_DIGITS}}"

    def split(self, prompt: str) -> list[str]:
        """Return a prompt in pieces, with control tokens of callers at odd indexes; raises TemplateBroken."""
        pieces = re.split(f"{self._secret}([0-9]{{{_NUMBER_DIGITS}}})", prompt)
        numbers = [int(number) for number in pieces[1::2]]
        is_whole = self._required <= set(numbers) and len(self._quoted) < _MAX_NUMBERS
        if not is_whole or any(self._secret in text for text in pieces[::2]):
            raise TemplateBroken("changes a message that contains a control token")
        pieces[1::2] = [self._quoted[number] for number in numbers]
        return pieces


def any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of the texts, as a prefix tree: there may be thousands."""
    known = {text for text in texts if text}
    return re.compile(_alternatives(known) if known else r"(?!)")


def _alternatives(texts: set[str]) -> str:
    first, last = min(texts), max(texts)
    common = first[: next((at for at, letter in enumerate(first) if letter != last[at]), len(first))]
    rest = {text[len(common) :] for text in texts}
    if "" in rest:  # The shortest text finds all that begin with it.
        return re.escape(common)
    groups = itertools.groupby(sorted(rest), key=lambda text: text[0])
    return f"{re.escape(common)}(?:{'|'.join(_alternatives(set(group)) for _, group in groups)})"
