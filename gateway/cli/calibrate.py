"""`gateway calibrate`: sets the threshold of complexity or of a local model's confidence from data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.calibrate_model import calibrate_model
from gateway.cli.calibrate_share import Targets, calibrate_share
from gateway.cli.calibrate_signals import calibrate_signals
from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.option_groups import option, with_groups
from gateway.cli.options import PolicyFile
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.telemetry.logs import configure_logs

_SHARE = "Cloud share, from recorded traffic"
_SIGNALS = "Conditions that pay, from rated answers"
_MODEL = "Confidence of a local model, from labelled questions"
_NEEDS = (
    "needs --input FILE with --target-cloud-share or --max-usd-per-day, or --model NAME with --labelled FILE,"
    " or --input FILE with --signals"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateFlags:
    """The options of all modes."""

    input_: Path | None = option(
        None,
        "FILE",
        "The --decisions file of gateway serve; its full files and those of workers are read too.",
        rich_help_panel=_SHARE,
    )
    target_cloud_share: float | None = option(
        None,
        "X",
        "Target: share of requests in the cloud, 0 to 1.",
        min=0.0,
        max=1.0,
        rich_help_panel=_SHARE,
    )
    max_usd_per_day: float | None = option(
        None,
        "N",
        "Target: cost of an average day in US dollars. Of two targets the smaller share applies.",
        min=0.0,
        rich_help_panel=_SHARE,
    )
    rule: str | None = option(
        None,
        "NAME",
        "The rule whose threshold is set; needed where several rules compare complexity with a number.",
        rich_help_panel=_SHARE,
    )
    write: bool = option(
        False,
        None,
        "Write the number into the policy file; no other character changes.",
        rich_help_panel=_SHARE,
    )
    signals: bool = option(
        False,
        None,
        "With --input: propose conditions on length, tools and effort that pay, by the feedback on answers.",
        rich_help_panel=_SIGNALS,
    )
    model: str | None = option(None, "NAME", "A local model of the policy.", rich_help_panel=_MODEL)
    labelled: Path | None = option(
        None,
        "FILE",
        'JSON lines {"text", "answer"}: a string, a list, or null where no answer is right.',
        rich_help_panel=_MODEL,
    )


@with_groups
def calibrate(
    flags: CalibrateFlags,
    *,
    policy: PolicyFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Set a threshold from your own data: a cloud share, conditions, or the confidence of a local model.

    From recorded traffic (--input): each request is decided twice, as above and as below the threshold.
    Those whose route differs are sorted by complexity, and the threshold is set where the share, or the
    spend of a day, meets the target. The curve shows the results of other thresholds. Nothing is written
    without --write. A target is an estimate; only a budget caps spend.

    From rated answers (--input with --signals): for each signal that rules may read the condition is sought
    for which the cloud gains most over the edge. It pays where it also does on answers that were held out.
    At least 100 rated answers are needed.

    From labelled questions (--model): the model answers every question. Put the printed block under
    models.NAME.escalate: it turns the model's logits of the first tokens into the probability that the
    answer is right. It is valid for this file and this chat template only; an engine with others does not
    start. At least ten right and ten wrong answers are needed; some hundred are better.

    Example: gateway calibrate --policy policy.yaml --input decisions.jsonl --target-cloud-share 0.2 --write

    Example: gateway calibrate --policy policy.yaml --input decisions.jsonl --signals

    Example: gateway calibrate --policy policy.yaml --model edge --labelled questions.jsonl
    """
    of_share = {
        "--input": flags.input_, "--target-cloud-share": flags.target_cloud_share,
        "--max-usd-per-day": flags.max_usd_per_day, "--rule": flags.rule, "--write": flags.write or None,
    }  # fmt: skip
    of_model = {"--model": flags.model, "--labelled": flags.labelled}
    _refuse_mixed(_given(of_share), _given(of_model), of_signals=flags.signals)
    if flags.model is not None and flags.labelled is not None:
        configure_logs()  # The engine logs to standard error; standard output has the result only.
        checked = load_policy(policy or default_policy_path())
        calibrate_model(checked, flags.model, labelled=flags.labelled, as_json=json)
    elif flags.input_ is not None and flags.signals:
        calibrate_signals(load_policy(policy or default_policy_path()), flags.input_, as_json=json)
    elif flags.input_ is not None:
        targets = Targets(
            cloud_share=flags.target_cloud_share, max_usd_per_day=flags.max_usd_per_day, rule=flags.rule
        )
        calibrate_share(policy, flags.input_, targets, writes=flags.write, as_json=json)


def _given(options: Mapping[str, object]) -> list[str]:
    return [name for name, value in options.items() if value is not None]


def _refuse_mixed(of_share: list[str], of_model: list[str], *, of_signals: bool) -> None:
    """Raise CommandFailed for options of two modes, and for incomplete ones."""
    others = [*of_model, *(each for each in of_share if each != "--input")]
    if of_signals and others:
        problem = f"--signals does not go with {others[0]}"
    elif of_signals:
        if of_share:
            return
        problem = "--signals needs --input FILE"
    elif of_share and of_model:
        problem = f"{of_model[0]} does not go with {of_share[0]}: give either --input or --model"
    elif len(of_model) == 1:
        problem = f"{of_model[0]} needs {'--labelled FILE' if of_model == ['--model'] else '--model NAME'}"
    elif of_share and "--input" not in of_share:
        problem = f"{of_share[0]} needs --input FILE"
    elif of_share and not {"--target-cloud-share", "--max-usd-per-day"} & set(of_share):
        problem = "--input needs --target-cloud-share, --max-usd-per-day, or both; or --signals"
    elif not of_share and not of_model:
        problem = _NEEDS
    else:
        return
    raise CommandFailed(f"calibrate: {problem}", status=MISUSED)
