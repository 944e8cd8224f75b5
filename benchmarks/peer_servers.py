"""Who is measured beside each other: this gateway, LiteLLM's proxy and Portkey's gateway, on loopback."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children
from pathlib import Path

from benchmarks.hot_path_layers import TEXT
from benchmarks.hot_path_provider import PAUSE_S, serving_provider
from benchmarks.hot_path_transports import ONE_BY_ONE, TOGETHER, UNARY
from benchmarks.peer_load import Opener, grpc_caller, http_caller
from tests.support import litellm_proxy
from tests.support.peer_packages import PORTKEY
from tests.support.peer_process import Started, answering
from tests.support.ports import free_address
from tests.support.repository import ROOT

HELD = "held"
"""A stream whose pieces come so slowly that it stays open."""
HELD_PAUSE_S = 6.0
PAUSES_S = {UNARY: 0.0, TOGETHER: 0.0, ONE_BY_ONE: PAUSE_S, HELD: HELD_PAUSE_S}
"""Of the provider, by the kind of call."""
MODELS = {UNARY: "whole", TOGETHER: "together", ONE_BY_ONE: "paced", HELD: "held"}
"""What each kind of call is asked of: the same provider, at a port of its own."""
STUB, GRPC, HTTP, PORTKEY_NAME, LITELLM = "provider alone", "ours, gRPC", "ours, HTTP", "Portkey", "LiteLLM"
POLICY = """
version: 1
models:
{models}
rules: [{{name: all, route: [{names}]}}]
budgets: [{{name: tenants, per: tenant, window: day, limit_usd: 1000000}}]
limits: {{concurrency: 4000}}
resilience: {{first_token_s: 60, deadline_s: {{default: 120, max: 120}}}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
MODEL = (
    '  {name}: {{kind: openai, model: m, base_url: "{url}", clearance: restricted,'
    " price_per_million_usd: {{input: 1, output: 1}}}}"
)
LITELLM_WORKER_S = "300"
"""A worker that does not answer for so long is started anew; its default is less than a slow start takes."""
CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Contestant:
    """A way to ask a server."""

    name: str
    server: Started
    opener: Callable[[str], Opener]
    """Opens connections for a kind of call."""


def http_request(kind: str, **headers: str) -> bytes:
    """Return the bytes of a call of a kind."""
    body = {
        "model": MODELS[kind],
        "messages": [{"role": "user", "content": TEXT}],
        "stream": kind != UNARY,
    }
    data = json.dumps(body).encode()
    named = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"POST {CHAT} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@contextmanager
def provider() -> Iterator[tuple[Contestant, Mapping[str, str]]]:
    """Run the provider that answers immediately; gives it and its base URLs, by kind of call."""
    with serving_provider(PAUSES_S) as urls:
        (process,) = active_children()
        assert process.pid is not None
        server = Started(process.pid, "", 0.0)

        def opener(kind: str) -> Opener:
            address = urls[kind].removeprefix("http://").removesuffix("/v1")
            return partial(http_caller, address, http_request(kind))

        yield Contestant(STUB, server, opener), urls


@contextmanager
def ours(
    folder: Path, urls: Mapping[str, str], *, workers: int = 1, more: str = ""
) -> Iterator[list[Contestant]]:
    """Run `gateway serve` with a budget in SQLite, records and metrics; gives it over gRPC and over HTTP.

    `more` are lines of the policy with further models.
    """
    models = [MODEL.format(name=MODELS[kind], url=url) for kind, url in urls.items()]
    policy = folder / "policy.yaml"
    names = ", ".join(MODELS.values())
    policy.write_text(POLICY.format(models="\n".join([*models, more]), names=names), encoding="utf-8")
    target, http = free_address(), free_address()
    line = (
        *(sys.executable, "-m", "gateway", "serve", "--policy", str(policy), "--workers", str(workers)),
        *("--listen", target, "--http", http, "--metrics", "127.0.0.1:0", "--drain-s", "0"),
        *("--state", f"sqlite:///{folder / 'ledger.db'}", "--decisions", str(folder / "records.jsonl")),
        *("--admin", f"unix:{folder / 'admin.sock'}", "--log-format", "json"),
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def is_ready(said: str) -> bool:
        return said.count('"gateway.serving"') == workers

    def over_grpc(kind: str) -> Opener:
        return partial(grpc_caller, target, text=TEXT, model=MODELS[kind], is_stream=kind != UNARY)

    def over_http(kind: str) -> Opener:
        return partial(http_caller, http, http_request(kind))

    with answering(line, http, "/readyz", log=folder / "log", env=env, is_ready=is_ready) as server:
        yield [Contestant(GRPC, server, over_grpc), Contestant(HTTP, server, over_http)]


@contextmanager
def litellm(
    program: Path, folder: Path, urls: Mapping[str, str], *, workers: int = 1
) -> Iterator[list[Contestant]]:
    """Run LiteLLM's proxy without keys or a database."""
    config, address = folder / "litellm.json", free_address()
    models: dict[str, dict[str, object]] = {
        MODELS[kind]: {"model": "openai/m", "api_base": url, "api_key": "none"} for kind, url in urls.items()
    }
    litellm_proxy.write_config(config, models)
    env = litellm_proxy.environ(
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
        LITELLM_MODE="PRODUCTION",
        PYTHONUNBUFFERED="1",
    )
    flags = ("--num_workers", str(workers), "--timeout_worker_healthcheck", LITELLM_WORKER_S)
    line = litellm_proxy.command(program, config, address, *(flags if workers > 1 else ()))

    def is_ready(said: str) -> bool:
        return said.count("Proxy initialized") == workers

    def opener(kind: str) -> Opener:
        return partial(http_caller, address, http_request(kind))

    log = folder / "litellm.log"
    with answering(line, address, litellm_proxy.ALIVE, log=log, env=env, is_ready=is_ready) as server:
        yield [Contestant(LITELLM, server, opener)]


@contextmanager
def portkey(program: Path, folder: Path, urls: Mapping[str, str]) -> Iterator[list[Contestant]]:
    """Run Portkey's gateway, which learns of its provider by headers of each request."""
    address = free_address()
    port = address.rpartition(":")[2]
    line = ("node", "--require", str(PORTKEY / "loopback.cjs"), str(program), f"--port={port}", "--headless")
    env = {**os.environ, "NODE_ENV": "production"}

    def opener(kind: str) -> Opener:
        request = http_request(
            kind,
            x_portkey_provider="openai",
            x_portkey_custom_host=urls[kind],
            authorization="Bearer none",
        )
        return partial(http_caller, address, request)

    with answering(line, address, "/", log=folder / "portkey.log", env=env) as server:
        yield [Contestant(PORTKEY_NAME, server, opener)]


@contextmanager
def all_of(
    folder: Path, urls: Mapping[str, str], programs: Mapping[str, Path], *, workers: int = 1
) -> Iterator[list[Contestant]]:
    """Run this gateway and those that are installed, in folders of their own; Portkey has one process."""
    with ExitStack() as stack:
        own = folder / f"ours-{workers}"
        own.mkdir()
        found = stack.enter_context(ours(own, urls, workers=workers))
        if PORTKEY_NAME in programs:
            found += stack.enter_context(portkey(programs[PORTKEY_NAME], folder, urls))
        if LITELLM in programs:
            found += stack.enter_context(litellm(programs[LITELLM], folder, urls, workers=workers))
        yield found
