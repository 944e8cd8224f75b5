"""A policy made from flags of `gateway serve`: its text, and the file that it is read from like any other."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gateway.domain.files import replacing
from gateway.errors import StartupError
from gateway.ledger.open import default_folder, make_default_folder
from gateway.policy.loading.load import default_policy_path, load_policy, parse_policy
from gateway.policy.loading.starting import KEY_VARIABLE, ModelFlags

_BUILTIN = "builtin:"


def model_flags(
    policy: Path | None, *, model: str | None, cloud: str | None, price: str | None, base_url: str | None
) -> ModelFlags | None:
    """Return what the flags say of models; None: they say nothing. Raises StartupError."""
    if (model, cloud, price, base_url) == (None, None, None, None):
        return None
    if policy is not None:
        raise StartupError(
            f"--policy {policy}: does not go with --model and --cloud; the policy names the models"
        )
    if model is not None and not model.startswith(_BUILTIN):
        if not Path(model).is_file():
            raise StartupError(f"--model {model}: there is no such file; gateway models pull fetches one")
        model = str(Path(model).absolute())
    return ModelFlags(model=model, cloud=cloud, price=price, base_url=base_url)


def shown_policy(policy: Path | None, flags: ModelFlags | None) -> str:
    """Return the text of the policy that would run; raises PolicyError where it is none, and StartupError."""
    if flags is not None:
        text = flags.policy_text()
        parse_policy(text, name="--show-policy")
        return text
    path = policy or default_policy_path()
    return load_policy(path).source.text


def policy_of_flags(flags: ModelFlags, environ: Mapping[str, str]) -> Path:
    """Write the policy beside the default ledger, under a name that its content gives; return its path.

    So each worker, and each start with the same flags, reads the same file. Raises StartupError.
    """
    text = flags.policy_text().encode("utf-8")
    if flags.cloud is not None and not environ.get(KEY_VARIABLE, "").strip():
        raise StartupError(
            f"--cloud {flags.cloud}: the variable {KEY_VARIABLE} is not set; set it to your key"
        )
    make_default_folder(environ)
    path = default_folder(environ) / f"policy-{hashlib.sha256(text).hexdigest()[:12]}.yaml"
    try:
        if not path.is_file() or path.read_bytes() != text:
            with replacing(path) as file:
                file.write(text)
    except OSError as error:
        raise StartupError(f"{path}: cannot be written ({error.strerror})") from None
    return path
