"""Reading a provider's answer, whole or in pieces: lenient where there is more, strict where something lacks.

A field that is odd but takes nothing from the answer is passed over; one that may hold a part of it and
cannot be read is refused. Nothing here waits, or knows a connection.
"""

from collections.abc import Callable, Mapping

from gateway.backends.openai.bounds import AnswerBounds, UnreadableAnswer, check_bound, fewest_tokens
from gateway.backends.openai.events import parse_json
from gateway.backends.openai.finish import FAILED, ending_of
from gateway.backends.openai.refusal_body import is_error
from gateway.backends.openai.text import TextJoiner, spoken
from gateway.backends.openai.usage import has_usage, larger, read_usage
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage

Note = Callable[[str], None]
"""Told in a fixed word what was odd about an answer that counts all the same."""
FINISH_UNKNOWN = "finish_reason_unknown"
FINISH_ABSENT = "finish_reason_absent"
USAGE_IMPOSSIBLE = "usage_impossible"


class ErrorEvent(UnreadableAnswer):
    """A stream that began with status 200 brought an error; `error` is what it said."""

    def __init__(self, error: object) -> None:
        super().__init__("an error event")
        self.error = error


def read_reply(raw: bytes, bounds: AnswerBounds, note: Note) -> Reply:
    """Return an answer that came in one piece; raises UnreadableAnswer.

    Its end is that of the JSON, so a finish reason that does not say why is no cut.
    """
    body = _object(parse_json(raw))
    choice = _choice(body)
    if choice is None:
        raise UnreadableAnswer("choices has no choice")
    finish_reason = _finish_reason(choice, note)
    message = choice.get("message") or _of_text(choice) or None
    if not message and finish_reason in (FinishReason.CONTENT_FILTER, FinishReason.LENGTH):
        message = {}  # Nothing was left to show.
    if not isinstance(message, dict):
        raise UnreadableAnswer("message is not an object")
    said = spoken(message)
    if finish_reason is None:
        if not said.text:
            raise UnreadableAnswer("finish_reason is absent, and so is the text")
        note(FINISH_ABSENT)
    check_bound(len(said.text), bounds.text_chars, "the text")
    joiner = TextJoiner()
    text = joiner.add(said.text) + joiner.end(is_cut=finish_reason is FinishReason.LENGTH)
    fewest = max(said.has_spoken, fewest_tokens(len(text), said.letters))
    usage = read_usage(body, choice, bounds=bounds, fewest_tokens=fewest)
    if usage is None and has_usage(body, choice):
        note(USAGE_IMPOSSIBLE)
    reason = FinishReason.CONTENT_FILTER if said.is_refusal else finish_reason or FinishReason.STOP
    return Reply(text=text, finish_reason=reason, usage=usage)


