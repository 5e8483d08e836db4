"""Comparison of nested settings."""

from collections.abc import Mapping
from typing import Any

from condensation.core.renamed import ADDED


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
    return None if saved == wanted else f"{name} is {saved!r} there, {wanted!r} here"
