"""Settings as a person writes them: TOML and JSON files, and overrides like ``method.lr=0.5``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.renamed import with_new_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def apply_override(content: Mapping[str, Any], override: str) -> dict[str, Any]:
    """``content`` with one more setting, given as ``method.lr=0.5``.

    A part of the settings is named by the name alone: ``network=lenet`` is ``network.name=lenet``.

    Raises:
        CondensationError: if it is not of that form.
    """
    path, sign, text = override.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise CondensationError(f"{override!r} is not a setting.\nWrite settings as name=value, for example method.lr=0.5.")
    return _merged(content, keys, _value(text.strip()))


def set_path(content: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """``content`` with the setting at ``path``, such as ``method.lr``, set to ``value``."""
    return _merged(content, path.split("."), value)


def read(path: str | Path) -> dict[str, Any]:
    """The content of a TOML or JSON file of settings.

    Raises:
        CondensationError: if it is missing or cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise CondensationError(f"There is no settings file {path}.") from None
    except (OSError, ValueError) as error:
        raise CondensationError(f"{path} cannot be read as {'JSON' if path.suffix == '.json' else 'TOML'}: {error}.") from None
    if not isinstance(content, dict):
        raise CondensationError(f"{path} must hold settings by name.")
    # settings.json of a run folder says more than the settings.
    inner = content.get("settings")
    settings: dict[str, Any] = with_new_names(inner if isinstance(inner, dict) else content)
    return settings


def to_toml(content: Mapping[str, Any]) -> str:
    """Plain settings as TOML, which has no null: nothing is written as "none"."""
    import tomli_w

    return tomli_w.dumps(_without_null(content))


def _merged(content: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    key, rest = keys[0], keys[1:]
    old = content.get(key)
    if not rest:
        # A name given to a group of settings chooses its kind; settings of another kind would not fit and are dropped.
        keeps = isinstance(old, Mapping) and isinstance(value, str) and value != "none" and old.get("name") in (None, value)
        return {**content, key: {**old, "name": value} if isinstance(old, Mapping) and keeps else value}
    inner = {"name": old} if isinstance(old, str) else old
    return {**content, key: _merged(inner if isinstance(inner, Mapping) else {}, rest, value)}


def _value(text: str) -> Any:
    """A value as TOML writes it; anything else is text, so that quotes may be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _without_null(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_null(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_null(value) for value in content]
    return "none" if content is None else content
