"""`gateway calibrate`: when a local model is sure enough of its answer to give it."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.calibrate_model import calibrate_model
from gateway.cli.options import PolicyFile
from gateway.policy.load import default_policy_path, load_policy
from gateway.telemetry.logs import configure_logs


def calibrate(
    *,
    model: Annotated[str, typer.Option(metavar="NAME", help="A local model of the policy.")],
    labelled: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help='JSON lines {"text", "answer"}: a string, several, or null where no answer is right.',
        ),
    ],
    policy: PolicyFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Learn from questions with known answers how sure a local model has to be.

    Every question is put to the model. What is printed belongs under models.NAME.escalate: it turns what
    the model's own logits say of the first tokens into the probability that the answer is right. It holds
    for this file and this chat template only, and an engine with others does not start. Ten right and ten
    wrong answers are needed at least; some hundred are better.

    Example: gateway calibrate --policy policy.yaml --model edge --labelled questions.jsonl
    """
    configure_logs()  # To standard error: standard output is for the result.
    calibrate_model(load_policy(policy or default_policy_path()), model, labelled=labelled, as_json=json)
