"""Checks that the calibration of a policy was made for the model file and template of an engine."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.domain.files import sha256_of_file
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel


def sha256_of_template(source: str, variables: Mapping[str, object]) -> str:
    """Return the SHA-256 of a chat template and its variables of the policy, in hexadecimal."""
    said = json.dumps(dict(variables), sort_keys=True) if variables else ""
    return hashlib.sha256((source + said).encode()).hexdigest()


def check_calibration(
    spec: LlamaCppModel, path: Path, *, template: str, on_progress: Callable[[float], None]
) -> None:
    """Raise StartupError if `escalate.calibration` was made for another model.

    A `sha256` in the policy was compared with the file before, so the file is not read again.
    """
    calibration = None if spec.escalate is None else spec.escalate.calibration
    if calibration is None:
        return
    model = spec.sha256 or sha256_of_file(path, on_progress=on_progress)
    for what, wanted, found in (
        ("file", calibration.model_sha256, model),
        ("template", calibration.template_sha256, sha256_of_template(template, spec.template_kwargs)),
    ):
        if wanted != found:
            raise StartupError(
                f"{path}: escalate.calibration was made for another {what} ({wanted[:12]}, this one is"
                f" {found[:12]}); make it again with gateway calibrate, or remove it from the policy"
            )
