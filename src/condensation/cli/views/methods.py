"""Printed form of ``condense methods``."""

import inspect
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from condensation.config.field_docs import field_docs
from condensation.config.registry import lookup
from condensation.core.plain import to_dict
from condensation.methods.base import Method
from condensation.methods.registry import METHODS
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.presets import PRESETS


def methods(*, as_json: bool) -> None:
    """Run ``condense methods``."""
    if as_json:
        return print_json({name: to_dict(method()) for name, method in METHODS.items()})
    rows = table("method", "description", "settings and defaults")
    for name, method in METHODS.items():
        settings = ", ".join(f"{field.name}={in_short(getattr(method(), field.name))}" for field in fields(method)) or "none"
        rows.add_row(name, description(method).splitlines()[0], settings)
    screen = plain_console()
    screen.print(rows, soft_wrap=False)
    return screen.print(f"Details: condense methods METHOD. Presets (--preset {', '.join(PRESETS)}) change some defaults.")


def method(name: str, *, as_json: bool) -> None:
    """Run ``condense methods METHOD``."""
    kind = lookup(Method, name)
    if as_json:
        return print_json(settings_of(kind))
    print(f"{name}: {description(kind)}\n")
    return print_settings_of(kind)


def description(kind: type) -> str:
    """Return the docstring of a class without its example."""
    return (inspect.getdoc(kind) or "").partition("\n\n>>> ")[0]


def settings_of(settings: Any) -> dict[str, dict[str, str]]:
    """Return type, default and description of each setting of a dataclass, or of a registered value of it."""
    kind = settings if isinstance(settings, type) else type(settings)
    types, docs, descriptions = get_type_hints(kind), field_docs(kind), {}
    for field in fields(kind):
        name = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        words = map(str, get_args(types[field.name])) if get_origin(types[field.name]) is Literal else [name]
        default = in_short(getattr(settings, field.name)) if hasattr(settings, field.name) else "required"
        descriptions[field.name] = {"type": " | ".join(words), "default": default, "description": docs.get(field.name, "")}
    return descriptions


def print_settings_of(settings: Any) -> None:
    """Print a table of settings."""
    rows = table("setting", "type", "default", "description")
    for name, setting in settings_of(settings).items():
        rows.add_row(name, *setting.values())
    plain_console().print(rows if rows.row_count else "It has no settings.", soft_wrap=False)


def in_short(value: Any) -> str:
    """Return a setting in one line; a group of settings with a name is written as its name."""
    content = to_dict(value)
    if not isinstance(content, dict):
        return str(content)
    return str(content["name"]) if "name" in content else f"({', '.join(f'{key}={in_short(item)}' for key, item in content.items())})"
