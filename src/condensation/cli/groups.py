"""Groups of options: a dataclass in a command's signature becomes one option per field."""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` with each parameter that is a dataclass of options replaced by the fields of the dataclass, in order."""
    original = signature(command, eval_str=True)
    annotations = {name: parameter.annotation for name, parameter in original.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in annotations.items() if is_dataclass(kind)}
    parameters: list[Parameter] = []
    for name, parameter in original.parameters.items():
        parameters += _options_of(groups[name]) if name in groups else [parameter]

    @wraps(command)
    def with_options(**values: Any) -> None:
        made = {name: group(**{field.name: values.pop(field.name) for field in fields(group)}) for name, group in groups.items()}
        return command(**values, **made)

    with_options.__signature__ = original.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _options_of(group: Any) -> list[Parameter]:
    types = get_type_hints(group, include_extras=True)
    assert all(field.default is not MISSING for field in fields(group)), f"an option of {group.__name__} has no default"
    kind = Parameter.POSITIONAL_OR_KEYWORD
    return [Parameter(field.name, kind, default=field.default, annotation=types[field.name]) for field in fields(group)]
