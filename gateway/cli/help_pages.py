"""Layout of the help of commands: paragraphs as wide as the terminal, options in groups."""

import inspect
from collections.abc import Mapping
from typing import Any

VERBATIM = "\b"
"""Marks a paragraph whose line breaks are kept, as in click."""
SETTINGS = {"help_option_names": ["-h", "--help"]}

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "serve": {
        "What answers": ("policy", "model", "cloud", "price", "base_url", "show_policy"),
        "Change of the policy while it runs": ("watch_policy", "allow_loosening", "shadow"),
        "Where it listens": ("listen", "http", "max_request_bytes", "workers"),
        "Who may call": (
            "keys", "tls_cert", "tls_key", "tls_client_ca", "trust_tenant_header", "guard_health", "insecure",
        ),
        "What leaves this host, and what is kept": ("air_gap", "state", "decisions"),
        "Telemetry": ("log_format", "metrics", "insecure_metrics", "otlp", "own_traces", "admin"),
        "Life cycle": ("drain_s", "grace_s"),
    },
    "generate": {
        "The answer": ("max_tokens", "temperature", "system", "tool", "image", "stream", "chat"),
        "What is printed": ("quiet", "verbose", "as_json"),
        "How it is routed": ("model", "privacy_class", "max_cost_usd", "label", "no_degraded"),
        "Which gateway": ("server", "timeout_s", "tls_ca", "tls_cert", "tls_key"),
    },
}  # fmt: skip
"""Command -> group -> options, for commands with more options than fit on a screen."""
MANY_VARIABLES = 5
"""Number of options with the usual variable from which the help explains the form once."""


def fit(command: Any, name: str) -> Any:
    """Group the options of a command and shorten their help; return the command."""
    groups = {option: group for group, options in GROUPS.get(name, {}).items() for option in options}
    order = {group: number for number, group in enumerate(GROUPS.get(name, {}), start=1)}
    command.params.sort(key=lambda each: order.get(groups.get(each.name, ""), 0))  # Stable.
    named_alike = [each for each in command.params if _has_usual_variable(each)]
    for each in command.params:
        if getattr(each, "is_flag", False):
            each.metavar = ""
        if each.name in groups:
            each.rich_help_panel = groups[each.name]
    if len(named_alike) >= MANY_VARIABLES:
        for each in named_alike:
            each.show_envvar = False
        example = named_alike[-1]
        command.help += (
            f"\n\nMost options can also be set by a variable: {example.opts[0]} by {example.envvar}."
        )
    for below_name, below in getattr(command, "commands", {}).items():
        fit(below, f"{name} {below_name}")
    return command


def _has_usual_variable(option: Any) -> bool:
    return getattr(option, "envvar", None) == f"GATEWAY_{option.name.upper()}"


def prepare(command: Any) -> Any:
    """Unwrap the help of a command and its subcommands; return the command."""
    command.context_settings = {**command.context_settings, **SETTINGS}
    command.help = unwrapped(command.help or "")
    for below in getattr(command, "commands", {}).values():
        prepare(below)
    return command


def unwrapped(text: str) -> str:
    """Return a help text without the line breaks of its source; the terminal wraps it."""
    return "\n\n".join(_unwrapped(paragraph) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _unwrapped(paragraph: str) -> str:
    if paragraph.startswith(VERBATIM):
        return paragraph.removeprefix(VERBATIM).removeprefix("\n")
    return paragraph.replace("\n", " ")
