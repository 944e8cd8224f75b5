"""What the caller of a stream was sent so far, whether it is still valid, and how the next model goes on."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gateway.dispatch.layer import Target
from gateway.domain.answer import Chunk, Delta, ReasoningDelta, Restart, StreamEvent
from gateway.domain.assembly import Assembly
from gateway.domain.decision import Decision, Reason
from gateway.domain.privacy import PrivacyAssessment
from gateway.domain.request import Request
from gateway.routing import continuation_request, permit_continuation

PrivacyCheck = Callable[[Request], Awaitable[PrivacyAssessment]]
"""Says how private a request is; one that has no answer says restricted."""


@dataclass(slots=True)
class SentText:
    """Text goes out as deltas of one attempt; a restart voids it, and the next attempt begins anew."""

    attempt: int = 0
    tokens: int = 0
    """At least how many the text has: one for each piece of the model's."""
    parts: list[str] = field(default_factory=list)
    """Pieces of text."""
    has_begun: bool = False
    """Whether anything of the attempt that speaks was sent, be it reasoning."""
    is_committed: bool = False
    """Whether a call of a tool was sent: the caller may act on it, so no other model may begin anew."""
    void_reason: Reason | None = None
    """Why what was sent is void, until somebody else begins or goes on."""

    @property
    def text(self) -> str:
        """The text of the attempt that speaks."""
        return "".join(self.parts)

    def deltas(self, chunk: Chunk, text: str, *, model: str) -> Iterator[Delta]:
        """Yield a piece of a model as the caller is sent it, with `text` in place of its own."""
        logprobs = chunk.logprobs
        for thought in chunk.reasoning:
            yield Delta(reasoning=thought, attempt=self.attempt, model=model)
        if text:
            self.parts.append(text)
            self.tokens += chunk.pieces
            yield Delta(text=text, attempt=self.attempt, model=model, logprobs=logprobs)
            logprobs = ()
        for call in chunk.tool_calls:
            self.is_committed = True
            yield Delta(tool_call=call, attempt=self.attempt, model=model, logprobs=logprobs)
            logprobs = ()
        if logprobs:  # Of tokens that have no text, such as the mark that closes a call.
            yield Delta(text="", attempt=self.attempt, model=model, logprobs=logprobs)
        self.has_begun = self.has_begun or bool(text) or chunk.has_output

    def cut(self, reason: Reason) -> None:
        """Note that a model failed; what was said is void, for the reason of the first that did."""
        if self.has_begun and self.void_reason is None:
            self.void_reason = reason

    def go_on(self) -> None:
        """Let what was sent stand after all."""
        self.void_reason = None

    def restart(self, model: str) -> Restart | None:
        """Return what has to be said before `model` (empty: the canned reply) begins; None if nothing."""
        if self.void_reason is None:
            return None
        restart = Restart(model=model, reason=self.void_reason)
        self.attempt += 1
        self.parts.clear()
        self.tokens = 0
        self.has_begun = False
        self.void_reason = None
        return restart


class StreamSplicer:
    """Joins the pieces of one model's turn to what was sent before it.

    A turn that goes on adds to it. A whole answer may `fit`: as long as it says what was sent, word for word,
    it is held back, and what it says beyond follows; where it differs, the caller is told to begin anew.
    """

    def __init__(self, sent: SentText, target: Target, *, may_fit: bool) -> None:
        self._told = sent
        self._target = target
        self._hides_reasoning = target.request.config.reasoning.hide
        self.answer = Assembly()
        """What the target said; with what was sent before, where it goes on from that."""
        if target.continue_final_message:
            self.answer.add(Chunk(text=sent.text))
        self._sent = sent.text if may_fit and sent.void_reason is not None else ""
        self._matched = 0
        """How many characters of `_sent` the answer has said."""

    def take(self, chunk: Chunk) -> Iterator[StreamEvent]:
        """Yield what the caller is told of a piece."""
        if self._hides_reasoning and chunk.reasoning:
            chunk = replace(chunk, reasoning=_without_text(chunk.reasoning))
        self.answer.add(chunk)
        text = chunk.text
        if self._target.continue_final_message:
            self._told.go_on()
        elif self._sent:
            fitted = self._fit(chunk)
            if fitted is None:
                return
            chunk, text = fitted
        if restart := self._told.restart(self._target.model):
            yield restart
        if self._target.is_streamed:
            yield from self._told.deltas(chunk, text, model=self._target.model)

    def _fit(self, chunk: Chunk) -> tuple[Chunk, str] | None:
        """Return what may be said now, and its text; None: nothing yet.

        What it thinks while it repeats what was sent is not told: the caller has the first model's thoughts.
        """
        left = len(self._sent) - self._matched
        if self._sent.startswith(chunk.text[:left], self._matched) and (
            len(chunk.text) >= left or not chunk.tool_calls
        ):
            self._matched += min(left, len(chunk.text))
            if self._matched == len(self._sent):
                self._told.go_on()
                self._sent = ""
                return replace(chunk, reasoning=()), chunk.text[left:]
            if chunk.finish_reason is None:
                return None
        self._sent = ""
        return replace(chunk, reasoning=self.answer.thoughts), self.answer.text


def _without_text(thoughts: Sequence[ReasoningDelta]) -> tuple[ReasoningDelta, ...]:
    """Return what a model needs back of thoughts that the caller does not want to see."""
    return tuple(ReasoningDelta(opaque=each.opaque) for each in thoughts if each.opaque)


async def continuation(
    target: Target, sent: SentText, *, decision: Decision, privacy_check: PrivacyCheck
) -> Target | None:
    """Return the turn in which the model goes on from what was sent; None where it cannot or may not.

    A grammar would begin anew in the middle of a JSON text, so that is asked for whole. Each piece that was
    sent is taken for a token of `max_tokens`.
    """
    left_tokens = target.max_tokens - sent.tokens
    request = target.request
    config = request.config
    has_form = config.json_object or config.json_schema is not None or config.grammar is not None
    if not target.spec.prefill or left_tokens < 1 or has_form or not sent.parts:
        return None
    begun = continuation_request(request, text=sent.text, max_tokens=left_tokens)
    leave = permit_continuation(
        begun, model=target.model, privacy=await privacy_check(begun), decision=decision, policy=target.policy
    )
    if leave is None:
        return None
    return replace(target, request=leave.request, permit=leave.permit, continue_final_message=True)
