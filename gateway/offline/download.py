"""Downloads a file with resume, progress and hash; the file appears only when it is complete."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from gateway.domain.files import sha256_of_file
from gateway.errors import WorkRefused
from gateway.offline.known_models import KNOWN

HUGGING_FACE = "https://huggingface.co"
_BLOCK_BYTES = 1 << 20
_SILENCE_S = 60.0
"""Seconds without data after which a download fails; the part so far is kept for a resume."""
_RANGE_NOT_SATISFIABLE = 416
"""Status of a resume when nothing is left to fetch."""

Report = Callable[[int, int | None], None]
"""Called with the number of bytes so far, and the total where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadSource:
    """Where a model file is, and its name."""

    url: str
    file_name: str
    sha256: str | None = None
    """The expected hash, where it is known."""


def source_of(text: str) -> DownloadSource:
    """Return the source for a short name, a URL, or `OWNER/REPO/FILE.gguf` of Hugging Face.

    Raises WorkRefused.
    """
    if (known := KNOWN.get(text)) is not None:
        return DownloadSource(
            url=f"{HUGGING_FACE}/{known.repository}/resolve/{known.revision}/{known.file}",
            file_name=known.file,
            sha256=known.sha256,
        )
    if text.startswith(("https://", "http://")):
        return DownloadSource(url=text, file_name=Path(urlsplit(text).path).name or "model.gguf")
    owner, _, rest = text.removeprefix("hf:").partition("/")
    repository, _, file = rest.partition("/")
    if not (owner and repository and file):
        raise WorkRefused(
            f"{text}: must be a URL or OWNER/REPO/FILE.gguf of Hugging Face, or one of {', '.join(KNOWN)}"
        )
    return DownloadSource(
        url=f"{HUGGING_FACE}/{owner}/{repository}/resolve/main/{file}", file_name=Path(file).name
    )


async def download(url: str, path: Path, *, sha256: str | None, report: Report) -> str:
    """Download `url` to `path`, resuming an earlier download, and return its SHA-256.

    Raises WorkRefused, in one line: no connection, an error of the server, or a hash that does not match.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        promised = await _fetch(url, part, have=_size(part), report=report)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WorkRefused(_no_connection(url, path, error)) from error
    found = await asyncio.to_thread(sha256_of_file, part)
    wanted = sha256 or promised
    if wanted is not None and found != wanted:
        part.unlink()
        raise WorkRefused(f"{url}: its sha256 is {found}, not {wanted}; nothing was kept")
    part.replace(path)
    return found


async def _fetch(url: str, part: Path, *, have: int, report: Report) -> str | None:
    """Append the missing bytes to `part`; return the hash that the server states, if it does."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
    # No compression, so that the range counts bytes of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.get(url, headers=headers) as answer,
    ):
        promised = _promised_hash(answer)
        if answer.status == _RANGE_NOT_SATISFIABLE and have:
            return promised
        if answer.status not in (200, 206):
            raise WorkRefused(f"{url}: the server answers {answer.status} {answer.reason}; check the name")
        if answer.status == 200:
            have = 0
        total = None if answer.content_length is None else have + answer.content_length
        with part.open("ab" if have else "wb") as file:
            async for block in answer.content.iter_chunked(_BLOCK_BYTES):
                file.write(block)
                have += len(block)
                report(have, total)
            file.flush()
            os.fsync(file.fileno())
        return promised


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _promised_hash(answer: aiohttp.ClientResponse) -> str | None:
    """Return the hash that Hugging Face states for a large file, in its response or before a redirect."""
    for each in (*answer.history, answer):
        tag = each.headers.get("X-Linked-ETag", "").strip('"')
        if len(tag) == 64:
            return tag
    return None


def _no_connection(url: str, path: Path, error: Exception) -> str:
    host = urlsplit(url).netloc
    return (
        f"{host}: no connection or a broken one ({type(error).__name__}); try again to resume, "
        f"or copy the file to {path} by other means"
    )
