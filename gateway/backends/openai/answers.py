"""Reading a provider's answer, whole or in pieces: lenient where there is more, strict where something lacks.

A field that is odd but takes nothing from the answer is passed over; one that may hold a part of it and
cannot be read is refused. Nothing here waits, or knows a connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.events import parse_json
from gateway.backends.http.finish import FAILED, ending_of
from gateway.backends.http.reading import FINISH_ABSENT, FINISH_UNKNOWN, USAGE_IMPOSSIBLE, ErrorEvent, Note
from gateway.backends.http.refusal_body import is_error
from gateway.backends.openai.answer_parts import PLAIN_FORM, AnswerForm, AnswerParts, merged
from gateway.backends.openai.text import spoken
from gateway.backends.openai.thoughts import without_thoughts
from gateway.backends.openai.usage import has_usage, larger, read_usage
from gateway.domain.answer import SIGN_OF_LIFE, Chunk, FinishReason, Reply, Usage
from gateway.domain.assembly import assembled


def read_reply(raw: bytes, bounds: AnswerBounds, note: Note, form: AnswerForm = PLAIN_FORM) -> Reply:
    """Return an answer that came in one piece; raises UnreadableAnswer.

    Its end is that of the JSON, so a finish reason that does not say why is no cut.
    """
    body = _object(parse_json(raw))
    choice = _choice(body)
    if choice is None:
        raise UnreadableAnswer("choices has no choice")
    finish_reason = _finish_reason(choice, note, form)
    message = choice.get("message") or _of_text(choice) or None
    if not message and finish_reason in (FinishReason.CONTENT_FILTER, FinishReason.LENGTH):
        message = {}  # Nothing was left to show.
    if not isinstance(message, dict):
        raise UnreadableAnswer("message is not an object")
    parts = AnswerParts(bounds, form, is_whole=True)
    first = parts.add_message(message, spoken(message), choice.get("logprobs"))
    if finish_reason is None:
        if not first.text and not first.tool_calls:
            raise UnreadableAnswer("finish_reason is absent, and so is the text")
        note(FINISH_ABSENT)
    last = parts.end(finish_reason or FinishReason.STOP)
    usage = read_usage(body, choice, bounds=bounds, fewest_tokens=parts.fewest_tokens)
    if usage is None and has_usage(body, choice):
        note(USAGE_IMPOSSIBLE)
    return replace(assembled((first, last)).reply(), usage=usage)


@dataclass(slots=True)
class FinishHabit:
    """What the streams of a provider have shown of its finish reasons; all of a model share it."""

    repeats: bool = False
    """Whether one went on after a finish reason."""


class StreamReader:
    """Puts a streamed answer together: feed it every event, then ask for the last chunk.

    A finish reason is noted, not obeyed: what comes after it belongs to the answer, until DONE, token
    counts of their own behind it, or the end of the stream.
    """

    def __init__(
        self,
        bounds: AnswerBounds,
        note: Note,
        form: AnswerForm = PLAIN_FORM,
        habit: FinishHabit | None = None,
    ) -> None:
        self.habit = habit or FinishHabit()
        self.is_done = False
        """Whether DONE came: nothing that follows is text."""
        self.has_counts_of_their_own = False
        """Whether the finish reason was followed by an event of token counts and no choice."""
        self.pieces = 0
        """Events that belonged to the answer so far, or showed that the model is at work."""
        self._bounds = bounds
        self._note = note
        self._form = form
        self._parts = AnswerParts(bounds, form)
        self._others: list[Mapping[str, object]] = []
        """Choices of another index, for as long as none of index 0 came: some providers count from 1."""
        self._has_own = False
        self._said: list[str] = []
        """Pieces of text, for a provider that repeats the whole at its end."""
        self._finish_reason: FinishReason | None = None
        self._came_with_first = False
        self._usage: Usage | None = None
        self._was_counted = False
        """Whether token counts came at all."""

    @property
    def has_output(self) -> bool:
        """Whether anything of the answer was given out."""
        return self._parts.has_output

    @property
    def is_over(self) -> bool:
        """Whether the provider said that the answer has ended."""
        return self.is_done or self.has_counts_of_their_own

    @property
    def may_be_over(self) -> bool:
        """Whether nothing more is to be expected but token counts, so that silence is an end.

        Not with a provider that repeats the finish reason, and not before anything was said: such a one
        may have put it into its first event.
        """
        is_finished = self._finish_reason is not None and self._parts.has_spoken
        return self.is_over or (is_finished and not self.habit.repeats and not self._came_with_first)

    def feed(self, event: object) -> Chunk:
        """Return what one event gives, perhaps nothing; raises UnreadableAnswer."""
        if event is None:
            self.is_done = True
            return SIGN_OF_LIFE
        try:
            body = _object(event)
            choice = _choice(body)
        except UnreadableAnswer:
            if self.is_done:
                return SIGN_OF_LIFE
            raise
        chunk = SIGN_OF_LIFE
        if choice is None:
            self.pieces += has_usage(body, None)
        elif not self.is_done:
            # Whatever comes before the first word is a sign of life.
            self.pieces += not self._parts.has_spoken
            if self._is_wanted(choice):
                chunk = self._take(choice)
        self._take_usage(body, choice)
        return chunk

    def last_chunk(self, *, is_framed: bool = True) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended.

        Unless `is_framed`, only the closing of the connection was an end. A cut looks the same, so that it
        proves nothing where a finish reason does not.
        """
        late = [self._take(choice) for choice in self._others]
        if self._finish_reason is None:
            raise UnreadableAnswer("the stream ended without a finish_reason")
        if not is_framed and not self.may_be_over:
            raise UnreadableAnswer("the connection closed before the stream had ended")
        last = self._parts.end(self._finish_reason)
        if self._usage is None and self._was_counted:
            self._note(USAGE_IMPOSSIBLE)
        return replace(merged([*late, last]), usage=self._usage)

    def _is_wanted(self, choice: Mapping[str, object]) -> bool:
        is_first = _index(choice) == 0
        if is_first:
            self._others, self._has_own = [], True
        elif not self._has_own:
            self._others.append(choice)
        return is_first

    def _take(self, choice: Mapping[str, object]) -> Chunk:
        delta = self._delta(choice)
        said = spoken(delta)
        had_spoken, had_text = self._parts.has_spoken, self._parts.has_text
        if said.has_spoken:
            self.has_counts_of_their_own = False
            self._usage = None
            self.habit.repeats = self.habit.repeats or self._finish_reason is not None
        finish_reason = _finish_reason(choice, self._note, self._form)
        if had_spoken:  # From then on an event that brings nothing is a ping.
            is_first_end = finish_reason is not None and self._finish_reason is None
            self.pieces += said.has_spoken or is_first_end
        if finish_reason is not None:
            is_first = (said.has_spoken and not had_spoken) or (bool(said.text) and not had_text)
            self._came_with_first = self._came_with_first or is_first
            # A bare `stop` at the end says less than a reason that was given since the last text.
            if finish_reason is not FinishReason.STOP or self._finish_reason is None or said.has_spoken:
                self._finish_reason = finish_reason
        if said.text:
            self._said.append(said.text)
        return self._parts.add_message(delta, said, choice.get("logprobs"))

    def _delta(self, choice: Mapping[str, object]) -> Mapping[str, object]:
        """Return what a choice adds. Some give the whole message, perhaps once more at the end."""
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise UnreadableAnswer("delta is not an object")
        message = choice.get("message")
        if delta or not message:
            return delta or _of_text(choice)
        if not isinstance(message, dict):
            raise UnreadableAnswer("message is not an object")
        text = spoken(message).text if self._said else ""
        if text and text != "".join(self._said):
            raise UnreadableAnswer("message is not what the deltas said")
        if self._said or len(self._parts.calls):
            return {}
        # Thoughts that came piece by piece are not told again.
        return without_thoughts(message) if self._parts.has_thought else message

    def _take_usage(self, body: Mapping[str, object], choice: Mapping[str, object] | None) -> None:
        """Note token counts that come with a finish reason or behind it; sooner they are not final."""
        self._was_counted = self._was_counted or has_usage(body, choice)
        if self._finish_reason is None:
            return
        usage = read_usage(body, choice, bounds=self._bounds, fewest_tokens=self._parts.fewest_tokens)
        self._usage = larger(usage, self._usage)
        self.has_counts_of_their_own = self.has_counts_of_their_own or (choice is None and usage is not None)


