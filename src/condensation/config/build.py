"""Settings dataclasses built from plain values, as read from TOML or JSON; `condensation.core.plain.to_dict` is the inverse."""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from condensation.config.outline import unknown_setting, wrong_type
from condensation.config.registry import FAMILIES, lookup
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.methods.base import Method
from condensation.methods.registry import METHODS
from condensation.training.train import Recipe

T = TypeVar("T")

WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", dict: "a table of name = value"}


def from_dict(kind: type[T], content: Any, base: T | None = None, where: str = "") -> T:
    """Return a value of type ``kind`` from plain ``content``; missing settings come from ``base`` or are the defaults.

    Messages name settings below ``where``, the dotted name of the setting that holds the value. Raise CondensationError for an unknown name
    or a value of the wrong type; the message lists the known ones.
    """
    return _build(kind, content, base, where)  # type: ignore[no-any-return]


def _build(kind: Any, content: Any, base: Any, where: str) -> Any:
    options = list(get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,))
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
            raise wrong_type(where, content, f"one of {', '.join(map(str, get_args(kind)))}")
        return content
    if get_origin(kind) in (tuple, list):
        items = content.split(",") if isinstance(content, str) else content
        if not isinstance(items, Sequence):
            raise wrong_type(where, content, "a list")
        return get_origin(kind)(_build(get_args(kind)[0], item, None, where) for item in items)
    if get_origin(kind) is dict:
        if not isinstance(content, Mapping):
            raise wrong_type(where, content, WORDS[dict])
        return {str(key): _build(get_args(kind)[1], item, None, f"{where}.{key}") for key, item in content.items()}
    return _scalar(kind, content, where)


def _first_that_fits(options: list[Any], content: Any, base: Any, where: str) -> Any:
    for option in options:
        if isinstance(content, get_origin(option) or option):
            return _build(option, content, base, where)
    raise wrong_type(where, content, " or ".join(WORDS[get_origin(option) or option] for option in options))


def _member(kind: Any, content: Any, base: Any, where: str) -> Any:
    """Return a value of a family: the name selects it, the other settings modify it."""
    if isinstance(content, str):
        content = {"name": content}
    if not isinstance(content, Mapping):
        raise wrong_type(where, content, f"a name ({', '.join(FAMILIES[kind])}) or settings")
    name = content.get("name")
    if name is not None:
        named = lookup(kind, name, where)
        # A method that is named again keeps its settings in the preset. A network does not: many names share one class.
        base = base if kind is Method and type(base) is type(named) else named
    elif base is None:
        base = next(iter(FAMILIES[kind].values()))
    settings = {key: value for key, value in content.items() if key != "name"}
    if isinstance(base, type):
        return _dataclass(base, settings, None, where)
    return _dataclass(type(base), settings, base, where) if settings else base


def _dataclass(kind: Any, content: Any, base: Any, where: str) -> Any:
    known = [field.name for field in fields(kind) if field.init]
    content = content if isinstance(content, Mapping) else {"name": content}
    if "name" in content and where and "name" not in known:  # a group that is not a family has no name
        raise wrong_type(where, content["name"], f"set one by one: {', '.join(f'{where}.{name}' for name in known)}")
    for key in content:
        if key not in known:
            raise _unknown_setting(kind, key, known, base, where)
    hints, changes = get_type_hints(kind), {}
    for key, value in content.items():
        old = getattr(base, key) if base is not None else None
        changes[key] = _build(hints[key], value, old, f"{where}.{key}" if where else key)
    if isinstance(base, Recipe) and "epochs" in changes and "lr_drop_epoch" not in changes:
        base = base.with_epochs(changes.pop("epochs"))
    if base is not None:
        return replace(base, **changes)
    for field in fields(kind):
        if field.init and field.default is MISSING and field.default_factory is MISSING and field.name not in changes:
            name = f"{where}.{field.name}".lstrip(".")
            raise CondensationError(f"{kind.__name__} needs {field.name}, which has no default.", hint=f"Set {name}=VALUE.", setting=name)
    return kind(**changes)


def _scalar(kind: Any, content: Any, where: str) -> Any:
    if kind in (object, Any):
        return None if content == "none" else content
    if kind is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    if kind is str and isinstance(content, int | float):
        return str(content)
    if not isinstance(content, kind) or (isinstance(content, bool) and kind is not bool):
        raise wrong_type(where, content, WORDS.get(kind, f"a {kind.__name__}"))
    if kind is float and not math.isfinite(content):
        raise wrong_type(where, content, "a finite number")
    if kind is str and not content.isprintable() and any("\ud800" <= character <= "\udfff" for character in content):
        raise wrong_type(where, content, "valid text (UTF-8)")
    return content


def _settings_called(key: str, content: Any, where: str) -> list[str]:
    """Return the dotted names of the settings called ``key`` in groups of ``content``, such as ``method.steps``."""
    if not isinstance(content, dict):
        return []
    names = []
    for group, settings in content.items():
        path = f"{where}.{group}" if where else group
        names += [f"{path}.{key}"] if isinstance(settings, dict) and key in settings else []
        names += _settings_called(key, settings, path)
    return names


def _unknown_setting(kind: Any, key: str, known: list[str], base: Any, where: str) -> CondensationError:
    hint = ""
    if issubclass(kind, Method) and (others := [name for name, method in METHODS.items() if key in method.__dataclass_fields__]):
        hint += f" Methods with {key}: {', '.join(others)}."
    if "options" in known:
        hint += f" Set arguments of the callable as options.{key}."
    try:
        names = _settings_called(key, to_dict(kind() if base is None else base), where)
    except TypeError:  # a class with required settings
        names = []
    meant = f" Did you mean {' or '.join(names)}?" if names and key != "name" else ""
    return unknown_setting(kind.__name__, key, known, f"{where}.{key}" if where else key, meant, hint)
