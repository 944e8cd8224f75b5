"""Options of a command as one value: a frozen dataclass, each of whose fields is an option.

A field is made by `option` or `setting`, or its type is one of those that commands share, as Labels is.
"""

import inspect
from collections.abc import Callable
from dataclasses import field, fields, is_dataclass
from functools import partial, wraps
from typing import Any, get_type_hints

import typer

_parameter = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)


def option(
    default: object, metavar: str | None, text: str, *, envvar: str | None = None, **more: str | float
) -> Any:
    """Return a field that is an option with the help `text`; a switch has no metavar.

    `more` are arguments of typer.Option, such as `min` and `max` of a number.
    """
    return field(default=default, metadata={"metavar": metavar, "help": text, "envvar": envvar, **more})


def setting(default: object, metavar: str | None, text: str, **more: str | float) -> Any:
    """Return an option that the variable GATEWAY_ and its name sets, too."""
    return option(default, metavar, text, envvar="GATEWAY_{}", **more)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command for typer: each parameter that is a dataclass becomes one option for each field."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    options: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        options += _options(groups[parameter.name]) if parameter.name in groups else [parameter]

    @wraps(command)
    def run(**given: Any) -> None:
        values = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **values)

    run.__dict__["__signature__"] = inspect.Signature(options)
    return run


def _options(group: Any) -> list[inspect.Parameter]:
    """Return a parameter for typer for each field."""
    hints = get_type_hints(group, include_extras=True)
    options = []
    for each in fields(group):
        if not each.metadata:
            options.append(_parameter(each.name, default=each.default, annotation=hints[each.name]))
            continue
        facts = dict(each.metadata)
        if facts["envvar"] is not None:
            facts["envvar"] = facts["envvar"].format(each.name.upper())
        # Without its name a switch would get a second one, `--no-...`.
        default = typer.Option(each.default, f"--{each.name.strip('_').replace('_', '-')}", **facts)
        options.append(_parameter(each.name, default=default, annotation=hints[each.name]))
    return options
