"""The turns of a conversation, and the forms in which a chat template may accept them; all keep every
text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class TurnCall:
    """A call of a tool by the model."""

    id: str = field(repr=False)
    name: str = field(repr=False)
    arguments: str = field(repr=False)
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: str
    """"system", "user", "assistant" or "tool"."""
    text: str = field(default="", repr=False)
    calls: tuple[TurnCall, ...] = ()
    """What the assistant calls."""
    call_id: str = field(default="", repr=False)
    """With the role "tool": the call that this is the result of."""
    tool_name: str = field(default="", repr=False)
    """With the role "tool": the name of the tool."""
    reasoning: str = field(default="", repr=False)
    """What the assistant thought before it answered."""


@dataclass(frozen=True, slots=True)
class TurnTool:
    """A tool that is offered to the model."""

    name: str = field(repr=False)
    description: str = field(repr=False)
    parameters: Mapping[str, object] = field(repr=False)
    """A JSON schema of its arguments."""


def order_of(turns: Sequence[Turn]) -> str:
    """Return the kinds of the turns as text: what decides whether a template takes them.

    A turn is the first letter of its role. An assistant that calls is "c", or "b" with a text beside,
    followed by the number of calls; "r" follows a turn with reasoning.
    """
    return "".join(map(_kind, turns))


def _kind(turn: Turn) -> str:
    thinks = "r" if turn.reasoning else ""
    if not turn.calls:
        return turn.role[0] + thinks
    return f"{'b' if turn.text else 'c'}{len(turn.calls)}{thinks}"


@dataclass(frozen=True, slots=True)
class Form:
    """How turns are changed for a template that refuses the original ones."""

    system: Literal["kept", "first", "none"] = "kept"
    """Which system turns are kept; the others become user turns. "first": those at the start."""
    is_merged: bool = False
    """Whether consecutive turns of one role are merged."""
    is_padded: bool = False
    """Whether empty turns are put where user and assistant would not alternate: before an assistant that
    would be first or follow an assistant, and between a tool's result and a user."""
    is_split: bool = False
    """Whether the text beside a call becomes a turn of its own, before it."""
    calls: Literal["kept", "single", "written"] = "kept"
    """Whether parallel calls are kept. "single": each is a turn, followed by its result. "written": they
    become text."""
    is_result_written: bool = False
    """Whether the result of a call becomes a turn of the user."""

    def apply(self, turns: Sequence[Turn]) -> list[Turn]:
        """Return the turns in this form."""
        found: list[Turn] = []
        for turn in self._tool_turns(turns):
            if turn.role == "system" and not self._stays_system(found):
                turn = replace(turn, role="user")
            before = next((each for each in reversed(found) if each.role != "system"), None)
            if self.is_merged and _may_merge(found, turn):
                found[-1] = _merged(found[-1], turn)
                continue
            if self.is_padded and (pad := _pad(before, turn)):
                found.append(pad)
            found.append(turn)
        return found

    def _stays_system(self, found: Sequence[Turn]) -> bool:
        if self.system == "first":
            return all(turn.role == "system" for turn in found)
        return self.system == "kept"

    def _tool_turns(self, turns: Sequence[Turn]) -> Iterator[Turn]:
        """Yield the turns with calls and results in this form."""
        if self.calls == "single":
            turns = list(_one_by_one(turns))
        for turn in turns:
            if turn.role == "tool" and self.is_result_written:
                yield Turn("user", f"Result of the tool {turn.tool_name}:\n{turn.text}")
            elif turn.calls and self.calls == "written":
                yield _written(turn)
            elif self.is_split and turn.calls and turn.text:
                yield Turn(turn.role, turn.text)
                yield replace(turn, text="")
            else:
                yield turn


def _may_merge(found: Sequence[Turn], turn: Turn) -> bool:
    if not found or found[-1].role != turn.role or turn.role == "tool":
        return False
    return not (found[-1].calls or turn.calls)


def _merged(first: Turn, second: Turn) -> Turn:
    reasoning = _BETWEEN.join(each for each in (first.reasoning, second.reasoning) if each)
    return replace(first, text=first.text + _BETWEEN + second.text, reasoning=reasoning)


def _pad(before: Turn | None, turn: Turn) -> Turn | None:
    """Return the empty turn that belongs between two turns, if any."""
    if turn.role == "assistant" and (before is None or (before.role == "assistant" and not before.calls)):
        return Turn("user")
    if turn.role == "user" and before is not None and (before.role == "tool" or before.calls):
        return Turn("assistant", " ")  # Some templates refuse an answer without any text.
    return None


def _one_by_one(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Yield each of several calls as a turn of its own, followed by its result."""
    at = 0
    while at < len(turns):
        turn = turns[at]
        at += 1
        if len(turn.calls) < 2:
            yield turn
            continue
        results: list[Turn] = []
        while at < len(turns) and turns[at].role == "tool":
            results.append(turns[at])
            at += 1
        for number, call in enumerate(turn.calls):
            yield replace(turn, calls=(call,)) if number == 0 else Turn(turn.role, calls=(call,))
            yield from (result for result in results if result.call_id == call.id)
        known = {call.id for call in turn.calls}
        yield from (result for result in results if result.call_id not in known)


def _written(turn: Turn) -> Turn:
    """Return a turn with its calls as text."""
    lines = [f"Call of the tool {call.name}: {call.arguments}" for call in turn.calls]
    text = _BETWEEN.join(each for each in (turn.text, "\n".join(lines)) if each)
    return replace(turn, text=text, calls=())


FORMS = (
    Form(),
    Form(is_merged=True),
    Form(system="first", is_merged=True),
    Form(system="none", is_merged=True),
    Form(system="first", is_merged=True, is_padded=True),
    Form(system="none", is_merged=True, is_padded=True),
)
"""For conversations without calls, from the unchanged one to the most changed one."""
_SINGLE_FORMS = tuple(replace(form, calls="single") for form in FORMS)
CALL_FORMS = tuple(
    replace(form, is_split=is_split)
    for forms, is_split in product((FORMS, _SINGLE_FORMS), (False, True))
    for form in forms
)
"""For conversations with calls, likewise."""
WRITTEN_CALL_FORMS = tuple(replace(form, calls="written") for form in FORMS)
"""For conversations with calls, if the template has a form for results only."""
WRITTEN_FORMS = tuple(replace(form, is_result_written=True) for form in WRITTEN_CALL_FORMS)
"""For conversations with calls, if the template has no form for them."""
