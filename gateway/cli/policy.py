"""`gateway policy`: checks, tests, compares and shows policies."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import FAILED, MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.policy_egress import egress
from gateway.cli.policy_records import diff, replay
from gateway.offline.policy_tests import run_tests
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.loading.messages import counted
from gateway.policy.loading.schema import schema_text
from gateway.policy.loading.starting import starting_policy
from gateway.policy.loading.warnings import warnings_of

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check, test, compare and show policies.",
    add_completion=False,
)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")]) -> None:
    """Check a policy without running it: opens no model file and reads no variable.

    Exit status: 0 and the policy's hash, or 2 and a line `file:line: key: what is wrong` for each problem.
    Probable mistakes that are allowed print such a line with `warning:`, and status 0.

    Example: gateway policy check policies/default.yaml
    """
    policy = load_policy(file)
    for path, message in warnings_of(policy):
        print(policy.source.at(path, f"warning: {message}"), file=sys.stderr)
    models, rules = counted(len(policy.models), "model"), counted(len(policy.rules), "rule")
    print(f"{file}: ok, {models}, {rules}, hash {policy.hash}")


@app.command("test")
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy, with a section tests.")],
    *,
    as_json: Json = False,
) -> None:
    """Run the tests of a policy: calls no model, and sends nothing.

    Exit status: 0 all pass, 1 with a line `file:line: tests[N]: the difference` for each failure, 2 the
    policy is refused or has no tests.

    Example: gateway policy test policies/clinic-air-gapped.yaml
    """
    policy = load_policy(file)
    if not policy.tests:
        raise CommandFailed(f"{file}: has no tests; see tests: in policies/default.yaml", status=MISUSED)
    verdicts = list(run_tests(policy))
    failed = [verdict for verdict in verdicts if verdict.problems]
    if as_json:
        tests = [
            {
                "index": verdict.index,
                "line": verdict.line,
                "rule": verdict.decision.rule,
                "class": verdict.decision.privacy_class.name.lower(),
                "chain": verdict.decision.chain,
                "problems": verdict.problems,
            }
            for verdict in verdicts
        ]
        print(json.dumps({"policy_hash": policy.hash, "failed": len(failed), "tests": tests}, indent=2))
    else:
        for verdict in failed:
            for problem in verdict.problems:
                print(f"{file}:{verdict.line}: tests[{verdict.index}]: {problem}", file=sys.stderr)
        passed = f"{len(verdicts) - len(failed)} of {counted(len(verdicts), 'test')} passed"
        print(f"{file}: {passed}, hash {policy.hash}")
    if failed:
        raise typer.Exit(FAILED)


app.command()(diff)
app.command()(replay)
app.command()(egress)


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The policy; default: the packaged one.")
    ] = None,
) -> None:
    """Print a policy with every default filled in, as YAML.

    Example: gateway policy show policies/default.yaml
    """
    print(load_policy(file or default_policy_path()).effective_yaml, end="")


@app.command()
def new(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; an existing file is kept.")
    ] = Path("policy.yaml"),
) -> None:
    """Write a policy to start from: a model at the edge, one in the cloud, and a backup, with comments.

    Example: gateway policy new policy.yaml
    """
    text = starting_policy(default_policy_path().read_text(encoding="utf-8"))
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise CommandFailed(f"{file}: already exists; name another file", status=MISUSED) from None
    except OSError as error:
        raise CommandFailed(f"{file}: cannot be written ({error.strerror})", status=MISUSED) from None
    print(f"{file}: written; set your models, then: gateway policy check {file}")


@app.command()
def schema() -> None:
    """Print the JSON schema of a policy, for editors.

    Example: gateway policy schema > schema.json
    """
    print(schema_text(), end="")
