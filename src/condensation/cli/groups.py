"""Options that several commands share, written once: a dataclass of them stands in a command's signature for all of its fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` as the command line takes it: each parameter that is a dataclass of options gives way to its fields, in their order."""
    taken = signature(command, eval_str=True)
    kinds: dict[str, Any] = {name: one.annotation for name, one in taken.parameters.items() if is_dataclass(one.annotation)}
    parameters: list[Parameter] = []
    for name, one in taken.parameters.items():
        parameters += _options_of(kinds[name]) if name in kinds else [one]

    @wraps(command)
    def on_the_command_line(**given: Any) -> None:
        groups = {name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in kinds.items()}
        return command(**given, **groups)

    on_the_command_line.__signature__ = taken.replace(parameters=parameters)  # type: ignore[attr-defined]
    on_the_command_line.__annotations__ = {one.name: one.annotation for one in parameters}
    return on_the_command_line


def _options_of(kind: Any) -> list[Parameter]:
    types = get_type_hints(kind, include_extras=True)
    assert all(field.default is not MISSING for field in fields(kind)), f"an option of {kind.__name__} has no default"
    usual = {field.name: field.default for field in fields(kind)}
    return [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=usual[name], annotation=types[name]) for name in usual]
