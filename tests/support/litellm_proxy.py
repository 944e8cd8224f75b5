"""LiteLLM's proxy as a process that reaches nothing but loopback, and the models that it is told of."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

ALIVE = "/health/liveliness"
LOCAL = {
    f"LITELLM_LOCAL_{name}": "True"
    for name in (
        "MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS", "BLOG_POSTS", "POLICY_TEMPLATES",
    )
}  # fmt: skip
"""Lists that it fetches at its start otherwise; its package has a copy of each."""
NOWHERE = "127.0.0.1:9"
"""Where nobody listens."""


def environ(nowhere: str = NOWHERE, **more: str) -> dict[str, str]:
    """Return its variables: what is not on loopback is asked of the proxy `nowhere`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LITELLM", "OPENAI", "ANTHROPIC"))
    }
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://{nowhere}")
    return {**kept, **LOCAL, **proxies, "NO_PROXY": "127.0.0.1", "LITELLM_LOG": "ERROR", **more}


def write_config(path: Path, models: Mapping[str, Mapping[str, object]], **settings: object) -> None:
    """Write its configuration; JSON is YAML, too."""
    listed = [{"model_name": name, "litellm_params": dict(given)} for name, given in models.items()]
    config = {
        "model_list": listed,
        "litellm_settings": {"telemetry": False, "num_retries": 0, **settings},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    path.write_text(json.dumps(config), encoding="utf-8")


def command(program: Path, config: Path, address: str, *flags: str) -> Sequence[str]:
    """Return its command line."""
    host, _, port = address.rpartition(":")
    where = ("--host", host, "--port", port)
    return (str(program), "--config", str(config), *where, "--telemetry", "False", *flags)
