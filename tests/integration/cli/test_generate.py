"""`gateway generate` and `gateway health` against a real gRPC server: what is printed, and the status."""

import asyncio
import io
import json
import sys
from collections.abc import Sequence

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway.cli.app import run
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import (
    ANSWER,
    ScriptedGateway,
    completed,
    delta,
    failing,
    restart,
)

CANNED = pb.GenerateResponse(
    text="Please try again later.",
    route=pb.ROUTE_CANNED,
    degraded=pb.Degraded(reason=pb.REASON_ALL_FAILED, canned_id="sorry"),
    decision=ANSWER.decision,
)
VOID = "the text so far is void"


async def gateway(*arguments: str) -> int:
    """Run a command as `gateway` would, beside the server of the test; return its exit status."""
    return await asyncio.to_thread(run, arguments)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output pass for a terminal, and standard error not."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


async def test_the_answer_alone_goes_to_standard_output(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script gets the answer and nothing else."""
    assert await gateway("generate", "--server", target, "hi") == 0
    assert tuple(capsys.readouterr()) == ("hello\n", "")


async def test_verbose_tells_how_the_answer_came_about(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decision and attempts go to standard error, and leave standard output as it is."""
    assert await gateway("generate", "--server", target, "-v", "hi") == 0
    out, err = capsys.readouterr()
    assert out == "hello\n"
    for told in (
        "CLOUD, model cloud",
        "0.000006 USD",
        "hard",
        "edge (CONTEXT_LENGTH_EXCEEDED)",
        "UPSTREAM_ERROR",
    ):
        assert told in err


async def test_a_kept_answer_says_so(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody wonders that it cost nothing."""
    kept = pb.GenerateResponse()
    kept.CopyFrom(ANSWER)
    kept.cached_age_s = 12.34
    service.answer = kept
    assert await gateway("generate", "--server", target, "-v", "hi") == 0
    assert "made 12.3 s ago for an identical request" in " ".join(capsys.readouterr().err.split())


async def test_json_is_the_whole_response(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints one object with the names of the proto, zeros included."""
    assert await gateway("generate", "--server", target, "--json", "hi") == 0
    response = json.loads(capsys.readouterr().out)
    assert response["text"] == "hello"
    assert response["route"] == "ROUTE_CLOUD"
    assert response["decision"]["scores"] == {"complexity": 0.7, "privacy": 0.0, "budget": 0.25}
    assert response["attempts"][0]["cost_usd"] == 0.0


async def test_every_option_reaches_the_gateway(service: ScriptedGateway, target: str) -> None:
    """What the caller says on the command line is what the gateway is asked."""
    options = [
        *(
            "--system",
            "be brief",
            "--max-tokens",
            "5",
            "--temperature",
            "0",
            "--privacy-class",
            "confidential",
        ),
        *("--max-cost-usd", "0.5", "--label", "team=billing", "--label", "tier=a", "--no-degraded"),
    ]
    assert await gateway("generate", "--server", target, *options, "hi") == 0
    (request,) = service.requests
    assert isinstance(request, pb.GenerateRequest)
    assert [message.content for message in request.messages] == ["be brief", "hi"]
    assert (request.config.max_tokens, request.config.temperature) == (5, 0.0)
    assert request.config.HasField("temperature")
    assert request.hints.privacy_class == pb.PRIVACY_CLASS_CONFIDENTIAL
    assert request.hints.max_cost_usd == 0.5
    assert request.hints.HasField("allow_degraded")
    assert not request.hints.allow_degraded
    assert dict(request.labels) == {"team": "billing", "tier": "a"}


async def test_what_is_not_said_is_not_sent(service: ScriptedGateway, target: str) -> None:
    """Without options nothing but the message is set, so that the policy decides."""
    assert await gateway("generate", "--server", target, "hi") == 0
    (request,) = service.requests
    assert isinstance(request, pb.GenerateRequest)
    assert request.config == pb.GenerationConfig()
    assert request.hints == pb.Hints()


@pytest.mark.parametrize(
    ("standard_input", "sent"),
    [
        (b"two\nlines\n", "two\nlines"),
        (b"two\r\n", "two"),
        ("gr\u00fc\u00dfe".encode(), "gr\u00fc\u00dfe"),
        (b"kept\n\n", "kept\n"),
    ],
)
async def test_a_dash_reads_standard_input(
    service: ScriptedGateway,
    target: str,
    standard_input: bytes,
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`-` stands for standard input without its last line break, which is the shell's."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(standard_input)))
    assert await gateway("generate", "--server", target, "-") == 0
    (request,) = service.requests
    assert isinstance(request, pb.GenerateRequest)
    assert request.messages[0].content == sent


def test_standard_input_has_to_be_utf8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no text are refused before anything is sent."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\xff")))
    assert run(["generate", "--server", "127.0.0.1:1", "-"]) == 2
    assert capsys.readouterr().err == "gateway: standard input is not UTF-8 (byte 2)\n"