class StreamReader:
    """Puts a streamed answer together: feed it every event, then ask for the last chunk.

    A finish reason is noted, not obeyed: what comes after it belongs to the answer, until DONE, token
    counts of their own behind it, or the end of the stream.
    """

    def __init__(self, bounds: AnswerBounds, note: Note, *, repeats_finish: bool = False) -> None:
        self.has_text = False
        """Whether any text was given out."""
        self.repeats_finish = repeats_finish
        """Whether this provider was seen to go on after a finish reason."""
        self.is_done = False
        """Whether DONE came: nothing that follows is text."""
        self.has_counts_of_their_own = False
        """Whether the finish reason was followed by an event of token counts and no choice."""
        self.pieces = 0
        """Events that belonged to the answer so far, or showed that the model is at work."""
        self._bounds = bounds
        self._note = note
        self._others: list[Mapping[str, object]] = []
        """Choices of another index, for as long as none of index 0 came: some providers count from 1."""
        self._has_own = False
        self._text = TextJoiner()
        self._said: list[str] = []
        self._chars = 0
        self._letters = 0
        self._has_spoken = False
        self._finish_reason: FinishReason | None = None
        self._came_with_first = False
        self._is_refusal = False
        self._usage: Usage | None = None
        self._was_counted = False
        """Whether token counts came at all."""

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
        is_finished = self._finish_reason is not None and self._has_spoken
        return self.is_over or (is_finished and not self.repeats_finish and not self._came_with_first)

    def feed(self, event: object) -> str:
        """Return the text of one event, perhaps empty; raises UnreadableAnswer."""
        if event is None:
            self.is_done = True
            return ""
        try:
            body = _object(event)
            choice = _choice(body)
        except UnreadableAnswer:
            if self.is_done:
                return ""
            raise
        text = ""
        if choice is None:
            self.pieces += has_usage(body, None)
        elif not self.is_done:
            self.pieces += not self._has_spoken  # Whatever comes before the first word is a sign of life.
            if self._is_ours(choice):
                text = self._take(choice)
        self._take_usage(body, choice)
        return text

    def last_chunk(self, *, is_framed: bool = True) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended.

        Unless `is_framed`, only the closing of the connection was an end. A cut looks the same, so that it
        proves nothing where a finish reason does not.
        """
        late = "".join([self._take(choice) for choice in self._others])
        if self._finish_reason is None:
            raise UnreadableAnswer("the stream ended without a finish_reason")
        if not is_framed and not self.may_be_over:
            raise UnreadableAnswer("the connection closed before the stream had ended")
        finish_reason = FinishReason.CONTENT_FILTER if self._is_refusal else self._finish_reason
        if self._usage is None and self._was_counted:
            self._note(USAGE_IMPOSSIBLE)
        rest = self._text.end(is_cut=finish_reason is FinishReason.LENGTH)
        return Chunk(text=late + rest, finish_reason=finish_reason, usage=self._usage)

    def _is_ours(self, choice: Mapping[str, object]) -> bool:
        is_ours = _index(choice) == 0
        if is_ours:
            self._others, self._has_own = [], True
        elif not self._has_own:
            self._others.append(choice)
        return is_ours

    def _take(self, choice: Mapping[str, object]) -> str:
        said = spoken(self._delta(choice))
        if said.has_spoken:
            self.has_counts_of_their_own = False
            self._usage = None
            self.repeats_finish = self.repeats_finish or self._finish_reason is not None
        finish_reason = _finish_reason(choice, self._note)
        if self._has_spoken:  # From then on an event that brings nothing is a ping.
            is_first_end = finish_reason is not None and self._finish_reason is None
            self.pieces += said.has_spoken or is_first_end
        if finish_reason is not None:
            is_first = (said.has_spoken and not self._has_spoken) or (bool(said.text) and not self._said)
            self._came_with_first = self._came_with_first or is_first
            # A bare `stop` at the end says less than a reason that was given since the last text.
            if finish_reason is not FinishReason.STOP or self._finish_reason is None or said.has_spoken:
                self._finish_reason = finish_reason
        self._has_spoken = self._has_spoken or said.has_spoken
        self._letters += said.letters
        if not said.text:
            return ""
        self._chars += len(said.text)
        check_bound(self._chars, self._bounds.text_chars, "the text")
        self._is_refusal = self._is_refusal or said.is_refusal
        self._said.append(said.text)
        text = self._text.add(said.text)
        self.has_text = self.has_text or bool(text)
        return text

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
        if not self._said:
            return message
        text = spoken(message).text
        if text and text != "".join(self._said):
            raise UnreadableAnswer("message is not what the deltas said")
        return {}

    def _take_usage(self, body: Mapping[str, object], choice: Mapping[str, object] | None) -> None:
        """Note token counts that come with a finish reason or behind it; sooner they are not final."""
        self._was_counted = self._was_counted or has_usage(body, choice)
        if self._finish_reason is None:
            return
        fewest = max(self._has_spoken, fewest_tokens(self._chars, self._letters))
        usage = read_usage(body, choice, bounds=self._bounds, fewest_tokens=fewest)
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


def _finish_reason(choice: Mapping[str, object], note: Note) -> FinishReason | None:
    """Return why the answer ended, None if it goes on; raises ErrorEvent for a word of failure."""
    delta = choice.get("delta")
    places = (choice, delta) if isinstance(delta, dict) else (choice,)
    word = next((place["finish_reason"] for place in places if place.get("finish_reason")), None)
    if word is None:
        return None
    if not isinstance(word, str):
        raise UnreadableAnswer("finish_reason is not a string")
    ending = ending_of(word)
    if ending is None or isinstance(ending, FinishReason):
        return ending
    if ending == FAILED:
        raise ErrorEvent({"type": "finish_reason"})
    note(FINISH_UNKNOWN)
    return FinishReason.STOP