def _object(body: object) -> Mapping[str, object]:
    """Return an answer or event that is no error; a list of one stands for it, as in errors of Gemini."""
    if is_error(body):
        raise ErrorEvent(body)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        raise UnreadableAnswer("it is not a JSON object")
    return body


def _choice(body: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the choice of an answer whose index is the lowest, None where there is none.

    Only one was asked for, so whatever another one says is not the answer.
    """
    choices = body.get("choices") or []
    if not isinstance(choices, list):
        raise UnreadableAnswer("choices is not a list")
    for choice in choices:
        if choice is not None and not isinstance(choice, dict):
            raise UnreadableAnswer("a choice is not an object")
    found = choices[0] if len(choices) == 1 else min(filter(None, choices), key=_index, default=None)
    if found is not None and found.get("error"):
        raise ErrorEvent(found["error"])
    return found


def _of_text(choice: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a choice says that is written as one of a completion without chat."""
    return {"text": choice.get("text")} if choice.get("text") else {}


def _index(choice: Mapping[str, object]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _finish_reason(choice: Mapping[str, object], note: Note, form: AnswerForm) -> FinishReason | None:
    """Return why the answer ended, None if it goes on; raises ErrorEvent for a word of failure."""
    delta = choice.get("delta")
    word = choice.get("finish_reason") or (isinstance(delta, dict) and delta.get("finish_reason"))
    if not word:
        return None
    if not isinstance(word, str):
        raise UnreadableAnswer("finish_reason is not a string")
    ending = form.finish_words.get(word.lower()) or ending_of(word)
    if ending is None or isinstance(ending, FinishReason):
        return ending
    if ending == FAILED:
        raise ErrorEvent({"type": "finish_reason"})
    note(FINISH_UNKNOWN)
    return FinishReason.STOP
