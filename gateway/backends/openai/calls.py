"""Calls of tools put together from what providers send, which neither index nor id separates reliably.

A piece with a name, and an id or index that the open call does not have, begins a call. Calls go out one
after the other: of a later one nothing is told until the earlier is whole.
"""

import secrets
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.backends.http.bounds import UnreadableAnswer, check_bound
from gateway.backends.openai.call_pieces import CallPiece, PartialCall
from gateway.backends.openai.json_prefix import may_become_object
from gateway.domain.answer import ToolCallDelta

ID_CHARACTERS: Final = 24
"""Of an id that we make, behind `call_`."""
LONGEST_ID_BYTES: Final = 256
"""What we take back from callers."""
MOST_ENTRIES: Final = 1024
"""Of one message or delta; models call some tens of tools together, and each entry takes time to read."""
_ALPHABET = string.ascii_letters + string.digits
_COUNTED: Final = 5
"""An id of at most so many digits is a number within one answer, which comes again in the next one."""


def new_call_id() -> str:
    """Return an id for a call that has none of its own."""
    return "call_" + "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))


@dataclass(frozen=True, slots=True)
class CallsEnd:
    """How the calls of an answer ended."""

    pieces: tuple[ToolCallDelta, ...]
    is_cut: bool
    """Whether the arguments of one stop in the middle."""
    is_wrong: bool
    """Whether those of one are no JSON object, however they would go on."""


class CallReader:
    """Feed it every piece, ask for what can be told, and end it.

    `names` are those of the tools that were offered, `used_ids` those of the conversation. Unless
    `infers_ends`, the provider says which call is whole, by `close`.
    """

    def __init__(
        self, *, names: frozenset[str] = frozenset(), used_ids: Iterable[str] = (), infers_ends: bool = True
    ) -> None:
        self._names = names
        self._used = set(used_ids)
        self._infers_ends = infers_ends
        self._calls: list[PartialCall] = []
        self._told = 0
        """How many calls were told to their end."""
        self._last: PartialCall | None = None
        """The one that the latest piece belongs to."""
        self._ids_ahead: dict[int | None, str] = {}
        """Ids that came before the name of their call, by index."""

    def __len__(self) -> int:
        return len(self._calls)

    def take(self, piece: CallPiece, *, is_whole: bool = False) -> None:
        """Take a piece; raises UnreadableAnswer for one that belongs to no call. `is_whole`: a whole call."""
        call = None if is_whole else self._call_of(piece)
        if call is None:
            if not piece.name:
                self._take_nameless(piece)
                return
            call = PartialCall(piece, self._ids_ahead.pop(piece.index, ""))
            self._calls.append(call)
        else:
            call.join(piece, self._names)
        call.add(piece)
        self._last = call

    def close(self, index: int) -> None:
        """Note that the call of an index has ended; one that is not whole is judged by the answer's end."""
        if (call := self._by_index(index)) and call.is_whole:
            call.is_closed = True

    def text_of(self, index: int) -> str | None:
        """Return the arguments or input of the call of an index so far; None where none began."""
        call = self._by_index(index)
        return None if call is None else call.arguments

    def index_of(self, provider_id: str) -> int | None:
        """Return the index of the call with the provider's id; None where none has it."""
        call = self._by_id(provider_id) if provider_id else None
        return None if call is None else call.index

    def told(self, *, settles: bool = False) -> tuple[ToolCallDelta, ...]:
        """Return what can be told now; `settles`: something else follows, so that names are whole."""
        return tuple(self._pieces(settles=settles))

    def end(self, *, is_cut: bool) -> CallsEnd:
        """Return what is left; `is_cut`: the answer was, so that a call without arguments may lack them."""
        invalid = []
        for call in self._calls:
            call.is_closed = True
            has_none = is_cut and call is self._calls[-1] and not call.arguments.strip()
            if not call.is_custom and (has_none or not call.is_whole):
                call.is_invalid = True
                invalid.append(call)
        return CallsEnd(
            pieces=self.told(),
            is_cut=any(may_become_object(call.arguments) for call in invalid),
            is_wrong=any(not may_become_object(call.arguments) for call in invalid),
        )

    def _pieces(self, *, settles: bool) -> Iterator[ToolCallDelta]:
        while self._told < len(self._calls):
            call = self._calls[self._told]
            is_last = call is self._calls[-1]
            if self._infers_ends and not is_last and call.is_whole:
                call.is_closed = True
            if piece := call.tell(self._told, self._new_id, is_settled=settles or not is_last):
                yield piece
            if not call.is_closed:
                return
            self._told += 1

    def _call_of(self, piece: CallPiece) -> PartialCall | None:
        """Return the call that a piece goes on with; None: it begins one, or is of none."""
        if not piece.name:
            named = self._by_id(piece.id) if piece.id else None
            by_index = None if piece.index is None else self._by_index(piece.index)
            return named or by_index or self._last
        if piece.index is None:
            call = self._by_id(piece.id) if piece.id else self._last
            # Without id and index, a name begins a call, unless it is the rest of one.
            if call is None or piece.id:
                return call
            return call if call.name not in self._names and call.name + piece.name in self._names else None
        call = self._by_index(piece.index)
        if call is None or (piece.id and call.provider_id and piece.id != call.provider_id):
            return None
        if piece.id or not call.has_arguments:
            return call
        is_other = piece.name != call.name or (
            piece.arguments.lstrip().startswith("{") and not piece.arguments.startswith(call.arguments)
        )
        return None if is_other and call.is_whole else call

    def _take_nameless(self, piece: CallPiece) -> None:
        if piece.arguments.strip() or piece.input:
            raise UnreadableAnswer("arguments came before the name of their call")
        if piece.id:
            self._ids_ahead[piece.index] = piece.id

    def _by_id(self, provider_id: str) -> PartialCall | None:
        return next((call for call in reversed(self._calls) if call.provider_id == provider_id), None)

    def _by_index(self, index: int) -> PartialCall | None:
        return next((call for call in reversed(self._calls) if call.index == index), None)

    def _new_id(self, provider_id: str) -> str:
        """Return the provider's id of a call, or one of ours where that is none, or not the call's alone."""
        is_number = provider_id.isdecimal() and len(provider_id) <= _COUNTED
        is_own = 0 < len(provider_id.encode(errors="replace")) <= LONGEST_ID_BYTES and not is_number
        call_id = provider_id if is_own and provider_id not in self._used else new_call_id()
        self._used.add(call_id)
        return call_id


def entries_of(message: Mapping[str, object]) -> list[CallPiece]:
    """Return the pieces of calls in a message or delta of a chat completion; raises UnreadableAnswer."""
    entries = message.get("tool_calls")
    if not entries:
        legacy = message.get("function_call")
        entries = [{"function": legacy}] if isinstance(legacy, dict) and legacy else []
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list):
        raise UnreadableAnswer("tool_calls is not a list")
    check_bound(len(entries), MOST_ENTRIES, "the number of calls of tools")
    return [CallPiece.of(entry) for entry in entries if entry is not None]
