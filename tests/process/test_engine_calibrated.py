"""A calibration holds for the file and the template that it was made for, and the engine sees to it."""

from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.domain.files import sha256_of_file
from gateway.engine.calibrated import check_calibration, sha256_of_template
from gateway.engine.models import resolve_model_path
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.policy.escalation import Calibration, Escalate
from gateway.policy.model import LlamaCppModel

MODEL = resolve_model_path("builtin:demo")
TEMPLATE = "{{ messages }}"


def a_spec(*, model: str, template: str = TEMPLATE, **keys: object) -> LlamaCppModel:
    """Return the embedded model with a calibration for this file and template."""
    calibration = Calibration(
        model_sha256=model,
        template_sha256=sha256_of_template(template, {}),
        intercept=0.0,
        mean_logprob=1.0,
        least_margin=0.0,
        prompt_entropy=0.0,
        prompt_margin=0.0,
    )
    fixed = {"kind": "llama_cpp", "path": "builtin:demo", "clearance": "restricted"}
    return LlamaCppModel.model_validate(fixed | {"escalate": Escalate(calibration=calibration)} | keys)


def check(spec: LlamaCppModel) -> None:
    """Check a spec as an engine does."""
    check_calibration(spec, MODEL, template=TEMPLATE, on_progress=lambda share: None)


def test_its_own_file_and_template() -> None:
    """By the file's own hash, or by the one that the policy pins and that was checked before."""
    check(a_spec(model=sha256_of_file(MODEL)))
    check(a_spec(model="c" * 64, sha256="c" * 64))


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (a_spec(model="a" * 64), "file"),
        (a_spec(model=sha256_of_file(MODEL), template="another"), "template"),
        (a_spec(model=sha256_of_file(MODEL), sha256="d" * 64), "file"),
    ],
)
def test_another_is_refused(spec: LlamaCppModel, what: str) -> None:
    """With what differs, and the way out."""
    with pytest.raises(StartupError, match=f"made for another {what} .*make it again with gateway calibrate"):
        check(spec)


async def test_an_engine_does_not_start_with_the_wrong_one() -> None:
    """One line, and no engine is left."""
    spec = a_spec(model="a" * 64)
    supervisor = EngineSupervisor("edge", spec, clock=SystemClock(), on_status=lambda model, is_serving: None)

    with pytest.raises(StartupError, match=r"escalate\.calibration was made for another file"):
        await supervisor.start()

    assert supervisor.pid is None
    assert not Path(supervisor.target.removeprefix("unix:")).parent.exists()