@pytest.mark.parametrize("stream", [(), ("--stream",)])
async def test_a_canned_reply_is_status_3_and_says_so(
    service: ScriptedGateway, target: str, stream: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A canned reply is printed, but neither a script nor a person takes it for a model's answer."""
    service.answer = CANNED
    service.events = (pb.StreamGenerateResponse(decision=ANSWER.decision), completed(CANNED))
    assert await gateway("generate", "--server", target, *stream, "hi") == 3
    out, err = capsys.readouterr()
    assert out == "Please try again later.\n"
    assert err == "gateway: canned reply sorry, no model answered (ALL_FAILED)\n"


async def test_a_canned_reply_for_want_of_time_says_how_much(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who gets no answer because there is no time learns what was expected, and what the deadline left."""
    late = pb.Refusal(model="edge", reason=pb.REASON_DEADLINE, expected_s=72.4, given_s=60.0)
    service.answer = pb.GenerateResponse(
        text="Sorry.",
        route=pb.ROUTE_CANNED,
        degraded=pb.Degraded(reason=pb.REASON_DEADLINE, canned_id="sorry"),
        decision=pb.Decision(
            refused=[pb.Refusal(model="cloud", reason=pb.REASON_CLEARANCE), late], rule="default"
        ),
    )
    time = "an answer is expected to take 72.4 s, and has 60 s"
    assert await gateway("generate", "--server", target, "-v", "hi") == 3
    err = capsys.readouterr().err
    assert f"canned reply sorry, no model answered (DEADLINE: edge: {time})" in " ".join(err.split())
    assert f"cloud (CLEARANCE), edge (DEADLINE: {time})" in " ".join(err.split())


async def test_a_canned_reply_for_want_of_a_capability_says_of_which(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who gets no answer because no model can do it learns what each of them cannot do."""
    blind = pb.Refusal(model="edge", reason=pb.REASON_CAPABILITY, capability="images")
    service.answer = pb.GenerateResponse(
        text="Sorry.",
        route=pb.ROUTE_CANNED,
        degraded=pb.Degraded(reason=pb.REASON_CAPABILITY, canned_id="sorry"),
        decision=pb.Decision(refused=[blind], rule="default"),
    )
    assert await gateway("generate", "--server", target, "-v", "hi") == 3
    err = " ".join(capsys.readouterr().err.split())
    assert "canned reply sorry, no model answered (CAPABILITY: edge: no images)" in err
    assert "edge (CAPABILITY: no images)" in err


async def test_an_error_is_one_line_and_status_1(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the gateway says of a failure is shown in a line, with what to do about it."""
    service.behaviour = failing(
        code_pb2.RESOURCE_EXHAUSTED, error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gateway.v1")
    )
    assert await gateway("generate", "--server", target, "hi") == 1
    assert tuple(capsys.readouterr()) == (
        "",
        "gateway: RESOURCE_EXHAUSTED (QUEUE_FULL): edge: too many wait; "
        "wait as long as the error says, or set a longer deadline\n",
    )


async def test_who_is_not_known_is_told_where_a_key_goes(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says how it takes a key, not how gRPC does."""
    service.behaviour = failing(
        code_pb2.UNAUTHENTICATED,
        error_details_pb2.ErrorInfo(reason="UNAUTHENTICATED", domain="gateway.v1"),
    )
    assert await gateway("generate", "--server", target, "hi") == 1
    hint = "; set GATEWAY_API_KEY, or give --tls-cert and --tls-key\n"
    assert capsys.readouterr().err.endswith(hint)


@pytest.mark.parametrize("command", [("generate", "hi"), ("generate", "--stream", "hi"), ("health",)])
def test_without_a_gateway_the_remedy_is_named(
    command: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody at the address: the line says how to start a gateway there."""
    assert run([*command, "--server", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "gateway: no gateway answers at 127.0.0.1:1; start one with: gateway serve --listen 127.0.0.1:1\n"
    )


async def test_a_stream_is_printed_as_it_comes(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The pieces of an answer are one text, with one line break at its end."""
    assert await gateway("generate", "--server", target, "--stream", "hi") == 0
    assert tuple(capsys.readouterr()) == ("hello\n", "")


async def test_the_events_of_a_stream_are_json_lines(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--stream --json` prints one event a line, restarts included, for a script to judge."""
    service.events = (delta("wrong"), restart("edge"), delta("hello", attempt=1), completed())
    assert await gateway("generate", "--server", target, "--stream", "--json", "hi") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [next(iter(event)) for event in events] == ["delta", "restart", "delta", "completed"]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (
            (delta("wrong"), restart("edge"), delta("hello", attempt=1), completed()),
            "another model began anew",
        ),
        ((delta("wrong"), restart(""), completed(CANNED)), "the canned reply came instead"),
        ((delta("wrong"), completed()), "the last message is authoritative, and differs"),
    ],
)
async def test_a_pipe_never_gets_void_text_as_an_answer(
    service: ScriptedGateway,
    target: str,
    events: tuple[pb.StreamGenerateResponse, ...],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What went down a pipe cannot be taken back, so the command fails rather than go on."""
    service.events = events
    assert await gateway("generate", "--server", target, "--stream", "hi") == 1, why
    out, err = capsys.readouterr()
    assert "hello" not in out
    assert VOID in err


async def test_a_restart_before_any_text_is_no_matter(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing was printed, nothing has to be taken back."""
    service.events = (restart("edge"), delta("hello", attempt=1), completed())
    assert await gateway("generate", "--server", target, "--stream", "hi") == 0
    assert capsys.readouterr().out == "hello\n"


async def test_a_terminal_is_told_that_text_is_void(
    service: ScriptedGateway,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person sees which text is void and why, and then the whole answer."""
    on_a_terminal(monkeypatch)
    service.events = (delta("wrong"), restart("edge"), delta("hello", attempt=1), completed())
    assert await gateway("generate", "--server", target, "--stream", "hi") == 0
    out, err = capsys.readouterr()
    assert out == "wrong\nhello\n"
    assert err == "gateway: the text above is void: edge starts again (STREAM_TRUNCATED)\n"


async def test_a_stream_without_its_last_message_fails(
    service: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status OK alone does not make an answer complete."""
    service.events = (delta("hel"),)
    assert await gateway("generate", "--server", target, "--stream", "hi") == 1
    assert "not complete" in capsys.readouterr().err


@pytest.mark.parametrize(("is_terminal", "printed"), [(True, "a\ufffd[2Jb\n"), (False, "a\x1b[2Jb\r\n")])
async def test_an_answer_cannot_move_the_cursor(
    service: ScriptedGateway,
    target: str,
    is_terminal: bool,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A model's control characters do not reach a terminal; a pipe gets the text as it is."""
    if is_terminal:
        on_a_terminal(monkeypatch)
    service.answer = pb.GenerateResponse(text="a\x1b[2Jb\r\n", route=pb.ROUTE_LOCAL)
    assert await gateway("generate", "--server", target, "hi") == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("service_name", "status", "printed"),
    [((), 0, "SERVING\n"), (("--service", "model.edge"), 1, "NOT_SERVING\n")],
)
async def test_health_is_an_exit_status(
    target: str,
    service_name: tuple[str, ...],
    status: int,
    printed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`gateway health` is 0 when it serves, and anything else is not."""
    assert await gateway("health", "--server", target, *service_name) == status
    assert capsys.readouterr().out == printed


async def test_health_of_an_unknown_model_is_one_line(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that the gateway does not know is an error that says so."""
    assert await gateway("health", "--server", target, "--service", "model.none") == 1
    assert capsys.readouterr().err.startswith("gateway: NOT_FOUND")
