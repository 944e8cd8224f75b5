"""The headers that carry credentials, as they are at the time of a call: from variables, files or a program.

Nothing made here holds a value, and what a program writes to its error output is not read.
"""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.errors import BackendCredentials, StartupError
from gateway.policy.provider_access import FromEnv, FromFile, ProviderModel

COMMAND_LIMIT_S: Final = 30.0
"""How long a program may take to print a token."""
TOKEN_BYTES: Final = 64 * 1024
"""Of what a program prints, or a file holds."""
TOKEN_LIFE_S: Final = 300.0
"""How long a token is used that does not say when it expires."""
LEEWAY_S: Final = 60.0
"""How long before its end a token is replaced: the call still has to reach the provider."""


class Secret(Protocol):
    """A value that a header carries."""

    async def value(self) -> str:
        """Return the value now; raises BackendCredentials."""
        ...

    def forget(self) -> None:
        """Take it anew the next time, because the provider refused it."""
        ...


class FixedSecret:
    """A value that stays."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def value(self) -> str:
        """Return the value."""
        return self._value

    def forget(self) -> None:
        """Keep it: there is no other."""


class FileSecret:
    """What a file holds, read again when the file is another one."""

    def __init__(self, model: str, key: str, path: str) -> None:
        self._model = model
        self._key = key
        self._path = Path(path).expanduser()
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    async def value(self) -> str:
        """Return what the file holds now; raises BackendCredentials."""
        try:
            return await asyncio.to_thread(self.read)
        except (OSError, ValueError) as error:
            raise BackendCredentials(self._model, f"{self._key}: {_why(error)}") from None

    def read(self) -> str:
        """Return what the file holds; raises OSError, and ValueError for what no header can carry."""
        state = self._path.stat()
        seen = (state.st_mtime_ns, state.st_size, state.st_ino)
        if seen != self._seen:
            with self._path.open("rb") as file:
                self._value = sendable(file.read(TOKEN_BYTES).decode())
            self._seen = seen
        return self._value

    def forget(self) -> None:
        """Read the file again, be it changed or not."""
        self._seen = None


class CommandSecret:
    """What a program prints, kept until it expires; calls at the same time wait for one run."""

    def __init__(self, model: str, command: tuple[str, ...], clock: Clock) -> None:
        self._model = model
        self._command = command
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until_s = 0.0

    async def value(self) -> str:
        """Return a token; raises BackendCredentials where the program prints none."""
        async with self._lock:
            now_s = self._clock.unix_s()
            if not self._token or now_s >= self._until_s:
                self._token, life_s = token_of(await self._printed(), now_s)
                self._until_s = now_s + max(life_s - min(LEEWAY_S, life_s / 2), 0.0)
            return self._token

    def forget(self) -> None:
        """Run the program again the next time."""
        self._token = ""

    async def _printed(self) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            raise BackendCredentials(self._model, f"token_command: {_why(error)}") from None
        try:
            async with asyncio.timeout(COMMAND_LIMIT_S):
                assert process.stdout is not None
                printed = await process.stdout.read(TOKEN_BYTES)
                status = await process.wait()
        except TimeoutError:
            detail = f"token_command: printed no token in {COMMAND_LIMIT_S:g} s"
            raise BackendCredentials(self._model, detail) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if status != 0:
            raise BackendCredentials(self._model, f"token_command: ended with status {status}")
        try:
            sendable(token_of(printed, 0.0)[0])
        except ValueError as error:
            raise BackendCredentials(self._model, f"token_command: {_why(error)}") from None
        return printed


class Credentials:
    """The headers of one model that a policy adds; raises StartupError for what is not there."""

    def __init__(self, name: str, spec: ProviderModel, api_key: str | None, clock: Clock) -> None:
        self._plain: dict[str, str] = {}
        self._secrets: dict[str, Secret] = {}
        self._prefix = spec.auth.prefix
        self._key_header = spec.auth.header
        for header, value in spec.headers.items():
            match value:
                case FromEnv():
                    self._plain[header] = _variable(name, header, value.env)
                case FromFile():
                    self._secrets[header] = _file(name, f"headers.{header}", value.file)
                case str():
                    self._plain[header] = value
        self._key: Secret | None = None
        if api_key is not None:
            self._key = FixedSecret(api_key)
        elif spec.api_key_file is not None:
            self._key = _file(name, "api_key_file", spec.api_key_file)
        elif spec.token_command:
            self._key = CommandSecret(name, spec.token_command, clock)

    async def headers(self) -> Mapping[str, str]:
        """Return the headers of a call; raises BackendCredentials."""
        headers = dict(self._plain)
        for header, secret in self._secrets.items():
            headers[header] = await secret.value()
        if self._key is not None:
            headers[self._key_header] = self._prefix + await self._key.value()
        return headers

    def forget(self) -> None:
        """Take all of them anew, because the provider refused one."""
        for secret in (*self._secrets.values(), *([self._key] if self._key else [])):
            secret.forget()


def token_of(printed: bytes, now_s: float) -> tuple[str, float]:
    """Return the token that a program printed, and for how many seconds it holds; raises ValueError."""
    text = printed.decode().strip()
    if not text.startswith("{"):
        token, life_s = text, None
    else:
        fields = json.loads(text)
        token = next((t for name in _TOKENS if isinstance(t := fields.get(name), str) and t), "")
        life_s = _life_s(fields, now_s)
    if not token:
        raise ValueError("printed no token")
    if life_s is None and token.count(".") == 2:
        life_s = _life_s(_claims(token), now_s)
    return token, TOKEN_LIFE_S if life_s is None else life_s


_TOKENS = ("access_token", "accessToken", "token", "id_token")
_ENDS = ("expires_on", "expires_at", "exp", "expiry", "expiration")
"""When a token expires, in seconds since 1970."""


def _life_s(fields: Mapping[str, object], now_s: float) -> float | None:
    for name in ("expires_in", "expiresIn"):
        if (life_s := _number(fields.get(name))) is not None:
            return max(life_s, 0.0)
    ends = (_number(fields.get(name)) for name in _ENDS)
    return next((max(end_s - now_s, 0.0) for end_s in ends if end_s is not None), None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _claims(token: str) -> Mapping[str, object]:
    """Return what a token of JWT's form says of itself; nothing where it has another form."""
    claims = token.split(".")[1]
    try:
        read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def sendable(text: str) -> str:
    """Return a value without the blanks around it; raises ValueError for what no header can carry."""
    value = text.strip()
    if not value or not (value.isascii() and value.isprintable()):
        raise ValueError("holds nothing, or a line end or another unfit character")
    return value


def _variable(name: str, header: str, variable: str) -> str:
    try:
        return sendable(os.environ.get(variable, ""))
    except ValueError:
        detail = f"the variable {variable} is not set, or holds what no header can carry"
        raise StartupError(f"{name}: headers.{header}: {detail}") from None


def _file(name: str, key: str, path: str) -> FileSecret:
    secret = FileSecret(name, key, path)
    try:
        secret.read()
    except (OSError, ValueError) as error:
        raise StartupError(f"{name}: {key}: {_why(error)}") from None
    return secret


def _why(error: Exception) -> str:
    """Return what is wrong, without a value: of errors of the system their own words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "holds neither a token nor JSON with one"
    return str(error)
