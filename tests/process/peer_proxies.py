"""LiteLLM's proxy with a gateway as its upstream: through it callers get what the gateway itself answers.

Three processes on loopback: LiteLLM, the gateway, and the simulated provider. Every case is asked twice, of
LiteLLM and of the gateway; OpenAI's SDK is the judge.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.support import litellm_proxy
from tests.support.npm_packages import Unavailable
from tests.support.peer_packages import installed_litellm
from tests.support.peer_process import answering
from tests.support.ports import free_address

KEY = "sk-0123456789abcdef0123456789abcdef"
"""Of LiteLLM, which starts with a long one only."""
FAULTS = {
    "auto": "",
    "limited": "status=429",
    "down": "status=503",
    "cut": "cut=3",
    "unended": "no-finish",
    "long": "context-too-long",
}
"""The models of the gateway, and what the provider does to each; `auto` is answered by the first."""
POLICY = """
version: 1
models:
{models}
rules: [{{name: all, route: [smart, limited, down, cut, unended, long]}}]
resilience: {{attempts: 1}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
MODEL = (
    '  {name}: {{kind: openai, model: "sim{fault}", base_url: "{url}", clearance: restricted, tools: true,'
    " price_per_million_usd: {{input: 0.25, output: 2}}}}"
)
APIS = ("openai", "anthropic")
"""By which LiteLLM asks the gateway."""
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA},
}
OVERLOADED = ("InternalServerError", 500)
"""What LiteLLM makes of each `overloaded_error` of Anthropic's API: the class is kept, 503 is not."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Chain:
    """The URLs of LiteLLM and of the gateway behind it, and the socket that nothing may reach."""

    litellm: str
    gateway: str
    nowhere: socket.socket

    def both(self, api: str, ask: Callable[[openai.OpenAI, str], Any]) -> tuple[Any, Any]:
        """Return what LiteLLM makes of a question, and what the gateway itself answers."""
        with self.client(self.litellm) as through, self.client(self.gateway) as direct:
            return ask(through, f"{api}-"), ask(direct, "")

    @staticmethod
    def client(url: str) -> openai.OpenAI:
        """Return a client that tries once."""
        return openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=PATIENCE_S)


@contextmanager
def _process(*arguments: str, said: str) -> Iterator[str]:
    """Run a command of the gateway; yields what it says after a word, on any of its outputs."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if said in line:
                    yield line
                    return
            raise AssertionError("".join(lines))
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def _gateway(folder: Path, provider: str, stack: ExitStack) -> str:
    names = ["smart", *list(FAULTS)[1:]]
    faults = [f"+{fault}" if fault else "" for fault in FAULTS.values()]
    models = [
        MODEL.format(name=name, fault=fault, url=provider) for name, fault in zip(names, faults, strict=True)
    ]
    policy = folder / "policy.yaml"
    policy.write_text(POLICY.format(models="\n".join(models)), encoding="utf-8")
    flags = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", "memory:", "--drain-s", "0")
    command = ("serve", "--policy", str(policy), *flags, "--log-format", "json")
    line = stack.enter_context(_process(*command, said='"gateway.serving"'))
    return f"http://{json.loads(line)['http']}"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Run the three."""
    try:
        program = installed_litellm()
    except Unavailable as why:
        pytest.skip(str(why))
    folder = tmp_path_factory.mktemp("peers")
    with ExitStack() as stack:
        told = stack.enter_context(_process("simulate-cloud", "--listen", "127.0.0.1:0", said="listening"))
        gateway = _gateway(folder, told.split()[-1], stack)
        models: dict[str, dict[str, object]] = {
            f"openai-{name}": {"model": f"openai/{name}", "api_base": f"{gateway}/v1", "api_key": "none"}
            for name in FAULTS
        }
        models |= {
            f"anthropic-{name}": {"model": f"anthropic/{name}", "api_base": gateway, "api_key": "none"}
            for name in FAULTS
        }
        models["openai/*"] = {"model": "openai/*", "api_base": f"{gateway}/v1", "api_key": "none"}
        config = folder / "litellm.yaml"
        litellm_proxy.write_config(config, models, check_provider_endpoint=True)
        nowhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        nowhere.setblocking(False)
        address = free_address()
        env = litellm_proxy.environ(f"127.0.0.1:{nowhere.getsockname()[1]}", LITELLM_MASTER_KEY=KEY)
        line = litellm_proxy.command(program, config, address)
        log = folder / "litellm.log"
        started = stack.enter_context(answering(line, address, litellm_proxy.ALIVE, log=log, env=env))
        yield Chain(started.url, gateway, nowhere)


def _counts(usage: Any) -> tuple[int, int, int]:
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


def _whole(client: openai.OpenAI, prefix: str) -> object:
    answer = client.chat.completions.create(model=f"{prefix}auto", messages=QUESTION, max_tokens=100)
    (choice,) = answer.choices
    return choice.message.content, choice.finish_reason, _counts(answer.usage)


def _streamed(client: openai.OpenAI, prefix: str) -> object:
    pieces = client.chat.completions.create(
        model=f"{prefix}auto",
        messages=QUESTION,
        max_tokens=100,
        stream=True,
        stream_options={"include_usage": True},
    )
    text, reasons, usages = "", [], []
    for piece in pieces:
        for choice in piece.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
        usages += [piece.usage] if piece.usage else []
    (reason,), (usage,) = reasons, usages
    return text, reason, _counts(usage)


def _tools(client: openai.OpenAI, prefix: str) -> object:
    """Ask, run the tool, and ask again with what it said."""
    first = client.chat.completions.create(model=f"{prefix}auto", messages=QUESTION, tools=[TOOL])
    message = first.choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    said: Any = message.model_dump(include={"role", "content", "tool_calls"})
    last = client.chat.completions.create(
        model=f"{prefix}auto", messages=[*QUESTION, said, result], tools=[TOOL]
    )
    arguments = json.loads(call.function.arguments)
    return first.choices[0].finish_reason, call.function.name, arguments, last.choices[0].message.content


def _streamed_tools(client: openai.OpenAI, prefix: str) -> object:
    pieces = client.chat.completions.create(
        model=f"{prefix}auto", messages=QUESTION, tools=[TOOL], stream=True
    )
    name, arguments, reason = "", "", None
    for piece in pieces:
        for choice in piece.choices:
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            reason = choice.finish_reason or reason
    return name, json.loads(arguments), reason


def _schema(client: openai.OpenAI, prefix: str) -> object:
    answer = client.chat.completions.create(
        model=f"{prefix}auto",
        messages=QUESTION,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True},
        },
    )
    value = json.loads(answer.choices[0].message.content or "")
    return value, answer.choices[0].finish_reason


def _responses(client: openai.OpenAI, prefix: str) -> object:
    answer = client.responses.create(model=f"{prefix}auto", input="What is the weather in Oslo?")
    assert answer.usage is not None
    return answer.output_text, answer.status, answer.usage.total_tokens


def _streamed_responses(client: openai.OpenAI, prefix: str) -> object:
    with client.responses.stream(model=f"{prefix}auto", input="What is the weather in Oslo?") as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        answer = events.get_final_response()
    return text, answer.status


SAME: dict[str, Callable[[openai.OpenAI, str], object]] = {
    "whole": _whole,
    "streamed": _streamed,
    "tools": _tools,
    "tools, streamed": _streamed_tools,
    "a JSON schema": _schema,
    "responses": _responses,
    "responses, streamed": _streamed_responses,
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("ask", SAME.values(), ids=list(SAME))
def test_the_answer_is_that_of_the_gateway(
    chain: Chain, api: str, ask: Callable[[openai.OpenAI, str], object]
) -> None:
    """Text, calls, end and token counts are the same as without LiteLLM."""
    through, direct = chain.both(api, ask)
    assert through == direct


def test_messages_pass_to_messages(chain: Chain) -> None:
    """Anthropic's SDK at LiteLLM's own Messages API."""
    answers = []
    for url, model in ((chain.litellm, "anthropic-auto"), (chain.gateway, "auto")):
        with (
            anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=PATIENCE_S) as client,
            client.messages.stream(
                model=model, max_tokens=100, messages=[{"role": "user", "content": "Hello there"}]
            ) as events,
        ):
            answer = events.get_final_message()
        answers.append((answer.content[0].to_dict()["text"], answer.stop_reason, answer.usage.output_tokens))
    assert answers[0] == answers[1]


def _status(client: openai.OpenAI, model: str, **members: Any) -> tuple[str, int]:
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=QUESTION, max_tokens=100, **members)
    return type(raised.value).__name__, raised.value.status_code


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("model", "members"),
    [("limited", {}), ("down", {}), ("cut", {}), ("long", {}), ("auto", {"temperature": 9.0})],
    ids=["429", "503", "502", "400 of the provider", "400 of the gateway"],
)
def test_an_error_has_the_class_that_the_gateway_gave_it(
    chain: Chain, api: str, model: str, members: dict[str, Any]
) -> None:
    """LiteLLM raises what the status means, and the SDK behind it raises the same."""
    through, direct = chain.both(api, lambda client, prefix: _status(client, f"{prefix}{model}", **members))
    assert through == (OVERLOADED if (api, model) == ("anthropic", "down") else direct)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("model", ["cut", "unended"])
def test_a_stream_that_breaks_is_never_an_answer(chain: Chain, api: str, model: str) -> None:
    """The gateway says so in the stream, and LiteLLM's caller gets an error and no `finish_reason`."""

    def read(client: openai.OpenAI, prefix: str, reasons: list[str]) -> None:
        for piece in client.chat.completions.create(
            model=f"{prefix}{model}", messages=QUESTION, max_tokens=100, stream=True
        ):
            reasons += [choice.finish_reason for choice in piece.choices if choice.finish_reason]

    def ends(client: openai.OpenAI, prefix: str) -> list[str]:
        reasons: list[str] = []
        with pytest.raises(openai.APIError):
            read(client, prefix, reasons)
        return reasons

    assert chain.both(api, ends) == ([], [])


def test_the_models_of_the_gateway_are_listed(chain: Chain) -> None:
    """A wildcard asks the gateway for its list."""
    with chain.client(chain.litellm) as through, chain.client(chain.gateway) as direct:
        listed = {model.id.removeprefix("openai/") for model in through.models.list()}
        assert {model.id for model in direct.models.list()} <= listed


def test_nothing_is_asked_of_another_host(chain: Chain) -> None:
    """Neither at its start nor for a call: nothing came to the proxy that leads out."""
    with chain.client(chain.litellm) as client:
        _whole(client, "openai-")
    with pytest.raises(BlockingIOError):
        chain.nowhere.accept()
