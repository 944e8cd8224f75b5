"""`gateway policy`: what an operator does with a policy before it runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.policy.load import default_policy_path, load_policy
from gateway.policy.schema import json_schema

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check, show and describe policies.",
    add_completion=False,
)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")]) -> None:
    """Check a policy without running it: no model file is opened, no variable read.

    Exit status: 0 and the policy's hash, or 2 and a line `file:line: key: what is wrong` for each problem.

    Example: gateway policy check policies/default.yaml
    """
    policy = load_policy(file)
    print(f"{file}: ok, {len(policy.models)} models, {len(policy.rules)} rules, hash {policy.hash}")


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The policy; without it, the packaged default.")
    ] = None,
) -> None:
    """Print a policy with every default filled in, as YAML.

    Example: gateway policy show policies/default.yaml
    """
    print(load_policy(file or default_policy_path()).effective_yaml, end="")


@app.command()
def schema() -> None:
    """Print the JSON schema of a policy, for editors.

    Example: gateway policy schema > schema.json
    """
    print(json.dumps(json_schema(), indent=2))
