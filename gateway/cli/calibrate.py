"""`gateway calibrate`: thresholds by one's own data, of complexity and of a local model's confidence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.calibrate_model import calibrate_model
from gateway.cli.calibrate_share import Targets, calibrate_share
from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import PolicyFile
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.telemetry.logs import configure_logs

_SHARE = "How much may go to the cloud, from recorded traffic"
_MODEL = "How sure a local model has to be, from questions with known answers"
_NEEDS = (
    "needs --input FILE with --target-cloud-share or --max-usd-per-day, or --model NAME with --labelled FILE"
)


Input = Annotated[
    Path | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="What --decisions of gateway serve named; full files and those of workers count, too.",
        rich_help_panel=_SHARE,
    ),
]
TargetCloudShare = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, metavar="X", help="Of all requests, from 0 to 1.", rich_help_panel=_SHARE),
]
MaxUsdPerDay = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="N",
        help="What an average day may cost. With both targets the smaller share wins.",
        rich_help_panel=_SHARE,
    ),
]
RuleName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose threshold is set; needed where several rules compare complexity with a number.",
        rich_help_panel=_SHARE,
    ),
]
Write = Annotated[
    bool,
    typer.Option(
        "--write",
        help="Set the number in the policy file; no other character changes.",
        rich_help_panel=_SHARE,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A local model of the policy.", rich_help_panel=_MODEL),
]
Labelled = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='JSON lines {"text", "answer"}: a string, several, or null where no answer is right.',
        rich_help_panel=_MODEL,
    ),
]


def calibrate(
    *,
    input_: Input = None,
    target_cloud_share: TargetCloudShare = None,
    max_usd_per_day: MaxUsdPerDay = None,
    rule: RuleName = None,
    write: Write = False,
    model: ModelName = None,
    labelled: Labelled = None,
    policy: PolicyFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Set a threshold by your own data: how much goes to the cloud, or how sure a local model has to be.

    From recorded traffic (--input): every request is decided again, once as if it were hard and once as if it
    were easy. Those that would go another way are sorted by complexity, and the threshold is put where the
    share, or the spend of a day, is what you ask for. The curve shows what other thresholds would do.
    Nothing is written without --write. A target is an expectation; what caps spend is a budget.

    From questions with known answers (--model): every question is put to the model. What is printed belongs
    under models.NAME.escalate: it turns what the model's own logits say of the first tokens into the
    probability that the answer is right. It holds for this file and this chat template only, and an engine
    with others does not start. Ten right and ten wrong answers are needed at least; some hundred are better.

    Example: gateway calibrate --policy policy.yaml --input decisions.jsonl --target-cloud-share 0.2 --write

    Example: gateway calibrate --policy policy.yaml --model edge --labelled questions.jsonl
    """
    of_share = {
        "--input": input_, "--target-cloud-share": target_cloud_share, "--max-usd-per-day": max_usd_per_day,
        "--rule": rule, "--write": write or None,
    }  # fmt: skip
    of_model = {"--model": model, "--labelled": labelled}
    _refuse_mixed(_given(of_share), _given(of_model))
    if model is not None and labelled is not None:
        configure_logs()  # An engine's start, to standard error: standard output is for the result.
        calibrate_model(load_policy(policy or default_policy_path()), model, labelled=labelled, as_json=json)
    elif input_ is not None:
        targets = Targets(cloud_share=target_cloud_share, max_usd_per_day=max_usd_per_day, rule=rule)
        calibrate_share(policy, input_, targets, writes=write, as_json=json)


def _given(options: Mapping[str, object]) -> list[str]:
    return [name for name, value in options.items() if value is not None]


def _refuse_mixed(of_share: list[str], of_model: list[str]) -> None:
    """Refuse what belongs to both modes, or to none, in one line."""
    if of_share and of_model:
        said = f"{of_model[0]} does not go with {of_share[0]}: say either --input or --model"
    elif len(of_model) == 1:
        said = f"{of_model[0]} needs {'--labelled FILE' if of_model == ['--model'] else '--model NAME'}"
    elif of_share and "--input" not in of_share:
        said = f"{of_share[0]} needs --input FILE"
    elif of_share and not {"--target-cloud-share", "--max-usd-per-day"} & set(of_share):
        said = "--input needs --target-cloud-share, --max-usd-per-day, or both"
    elif not of_share and not of_model:
        said = _NEEDS
    else:
        return
    raise CommandFailed(f"calibrate: {said}", status=MISUSED)
