"""The dataclasses are the configuration: to and from plain values, such as TOML and JSON hold."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from condensation.config.registry import FAMILIES, lookup
from condensation.core.errors import CondensationError, did_you_mean
from condensation.core.plain import to_dict
from condensation.methods.base import Method

T = TypeVar("T")

IN_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    dict: "a table of name = value",
}


def from_dict(kind: type[T], content: Any, base: T | None = None, where: str = "") -> T:
    """A value of type ``kind`` from plain ``content``; what is not said stays as in ``base``, or as by default.

    Messages name settings below ``where``, the setting that holds them all.

    Raises:
        CondensationError: for a name that does not exist or a value of the wrong type; the message says which there are.
    """
    return _build(kind, content, base, where)  # type: ignore[no-any-return]


def _build(kind: Any, content: Any, base: Any, where: str) -> Any:
    options = [option for option in (get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,))]
    if type(None) in options:
        if content is None or content == "none":
            return None
        options.remove(type(None))
    if len(options) > 1:
        return _first_that_fits(options, content, base, where)
    (kind,) = options
    if kind in FAMILIES:
        return _member(kind, content, base, where)
    if is_dataclass(kind):
        return _dataclass(kind, content, base, where)
    if get_origin(kind) is Literal:
        if content not in get_args(kind):
            raise CondensationError(f"{where} is {content!r}; it can be {', '.join(map(str, get_args(kind)))}.")
        return content
    if get_origin(kind) in (tuple, list):
        items = content.split(",") if isinstance(content, str) else content
        if not isinstance(items, Sequence):
            raise _wrong_type(where, content, "a list")
        return get_origin(kind)(_build(get_args(kind)[0], item, None, where) for item in items)
    if get_origin(kind) is dict:
        if not isinstance(content, Mapping):
            raise _wrong_type(where, content, IN_WORDS[dict])
        return {str(key): _build(get_args(kind)[1], item, None, f"{where}.{key}") for key, item in content.items()}
    return _scalar(kind, content, where)


def _first_that_fits(options: list[Any], content: Any, base: Any, where: str) -> Any:
    for option in options:
        if isinstance(content, get_origin(option) or option):
            return _build(option, content, base, where)
    raise _wrong_type(where, content, " or ".join(IN_WORDS[get_origin(option) or option] for option in options))


def _member(kind: Any, content: Any, base: Any, where: str) -> Any:
    """A value of a family: its name chooses the kind, other settings change it."""
    if isinstance(content, str):
        content = {"name": content}
    if not isinstance(content, Mapping):
        raise _wrong_type(where, content, f"a name ({', '.join(FAMILIES[kind])}) or settings")
    name = content.get("name")
    if name is not None:
        chosen = lookup(kind, name)
        # A method that is named again keeps what a preset says of it; of networks there are several with one type.
        base = base if kind is Method and type(base) is type(chosen) else chosen
    elif base is None:
        base = next(iter(FAMILIES[kind].values()))
    settings = {key: value for key, value in content.items() if key != "name"}
    if isinstance(base, type):
        return _dataclass(base, settings, None, where)
    return _dataclass(type(base), settings, base, where) if settings else base


def _dataclass(kind: Any, content: Any, base: Any, where: str) -> Any:
    if not isinstance(content, Mapping):
        content = {"name": content}
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind) if field.init]
    for key in content:
        if key == "name" and where and key not in known:  # of no family, so there is nothing that a name could choose
            raise _wrong_type(where, content[key], f"given one by one: {', '.join(f'{where}.{name}' for name in known)}")
        if key not in known:
            raise _no_setting(kind, key, known, _places(to_dict(base if base is not None else _usual(kind)), key, where))
    changes = {}
    for key, value in content.items():
        old = getattr(base, key) if base is not None else None
        changes[key] = _build(hints[key], value, old, f"{where}.{key}" if where else key)
    if base is not None:
        return replace(base, **changes)
    for field in fields(kind):
        if field.init and field.default is MISSING and field.default_factory is MISSING and field.name not in changes:
            raise CondensationError(f"{kind.__name__} needs its setting {field.name!r}.\nSay it as {where}.{field.name}=VALUE.")
    return kind(**changes)


def _scalar(kind: Any, content: Any, where: str) -> Any:
    if kind in (object, Any):
        return None if content == "none" else content
    if kind is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    if kind is str and isinstance(content, int | float):
        return str(content)
    if not isinstance(content, kind) or (isinstance(content, bool) and kind is not bool):
        raise _wrong_type(where, content, IN_WORDS.get(kind, f"a {kind.__name__}"))
    if kind is float and not math.isfinite(content):
        raise _wrong_type(where, content, "a finite number")
    return content


def _usual(kind: Any) -> Any:
    """What ``kind`` is by default, or nothing if it has settings without a default."""
    try:
        return kind()
    except TypeError:
        return None


def _places(content: Any, key: str, where: str) -> list[str]:
    """Where parts of ``content`` have a setting ``key``: ``method.steps``."""
    if not isinstance(content, dict):
        return []
    found = []
    for name, part in content.items():
        path = f"{where}.{name}" if where else name
        found += ([f"{path}.{key}"] if isinstance(part, dict) and key in part else []) + _places(part, key, path)
    return found


def _no_setting(kind: Any, key: str, known: list[str], places: list[str]) -> CondensationError:
    has = f"It has {', '.join(known)}." if known else "It has none."
    if "options" in known:
        has += f" What it is called with goes below options: options.{key}."
    meant = f" Did you mean {' or '.join(places)}?" if places and key != "name" else did_you_mean(key, known)
    return CondensationError(f"{kind.__name__} has no setting {key!r}.{meant}\n{has}")


def _wrong_type(where: str, content: Any, wanted: str) -> CondensationError:
    return CondensationError(f"{where} is {content!r}; it must be {wanted}.")
