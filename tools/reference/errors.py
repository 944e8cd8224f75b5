"""docs/reference/errors.md: every reason with its statuses, and every error with what follows from it."""

from collections.abc import Iterator
from typing import TypeVar

from gateway import errors
from gateway.client.hints import HINTS
from gateway.dispatch.failure_summary import code_of
from gateway.domain.decision import Decision, Reason, Scores
from gateway.domain.privacy import PrivacyClass
from gateway.server.http.chat.error_body import error_of
from gateway.server.http.http_error import HttpError, http_error_of
from gateway.server.http.messages.error_types import type_of
from reference.tables import page, paragraph, table

Kind = TypeVar("Kind", bound=errors.GatewayError)

_SUMMED_UP = {Reason.CLEARANCE, Reason.ALL_FAILED, Reason.DEADLINE, Reason.CONTENT_FILTERED}
"""Reasons of `NotDegraded` that are a filter's, the sum of several, or a matter of the policy."""


def text() -> str:
    """Return the page."""
    return page(
        "# Errors",
        "## Reasons",
        paragraph(
            "Each value of `gateway.v1.Reason`, with the gRPC statuses that carry it as "
            "`ErrorInfo.reason`. The same words are in `degraded.reason` of a canned reply, where another "
            "try waits for `degraded.retry_after_s`, and in `refused` and `attempts`, where they only "
            "explain. How a client reads them: [Write a client](../guides/write-a-client.md#errors)."
        ),
        reasons_table(),
        "## Over HTTP",
        paragraph(
            "What carries each reason to a caller over HTTP: the status, `code`, and `type` as clients of "
            "OpenAI and of Anthropic read it. `overloaded_error` says that another try may help; where none "
            "does, the type of a 503 is `api_error`. How a client reads them: [Ask over HTTP]"
            "(../guides/http.md#errors)."
        ),
        http_table(),
        "## Errors that end a request",
        "What the gateway itself refuses.",
        table(
            ("error", "status", "reason", "meaning"),
            ((f"`{k.__name__}`", k.code, k.reason, _meaning(k)) for k in _enders()),
        ),
        "## Errors of one attempt",
        paragraph(
            "What one attempt at one model may end with, and what the gateway does about it. How the "
            "columns are meant: [Dispatch](../explanations/dispatch.md#what-an-error-means)."
        ),
        attempts_table(),
    )


def reasons_table() -> str:
    """Return a row for each reason: the statuses that carry it to a caller, and what that one does."""
    return table(
        ("reason", "status", "what the caller does"),
        (
            (f"`{reason}`", ", ".join(sorted(_statuses(reason))) or "none: in `attempts`", HINTS[reason])
            for reason in Reason
        ),
    )


def http_table() -> str:
    """Return a row for each error with a status, code or type of its own over HTTP, by status."""
    rows = [(str(reason), _shown(_of_reason(reason))) for reason in errors.HTTP_STATUS]
    rows += [
        (f"{error.reason} ({what})", _shown(error))
        for what, error in (
            ("an unknown model", errors.UnknownModel()),
            ("what is not there", errors.Unsupported("", "")),
            ("too many bytes", errors.RequestTooLarge(0)),
        )
    ]
    rows.sort(key=lambda row: row[1].status)
    return table(
        ("reason", "status", "code", "OpenAI's type", "Anthropic's type"),
        (
            (
                f"`{name.partition(' ')[0]}`" + name.removeprefix(name.partition(" ")[0]),
                str(shown.status),
                f"`{shown.code}`",
                f"`{error_of(shown)['error']['type']}`",
                f"`{type_of(shown)}`",
            )
            for name, shown in rows
        ),
    )


def _of_reason(reason: Reason) -> errors.GatewayError:
    """Return an error with a reason, after which another try may help."""
    error = errors.GatewayError("")
    error.reason, error.code = reason, "UNAVAILABLE"
    return error


def _shown(error: errors.GatewayError) -> HttpError:
    return http_error_of(error, request_id="", place=str)


def attempts_table() -> str:
    """Return a row for each error of an attempt: what retry, chain, breaker and ledger do about it."""
    return table(
        ("error", "reason", "retry", "next model", "breaker", "charge", "meaning"),
        (_attempt_row(kind) for kind in _tree(errors.AttemptError) if kind not in _ABSTRACT),
    )


_ABSTRACT = {errors.AttemptError, errors.NotTried, errors.BackendError}


def _attempt_row(kind: type[errors.AttemptError]) -> tuple[str, ...]:
    told = ("not called", "not called")
    if issubclass(kind, errors.BackendError):
        told = (kind.breaker.value.replace("_", " "), kind.charge.value)
    return (
        f"`{kind.__name__}`",
        kind.reason,
        "yes" if kind.retryable else "no",
        "yes" if kind.fallback else "**stop**",
        *told,
        _meaning(kind),
    )


def _meaning(kind: type[Exception]) -> str:
    return (kind.__doc__ or "").partition("\n\n")[0].strip()


def _enders() -> Iterator[type[errors.GatewayError]]:
    """Yield the errors that end a request before a model is tried, or after all were."""
    for kind in errors.GatewayError.__subclasses__():
        if kind not in (errors.AttemptError, errors.NotDegraded) and kind.__module__ == errors.__name__:
            yield kind


def _statuses(reason: Reason) -> set[str]:
    """Return the statuses with which a reason reaches a caller that declined a canned reply."""
    kinds = [kind for kind in _tree(errors.GatewayError) if kind.reason is reason]
    statuses = {kind.code for kind in kinds if _ends_a_request(kind)}
    if reason in _SUMMED_UP or any(_is_summed_up(kind) for kind in kinds):
        statuses |= {code_of(reason, _decision(chain)) for chain in ((), ("model",))}
    return statuses


def _tree(kind: type[Kind]) -> Iterator[type[Kind]]:
    """Yield an error and those below it, in the order of gateway/errors.py."""
    if kind.__module__ == errors.__name__:  # Tests derive errors of their own.
        yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _ends_a_request(kind: type[errors.GatewayError]) -> bool:
    """Whether the error itself reaches a caller."""
    if issubclass(kind, errors.AttemptError):
        return not kind.fallback or kind is errors.StreamTruncated
    return kind is not errors.NotDegraded


def _is_summed_up(kind: type[errors.GatewayError]) -> bool:
    """Whether `NotDegraded` takes its reason from errors of this kind."""
    return issubclass(kind, errors.AttemptError) and kind.fallback and kind.reason is not Reason.INTERNAL


def _decision(chain: tuple[str, ...]) -> Decision:
    return Decision(
        scores=Scores(complexity=0.0, privacy=0.0, budget=0.0),
        privacy_class=PrivacyClass.PUBLIC,
        privacy_reason="",
        findings=(),
        rule="",
        rule_errors=(),
        chain=chain,
        refused=(),
        policy_hash="",
    )
