"""How a model writes what it thinks: the tags around it, found in what its chat template renders.

A template that shows reasoning of the history is rendered with test texts, and the tags are what is
around them. Most templates leave such reasoning out; their tags are found in their source, by a table of the
forms that templates use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol

QUESTION, THOUGHT, ANSWER = "question 000001 here", "thought 000002 here", "answer 000003 here"
"""Test texts, which no template contains."""
_TAG = re.compile(r"(?:<[^<>\s]*>|\[[^\[\]\s]*\])\s*$")
_TAG_START = re.compile(r"[<\[]")
_OPEN_TAG = re.compile(r"(?:<[^<>\s]*|\[[^\[\]\s]*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingForm:
    """The tags of a model, without white space around them."""

    start: str
    """Begins reasoning, in the prompt or in the answer."""
    end: str
    """Ends reasoning."""
    header: str = ""
    """Begins one more message of the same turn, as in Harmony's `<|start|>assistant`; mostly empty."""
    answer: str = ""
    """Begins the answer proper, as in Harmony's `<|channel|>final<|message|>`; mostly empty."""
    answer_end: str = ""
    """Ends the answer, beside the token that ends the turn, as in `</response>`; mostly empty."""
    before_end: str = "\n"
    """White space before `end`."""
    after_end: str = "\n\n"
    """White space after `end`."""


KNOWN_FORMS = (
    ThinkingForm(start="<think>", end="</think>"),
    ThinkingForm(start="<seed:think>", end="</seed:think>"),
    ThinkingForm(start="<mm:think>", end="</mm:think>"),
    ThinkingForm(start="[THINK]", end="[/THINK]", before_end="", after_end=""),
    ThinkingForm(start="<|START_THINKING|>", end="<|END_THINKING|>", before_end="", after_end=""),
    ThinkingForm(start="<|channel>thought", end="<channel|>", after_end=""),
    ThinkingForm(start="<|inner_prefix|>", end="<|inner_suffix|>", before_end="", after_end=""),
    ThinkingForm(start="<reasoning>", end="</reasoning>"),
    ThinkingForm(start="<thought>", end="</thought>"),
    ThinkingForm(start="Here are my reasoning steps:", end="[BEGIN FINAL RESPONSE]"),
    ThinkingForm(start="Here is my thought process:", end="Here is my response:"),
    ThinkingForm(start="<thinking>", end="</thinking>"),
)
"""Forms of templates that do not render them for a message of the history; none is tied to a model's name."""
_ANSWER_TAGS = (("<response>", "</response>"), ("<|START_RESPONSE|>", "<|END_RESPONSE|>"))
"""Tags around an answer after reasoning, for templates of the table."""
_ANSWER_ENDS = {"[BEGIN FINAL RESPONSE]": "[END FINAL RESPONSE]"}
"""What ends an answer, by what ends the reasoning."""


class Renderer(Protocol):
    """Renders test conversations by a chat template."""

    def __call__(
        self, answer: str, *, reasoning: str = "", is_last: bool = True, thinking: bool | None = None
    ) -> str | None:
        """Return the prompt of a question with this answer; None if the template refuses it.

        An empty answer: the prompt that asks for it, with thinking on, off, or as it is by default. Else no
        answer is asked for where `is_last`, and a second question follows where not.
        """
        ...


def thinking_form(source: str, render: Renderer) -> ThinkingForm | None:
    """Return how a model thinks by its template's source and renderings; None: it does not."""
    return _rendered_form(render) or _known_form(source)


def _known_form(source: str) -> ThinkingForm | None:
    """Return the first form of the table whose end tag is in the source; the start may be missing."""
    for form in KNOWN_FORMS:
        if form.end not in source:
            continue
        begin, end = next(
            ((begin, end) for begin, end in _ANSWER_TAGS if begin in source and end in source), ("", "")
        )
        return replace(form, answer=begin, answer_end=end or _ANSWER_ENDS.get(form.end, ""))
    return None


def _rendered_form(render: Renderer) -> ThinkingForm | None:
    """Return the tags around reasoning in the history; None if the template does not show it."""
    shown = render(ANSWER, reasoning=THOUGHT)
    if shown is None or THOUGHT not in shown or ANSWER not in shown.partition(THOUGHT)[2]:
        return None
    before = _after_question(shown.partition(THOUGHT)[0])
    between = shown.partition(THOUGHT)[2].partition(ANSWER)[0]
    prompts = _prompts(render)
    opened = prompts[0][len(before) :].strip() if prompts and prompts[0].startswith(before) else ""
    if opened and between.strip() not in opened:  # The prompt opens what the history leaves out.
        start, header = opened, before
    else:
        start, header = _start(before, [*prompts, *_answers(render)])
    if not start or not between.strip():
        return None
    answer = _answer_start(header, start, between.strip(), render)
    answer = answer if between.strip().endswith(answer) else ""
    end, message = _end(between.strip(), answer, header)
    if not end:
        return None
    return ThinkingForm(
        start=start,
        end=end,
        header=message,
        answer=answer,
        answer_end=_ANSWER_ENDS.get(end, ""),
        before_end=between[: len(between) - len(between.lstrip())],
        after_end="" if answer else between[len(between.rstrip()) :],
    )


def _after_question(prompt: str) -> str:
    return prompt.rpartition(QUESTION)[2]


def _prompts(render: Renderer) -> list[str]:
    """Return what asks for an answer after the question, as by default, with thinking off and on."""
    found = (render("", thinking=thinking) for thinking in (None, False, True))
    return [_after_question(prompt) for prompt in found if prompt is not None]


def _answers(render: Renderer) -> Iterator[str]:
    """Yield what is before an answer without reasoning, in the history and as the last message."""
    for is_last in (False, True):
        prompt = render(ANSWER, is_last=is_last)
        if prompt is not None and ANSWER in prompt:
            yield prompt.partition(QUESTION)[2].partition(ANSWER)[0]


def _start(before: str, others: list[str]) -> tuple[str, str]:
    """Return the start tag at the end of `before`, and what is before it: the header of the message."""
    whole = [other for other in others if before.startswith(other)]
    for other in [*whole, *others]:
        header = before if other == before else _common(before, other)
        if start := before[len(header) :].strip():
            return start, header
    found = _TAG.search(before)
    return (found.group().strip(), before[: found.start()]) if found else ("", before)


def _common(one: str, other: str) -> str:
    """Return what both begin with, without a part of a tag."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    common = one[: sum(1 for _ in pairs)]
    return common if common in (one, other) else _OPEN_TAG.sub("", common)


def _answer_start(header: str, start: str, between: str, render: Renderer) -> str:
    """Return what begins an answer without reasoning after the header; empty if it is an empty block."""
    for before in _answers(render):
        if before.startswith(header):
            found = before[len(header) :].strip()
            return "" if start in found or found == between else found
    return ""


def _end(between: str, answer: str, header: str) -> tuple[str, str]:
    """Return the end tag, and what begins one more message, of what is between reasoning and answer."""
    end = between.removesuffix(answer).strip()
    for tag in _TAG_START.finditer(header):
        message = header[tag.start() :].strip()
        if answer and end != message and end.endswith(message):
            return end.removesuffix(message).strip(), message
    return end, ""
