"""Settings as plain values: nested dicts, lists, numbers and strings, as in TOML and JSON."""

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from condensation.core.renamed import ADDED

FROM_FILE = "condensation_own_"  # prefix of the names of modules imported from a file


class Registered:
    """Base class of objects that settings choose by name: methods, networks, samplers, augmentations, kernels."""

    name: ClassVar[str]
    """Name in settings, declared by each class of this library; user classes are named ``module:name``."""
    name_field: ClassVar[str | None] = None
    """Field with the user's callable, whose ``module:name`` is the name in settings; None if there is no such field."""


def name_of(value: object) -> str | None:
    """Return the name of ``value`` in settings, ``module:name`` for user code; None for values without a name."""
    if not isinstance(value, Registered):
        return qualified_name(type(value)) if hasattr(value, "per_class") and hasattr(value, "per_image") else None
    if value.name_field:
        return qualified_name(getattr(value, value.name_field))
    kind = type(value)
    declared = vars(kind).get("name") if kind.__module__.partition(".")[0] == "condensation" else None
    return declared if isinstance(declared, str) else qualified_name(kind)


def to_dict(value: Any) -> Any:
    """Return ``value`` as nested dicts, lists, numbers and strings; `condensation.config.build.from_dict` is the inverse."""
    if is_dataclass(value) and not isinstance(value, type):
        name = name_of(value)
        replaced = getattr(value, "name_field", None)
        content = {field.name: to_dict(getattr(value, field.name)) for field in fields(value) if field.init and field.name != replaced}
        return {"name": name, **content} if name else content
    if isinstance(value, Mapping):
        return {str(key): to_dict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = name_of(value)
    return {"name": name} if name else qualified_name(value)


def qualified_name(value: Any) -> str:
    """Return the name by which `import_object` finds ``value``, a function or a class; for other objects, the name of their class.

    For a lambda, a nested function or a partial, it is a description that `import_object` rejects.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        arguments = [*map(repr, value.args), *(f"{key}={item!r}" for key, item in value.keywords.items())]
        return f"<{qualified_name(value.func)} with {', '.join(arguments)}>"
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{_module_or_file(named.__module__)}:{named.__qualname__}"


def _module_or_file(module_name: str) -> str:
    """Return the name of a module, or its file if it cannot be imported by name."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file and (module_name == "__main__" or module_name.startswith(FROM_FILE)):
        return relative_path(file)
    return module_name


def relative_path(file: str) -> str:
    """Return ``file`` relative to the current folder if it is inside it."""
    path = Path(os.path.abspath(file))
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def grown(saved: Any, wanted: Any, growing: str) -> Any:
    """Return ``saved`` settings with the number at the dotted name ``growing`` from ``wanted`` if that is larger."""
    name, _, rest = growing.partition(".")
    if not all(isinstance(settings, Mapping) and name in settings for settings in (saved, wanted)):
        return saved
    before, now = saved[name], wanted[name]
    larger = not rest and isinstance(before, int) and isinstance(now, int) and before < now
    return {**saved, name: grown(before, now, rest) if rest else now if larger else before}


def first_difference(saved: Any, wanted: Any, name: str = "") -> str | None:
    """Return the first difference between nested settings, such as ``method.lr is 1.0 there, 2.0 here``; None if they are equal."""
    if isinstance(saved, Mapping) and isinstance(wanted, Mapping):
        added = {key: value for key, value in wanted.items() if value is False or (key in ADDED and value == ADDED[key])}
        saved = {**added, **saved}  # settings that were added since
        keys = [*saved, *(key for key in wanted if key not in saved)]
        differences = (first_difference(saved.get(key), wanted.get(key), f"{name}.{key}" if name else str(key)) for key in keys)
        return next(filter(None, differences), None)
    return None if saved == wanted else f"{name} is {_short(saved, wanted)} there, {_short(wanted, saved)} here"


def _short(value: Any, other: Any) -> str:
    """Return ``value`` for a message: a group of settings by its name, a number with at most six digits if that tells it from ``other``."""
    if isinstance(value, Mapping):
        return str(value.get("name") or value)
    if isinstance(value, float) and isinstance(other, float) and f"{value:.6g}" != f"{other:.6g}":
        value = float(f"{value:.6g}")
    return repr(value)
