"""A model behind an API that speaks OpenAI's chat completions or responses.

Where bytes go, and which, is said by the policy alone: the environment has no effect, redirects are not
followed, and the provider is told nothing about this machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.backends.http.backend import AnswerReader, HttpBackend, HttpExchange
from gateway.backends.http.bounds import AnswerBounds
from gateway.backends.http.client import check_header
from gateway.backends.http.finish import finish_words
from gateway.backends.http.reading import Note
from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.answers import FinishHabit, StreamReader, read_reply
from gateway.backends.openai.chat_request import chat_body
from gateway.backends.openai.embeddings import PATH, embeddings_exchange
from gateway.backends.openai.responses_answers import ResponsesReader, read_response
from gateway.backends.openai.responses_request import responses_body
from gateway.clock import Clock
from gateway.domain.answer import Reply
from gateway.domain.decision import EgressPermit
from gateway.policy.model import OpenAIModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API of a provider: where it is, how a request to it is written, and how its answers are read."""

    path: str
    body: Callable[..., dict[str, object]]
    read: Callable[[bytes, AnswerBounds, Note, AnswerForm], Reply]
    reader: Callable[[AnswerBounds, Note, AnswerForm, FinishHabit], AnswerReader]


APIS: Mapping[str, Api] = {
    "chat": Api(path="/chat/completions", body=chat_body, read=read_reply, reader=StreamReader),
    "responses": Api(
        path="/responses",
        body=responses_body,
        read=read_response,
        reader=lambda bounds, note, form, _: ResponsesReader(bounds, note, form),  # It ends an answer once.
    ),
}


class CloudBackend(HttpBackend):
    """A model behind an API of OpenAI's form. `api_key` None sends no key.

    Raises StartupError for a URL, key or header that cannot be sent.
    """

    def __init__(self, name: str, spec: OpenAIModel, *, api_key: str | None, clock: Clock) -> None:
        self._spec = spec
        self._api = APIS[spec.api]
        path = self._api.path if spec.embeds is None else PATH
        super().__init__(name, spec, path=path, headers=_headers(name, spec), api_key=api_key, clock=clock)
        self._finish_words = finish_words(spec.finish_reasons)
        self._finish_habit = FinishHabit()

    def _exchange(self, permit: EgressPermit, max_tokens: int, *, is_stream: bool) -> HttpExchange:
        if self._spec.embeds is not None:
            return embeddings_exchange(self._spec, self._spec.embeds, permit, self._note)
        form = AnswerForm.of(permit.request, self._finish_words)
        return HttpExchange(
            body=self._api.body(self.name, self._spec, permit, max_tokens, is_stream=is_stream),
            read=lambda raw, bounds: self._api.read(raw, bounds, self._note, form),
            reader=lambda bounds: self._api.reader(bounds, self._note, form, self._finish_habit),
        )


def _headers(name: str, spec: OpenAIModel) -> Mapping[str, str]:
    """Return the headers that OpenAI knows an organisation and a project by; raises StartupError."""
    values = {"organization": spec.organization, "project": spec.project}
    for key, value in values.items():
        check_header(name, key, value)
    return {f"openai-{key}": value for key, value in values.items() if value is not None}
