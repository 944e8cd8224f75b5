"""How a provider is reached: headers, query, keys and what else a policy adds to each call."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, JsonValue, WithJsonSchema

from gateway.policy.hosted import HostedModel
from gateway.policy.source import path_in
from gateway.policy.strict import Strict

Variable = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
AnyJson = Annotated[JsonValue, WithJsonSchema({})]
FinishWord = Literal["stop", "stop_sequence", "length", "content_filter", "tool_calls", "failed"]

CREDENTIAL: Final = re.compile(
    r"authorization|key|token|cookie|secret|password|passwd|credential|signature|\bsig\b", re.IGNORECASE
)
"""In the names of headers and parameters that carry credentials, which a policy never holds."""
OWN_HEADERS: Final = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "accept",
    "te", "upgrade", "expect", "traceparent",
})  # fmt: skip
"""Headers that the gateway or HTTP itself sets."""
OWN_PARAMETERS: Final = frozenset({
    "model", "messages", "input", "instructions", "stream", "stream_options", "n", "max_tokens",
    "max_completion_tokens", "max_output_tokens", "tools", "tool_choice", "functions", "function_call",
    "stop", "response_format", "text", "store", "include", "background", "conversation",
    "previous_response_id", "system", "stop_sequences",
})  # fmt: skip
"""Parameters that hold the request, bound its cost or say how it is answered."""


class FromEnv(Strict):
    """A value that an environment variable holds."""

    env: Variable = Field(description="The variable that holds the value.")


class FromFile(Strict):
    """A value that a file holds."""

    file: str = Field(
        min_length=1,
        description="The file that holds the value, relative to the policy; read again when it changes.",
    )


HeaderValue = str | FromEnv | FromFile


class Auth(Strict):
    """The header that carries the key."""

    header: HeaderName = Field("Authorization", description="The name of the header.")
    prefix: Annotated[str, Field(max_length=64, pattern=r"^[ -~]*$")] = Field(
        "Bearer ", description='What precedes the key; "" for none.'
    )


def header_problems(headers: Mapping[str, HeaderValue], auth_header: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the headers of a model."""
    seen: set[str] = set()
    for name, value in headers.items():
        key, small = f"headers.{name}", name.lower()
        if small in seen:
            yield key, "appears twice, in other letters"
        seen.add(small)
        if small in OWN_HEADERS:
            yield key, "is set by the gateway"
        elif small == auth_header.lower():
            yield key, "is the header of the key; write api_key_env, api_key_file or token_command"
        elif isinstance(value, str) and CREDENTIAL.search(name):
            yield key, "carries a credential, which a policy never holds; write {env: NAME} or {file: PATH}"
        elif isinstance(value, str) and not (value.isascii() and value.isprintable() and value.strip()):
            yield key, "must be printable ASCII"


def query_problems(query: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the parameters of the URL."""
    for name in query:
        if CREDENTIAL.search(name):
            yield f"query.{name}", "carries a credential, which a policy never holds; write it as a header"


def body_problems(extra_body: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the parameters that are added to the body."""
    for name in extra_body:
        if name in OWN_PARAMETERS:
            yield f"extra_body.{name}", "is a parameter that the gateway sets"


class ProviderModel(HostedModel):
    """A model at a provider: the keys that say how it is reached."""

    neutral_keys: ClassVar[frozenset[str]] = HostedModel.neutral_keys | {
        "api_key_env", "api_key_file", "auth", "finish_reasons",
    }  # fmt: skip
    compared_keys: ClassVar[frozenset[str]] = HostedModel.compared_keys | {"token_command"}
    remedies: ClassVar[Mapping[str, str]] = {}
    """By parameter of the API, what an operator may do where the model refuses it."""

    api_key_env: Variable | None = Field(
        None,
        description="The environment variable that holds the key; a policy never holds the key itself. "
        "Default: no key is sent.",
    )
    api_key_file: str | None = Field(
        None,
        min_length=1,
        description="The file that holds the key, relative to the policy; read again when it changes.",
    )
    token_command: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = Field(
        (),
        max_length=64,
        strict=False,
        description="A program with its arguments that prints a token, plain or as JSON with access_token "
        "and expires_in; no shell is involved. It runs when a call needs a token and none is left that "
        "has not expired.",
    )
    auth: Auth = Field(
        Auth(), description="The header that carries the key. Default: Authorization, with Bearer."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        {},
        description="Headers that are added to each call; those that carry credentials take {env: NAME} or "
        "{file: PATH}.",
    )
    query: dict[Annotated[str, Field(min_length=1, max_length=128)], str] = Field(
        {}, description="Parameters that are added to the URL of each call, for example api-version."
    )
    extra_body: dict[Annotated[str, Field(min_length=1, max_length=128)], AnyJson] = Field(
        {},
        description="Parameters that are added to the body of each call; what the caller sets goes before.",
    )
    finish_reasons: dict[Annotated[str, Field(min_length=1, max_length=100)], FinishWord] = Field(
        {},
        description="What words of this provider for the end of an answer mean; failed: it was not finished.",
    )

    def __hash__(self) -> int:
        return hash((type(self), self.identity, self.clearance))

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds its API key."""
        return self.api_key_env

    @property
    def variables(self) -> Mapping[tuple[str, ...], str]:
        """The environment variables that must be set to call it, by the path of the key that names each."""
        found = dict(super().variables)
        for name, value in self.headers.items():
            if isinstance(value, FromEnv):
                found["headers", name] = value.env
        return found

    def looser_than(self, old: Self) -> Iterator[tuple[str, str]]:
        """Yield each key of its kind that is looser than in `old`, and how."""
        if self.token_command and self.token_command != old.token_command:
            yield "token_command", "changed: the gateway runs another program"
        yield from super().looser_than(old)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        yield from super().problems()
        sources = [key for key in ("api_key_env", "api_key_file", "token_command") if getattr(self, key)]
        if len(sources) > 1:
            yield sources[1], f"must not be set together with {sources[0]}"
        if not sources and self.auth != type(self).model_fields["auth"].default:
            yield "auth", "needs api_key_env, api_key_file or token_command"
        yield from header_problems(self.headers, self.auth.header)
        yield from query_problems(self.query)
        yield from body_problems(self.extra_body)

    def in_folder(self, folder: Path) -> Self:
        """Return the spec with absolute paths; a relative one is relative to the policy's folder."""
        changed: dict[str, object] = {}
        if self.api_key_file is not None:
            changed["api_key_file"] = path_in(folder, self.api_key_file)
        if any(isinstance(value, FromFile) for value in self.headers.values()):
            changed["headers"] = {
                name: FromFile(file=path_in(folder, value.file)) if isinstance(value, FromFile) else value
                for name, value in self.headers.items()
            }
        return self.model_copy(update=changed) if changed else self
