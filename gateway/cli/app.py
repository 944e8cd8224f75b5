"""The command `gateway`: the list of its commands, and the exit status and message of a failure.

The module of a command is imported when the command runs, so that `--help` and `policy check` need not load
gRPC and llama.cpp.
"""

import gc
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway import __version__
from gateway.cli.exits import FAILED, MISUSED, CommandFailed
from gateway.cli.help_pages import SETTINGS, fit, prepare
from gateway.domain.optional import server_line
from gateway.errors import InputRefused, PolicyError, StartupError, WorkRefused

COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("gateway.cli.serve:serve", "Run the gateway."),
    "generate": ("gateway.cli.generate:generate", "Ask a running gateway and print the answer."),
    "embed": ("gateway.cli.embed:embed", "Ask a running gateway for the vectors of texts."),
    "explain": (
        "gateway.cli.explain:explain",
        "Show how a text would be scored and routed; no server needed.",
    ),
    "score": ("gateway.cli.score:score", "Score many texts: JSON lines in, JSON lines out."),
    "learn": (
        "gateway.cli.learn:learn",
        "Learn a complexity scorer from outcomes of your own traffic.",
    ),
    "calibrate": (
        "gateway.cli.calibrate:calibrate",
        "Set a threshold from your own data: a cloud share, conditions, or the confidence of a local model.",
    ),
    "policy": ("gateway.cli.policy:app", "Check, test, compare and show policies."),
    "prices": ("gateway.cli.prices:app", "Show prices of the offline catalogue, and compare a policy's."),
    "reload": (
        "gateway.cli.reload:reload",
        "Make a running gateway reload its policy: it applies the whole file, or changes nothing.",
    ),
    "records": ("gateway.cli.records:app", "Verify the records of decisions."),
    "spend": (
        "gateway.cli.spend:spend",
        "Sum what calls of models cost, by tenant, model, key, day or label.",
    ),
    "keys": ("gateway.cli.keys:app", "Make, list, revoke and rotate API keys of callers."),
    "models": ("gateway.cli.models:app", "List, verify and fetch the files of local models."),
    "status": (
        "gateway.cli.status:status",
        "Show models, breakers, queues, spend and the last decisions of a running gateway.",
    ),
    "handoff": (
        "gateway.cli.handoff:app",
        "Answer the requests that wait for people, and fetch their answers.",
    ),
    "feedback": ("gateway.cli.feedback:feedback", "Rate an answer of a running gateway."),
    "health": ("gateway.cli.health:health", "Check whether a gateway can take requests."),
    "simulate-cloud": ("gateway.cli.simulate:app", "Run a simulated cloud provider for tests."),
    "demo": (
        "gateway.cli.demo.command:demo",
        "Show every route once, with real processes, without an account or a download.",
    ),
    "help": ("gateway.cli.app:help_", "Show the help of a command."),
}
"""Name -> module and attribute of the command, and the first sentence of its help (checked by a test)."""


def _load_structlog_alone() -> None:
    """Import structlog without rich, which it would load to print tracebacks: none are printed."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # What Python takes for "not installed".
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]


def load_command(name: str) -> Any:
    """Import a command and return it for typer."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    # Modules stay until the end, so the collector finds nothing in them; to look takes a tenth of the start.
    gc.disable()
    _load_structlog_alone()
    try:
        found = getattr(import_module(module), attribute)
    finally:
        gc.freeze()
        gc.enable()
    if isinstance(found, typer.Typer):
        return prepare(typer.main.get_command(found))
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name)(found)
    return prepare(typer.main.get_command(single))


class _LazyCommands(TyperGroup):
    """Knows name and summary of every command, and loads only the one that runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the real command instead of its placeholder."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, fit(load_command(name), name) if name else command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a wrong value of an option gets the gateway's message instead of pydantic's."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            cause: Any = error.__cause__
            if hasattr(cause, "errors"):
                messages = import_module("gateway.policy.loading.messages")  # Imported only when needed.
                error.message = messages.message_for(cause.errors()[0])
            raise


app = typer.Typer(
    cls=_LazyCommands,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
for _name, (_, _summary) in COMMANDS.items():
    app.command(_name, help=_summary)(lambda: None)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def gateway(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Score each inference request, then answer it at the edge or in the cloud.

    First steps, in one terminal: gateway serve

    And in another: gateway generate "What is a hash table?"

    With your own model: gateway serve --model FILE.gguf

    The help of each command has an example: gateway help generate
    """


def help_(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="As in: policy check.", show_default=False)
    ] = None,
) -> None:
    """Show the help of a command.

    Example: gateway help policy check
    """
    app([*(command or []), "--help"], prog_name="gateway")


def run(arguments: Sequence[str]) -> int:
    """Run one command; a failure prints one line on standard error, never a traceback."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe, as `| head` does; buffered output is dropped silently.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _run(arguments: Sequence[str]) -> int:
    try:
        app(list(arguments), prog_name="gateway")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except PolicyError as error:
        return _complain(*error.problems, status=MISUSED)
    except StartupError as error:
        return _complain(f"gateway: {error}", status=MISUSED)
    except InputRefused as error:
        return _complain(f"gateway: {error}", status=MISUSED)
    except WorkRefused as error:
        return _complain(f"gateway: {error}", status=FAILED)
    except CommandFailed as error:
        return _complain(f"gateway: {error}", status=error.status)
    except ModuleNotFoundError as error:
        line = server_line(error)
        return _complain(*([line] if line else _defect(error)), status=MISUSED if line else FAILED)
    except Exception as error:  # noqa: BLE001  # Last resort: report it in one line.
        return _complain(*_defect(error), status=FAILED)
    return 0


def _complain(*lines: str, status: int) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return status


def _defect(error: BaseException) -> list[str]:
    """Describe an unexpected error by its type and stack, without its message, which may contain a prompt."""
    if os.environ.get("GATEWAY_DEBUG") != "1":
        kind = type(error).__name__
        return [f"gateway: {kind}: this is a defect; GATEWAY_DEBUG=1 shows where it comes from"]
    cause = error.__cause__ or error.__context__
    first = _defect(cause) if cause is not None else []
    frames = [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
    return [*first, *frames, f"gateway: {type(error).__name__}: this is a defect"]
