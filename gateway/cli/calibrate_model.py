"""Calibrates the confidence of a local model from labelled questions, for `escalate.calibration`."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.terminal import console
from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Role
from gateway.domain.files import sha256_of_file
from gateway.engine.models import resolve_model_path
from gateway.offline.confidence_fit import ConfidenceOutcome, Fit, compare_signals, fit
from gateway.offline.labelled import LabelledQuestion, read_questions
from gateway.offline.model_probe import ModelProbe, ProbeAnswer
from gateway.policy.model import LlamaCppModel, Policy

_SIGNALS = ("intercept", "mean_logprob", "least_margin", "prompt_entropy", "prompt_margin")


def calibrate_model(policy: Policy, name: str, *, labelled: Path, as_json: bool) -> None:
    """Ask a model of the policy every question, and print the calibration; raises CommandFailed."""
    spec = policy.engines.get(name)
    if spec is None:
        known = ", ".join(policy.engines)
        raise CommandFailed(
            f"--model {name}: the policy has no such local model; it has {known or 'none'}", status=MISUSED
        )
    questions = read_questions(labelled)
    outcomes, template_sha256 = asyncio.run(_ask(name, spec, questions))
    try:
        found = fit(outcomes)
    except ValueError as error:
        raise CommandFailed(f"{labelled}: {error}") from None
    _print(found, outcomes, as_json=as_json, hashes=_hashes(spec, template_sha256))
    if not as_json and (compared := compare_signals(outcomes)) is not None:
        print(
            f"Samples of {compared.answers} answers, {compared.sample_tokens:.0f} tokens each. AUROC on"
            f" held-out answers: by the tokens {compared.logits:.3f}, by agreement {compared.agreement:.3f},"
            f" by both {compared.both:.3f}.",
            file=sys.stderr,
        )


async def _ask(
    name: str, spec: LlamaCppModel, questions: Sequence[LabelledQuestion]
) -> tuple[list[ConfidenceOutcome], str]:
    """Return the outcome of each question, and the hash of the engine's chat template."""
    probe = ModelProbe(name, spec, clock=SystemClock())
    await probe.start()
    try:
        bar = track(
            questions, description="asking", console=console(sys.stderr), disable=not sys.stderr.isatty()
        )
        asked = ((Message(role=Role.USER, content=question.text),) for question in bar)
        answers = [each async for each in probe.answers(asked)]
        return list(_outcomes(questions, answers)), probe.template_sha256
    finally:
        await probe.close()


def _outcomes(
    questions: Sequence[LabelledQuestion], answers: Sequence[ProbeAnswer]
) -> Iterator[ConfidenceOutcome]:
    """Yield the outcome of each question; an answer without a token is left out."""
    for question, reply in zip(questions, answers, strict=True):
        if reply.signals is not None:
            yield ConfidenceOutcome(
                signals=reply.signals,
                is_right=question.is_right(reply.text),
                agreement=reply.agreement,
                sample_tokens=reply.sample_tokens,
            )


def _hashes(spec: LlamaCppModel, template_sha256: str) -> dict[str, str]:
    model = spec.sha256 or sha256_of_file(resolve_model_path(spec.path))
    return {"model_sha256": model, "template_sha256": template_sha256}


def _print(
    found: Fit, outcomes: Sequence[ConfidenceOutcome], *, as_json: bool, hashes: dict[str, str]
) -> None:
    """Print the block for the policy on standard output, and its quality on standard error."""
    values = asdict(found)
    if as_json:
        compared = compare_signals(outcomes)
        both = {} if compared is None else {"agreement": asdict(compared)}
        print(json.dumps({"answers": len(outcomes), **hashes, **values, **both}))
        return
    print("calibration:")
    for key, value in hashes.items():
        print(f'  {key}: "{value}"')
    for key in _SIGNALS:
        print(f"  {key}: {values[key]:.6g}")
    right = sum(outcome.is_right for outcome in outcomes)
    print(
        f"{len(outcomes)} answers, {right} right. On held-out answers: AUROC {found.auroc:.3f} (by the"
        f" tokens' probability alone {found.auroc_uncalibrated:.3f}), calibration error"
        f" {found.calibration_error:.3f}. Put the block under models.NAME.escalate.",
        file=sys.stderr,
    )
