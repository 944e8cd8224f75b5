"""A call over HTTP that has begun: its request, and how the pipeline takes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.dispatch.failure_summary import code_of
from gateway.domain.answer import Answer
from gateway.domain.request import Request
from gateway.errors import InvalidRequest, NotDegraded
from gateway.pipeline.context import CallContext, IncomingRequest
from gateway.pipeline.run import Pipeline
from gateway.pipeline.steps import Steps
from gateway.server.access import Caller
from gateway.server.calls import OpenCall
from gateway.server.http.dialect import Body, HttpDialect, Served
from gateway.server.http.reply import HttpReply
from gateway.server.http.request_headers import (
    hints_of,
    labels_of,
    session_id_of,
)
from gateway.server.validation.request import checking_steps

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A call that has begun: its request as bytes and as JSON, and the pipeline that serves it."""

    call: OpenCall
    headers: Caller
    query: Mapping[str, str]
    """Of the URL."""
    body: Body
    size: int
    """Bytes of the body."""
    context: CallContext
    pipeline: Pipeline
    reply: HttpReply
    served: Served

    def incoming(self, dialect: HttpDialect) -> IncomingRequest:
        """Return a request that is checked when it is admitted."""
        return IncomingRequest(
            prompt_tokens=math.ceil(self.size / BYTES_PER_TOKEN),
            parse=lambda: self._steps(dialect),
        )

    def _steps(self, dialect: HttpDialect) -> Steps[Request]:
        """Take what the body says, which writes its schemas out as texts, then check it.

        Raises InvalidRequest with the dialect's name of the field.
        """
        yield _schema_chars(self.body)
        request = dialect.parse(self.body, self._base(), self.pipeline.policy.http)
        try:
            return (yield from checking_steps(request))
        except InvalidRequest as error:
            place = dialect.place(error.field, self.body)
            raise InvalidRequest(place, error.description) from None

    def _base(self) -> Request:
        """Return what the headers say of a request."""
        headers, context = self.headers.headers, self.context
        hints = hints_of(headers, allow_degraded=self.pipeline.policy.http.allow_degraded)
        if self.pipeline.policy.handoff is not None:
            # A person is asked in place of models also where the canned reply itself is held back.
            hints = replace(hints, allow_degraded=True)
        return Request(
            request_id=context.request_id,
            tenant=context.tenant,
            messages=(),
            hints=hints,
            labels=labels_of(headers),
            languages=context.languages,
            session_id=session_id_of(headers),
        )

    def refuse_canned(self, answer: Answer) -> None:
        """Raise NotDegraded for a canned reply that the caller does not take."""
        degraded = answer.degraded
        if degraded is None:
            return
        allowed = hints_of(self.headers.headers, allow_degraded=self.pipeline.policy.http.allow_degraded)
        if allowed.allow_degraded:
            return
        raise NotDegraded(
            f"no model may or can answer ({degraded.reason})",
            reason=degraded.reason,
            code=code_of(degraded.reason, answer.decision),
            attempts=answer.attempts,
            retry_after_s=degraded.retry_after_s,
            degraded=degraded,
        )


def _schema_chars(body: Body) -> int:
    """Return about how many characters the JSON schemas of a request have."""
    return sum(_length(body.get(name)) for name in ("tools", "response_format", "text", "output_config"))


def _length(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(len(key) + 4 + _length(each) for key, each in value.items())
        case list():
            return sum(2 + _length(each) for each in value)
    return 4
