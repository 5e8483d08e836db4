"""Settings as plain values: nested dicts, lists, numbers and strings, as in TOML and JSON."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

from condensation.core.user_code import qualified_name


class Registered:
    """Base of the classes that settings choose by name: methods, networks, samplers, augmentations, kernels."""

    name: ClassVar[str]
    """Name in settings, declared by each class of this library; classes of users are named ``module:name``."""
    name_field: ClassVar[str | None] = None
    """Field that holds a user's callable, whose ``module:name`` is the name in settings; None if there is none."""


def name_of(value: object) -> str | None:
    """Return the name of ``value`` in settings, ``module:name`` for code of the user; None for values without a name."""
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
