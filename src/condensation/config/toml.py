"""Settings as the user writes them: TOML and JSON files, and overrides such as ``method.lr=0.5``."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condensation.config.outline import method_names
from condensation.core.errors import CondensationError, abridged
from condensation.core.regular_files import read_text
from condensation.core.renamed import with_new_names, with_new_settings
from condensation.core.storage import LEVELS, parsed
from condensation.core.trust import Trust, from_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GROUPS = {"data": "source", "method": "name"}  # groups that a file may give as a single string: data = "digits"


def layered(content: Mapping[str, Any], options: Mapping[str, Any], overrides: Sequence[str] | None) -> dict[str, Any]:
    """Return plain settings: ``content`` of a file with the command line over it.

    Raise CondensationError if an override is not of the form ``name=value``.

    Args:
        content: Result of `read_settings`; ``data`` and ``method`` may be names.
        options: Values of command-line options by dotted setting name; None for options that were not given.
        overrides: Settings such as ``method.lr=0.5``, which win over ``options``.
    """
    named = {
        group: {key: content[group]} for group, key in GROUPS.items() if isinstance(content.get(group), str) and content[group] != "none"
    }
    given: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None:
            given = set_path(given, name, value)
    for override in overrides or ():
        given = apply_override(given, override)
    return overlay({**content, **named}, given)


def overlay(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` of a file with the settings ``given`` on the command line over it.

    A name in ``given``, such as ``evaluation.recipe=paper``, replaces the whole group of the file, because it means the
    registered network or recipe. Only a method or user code that is named again keeps its settings in the file.
    """
    merged = dict(content)
    for key, value in given.items():
        old = merged.get(key)
        if isinstance(old, str) and isinstance(value, Mapping):
            old = {"name": old}
        if isinstance(old, Mapping) and _is_kept(old, value):
            merged[key] = overlay(old, value if isinstance(value, Mapping) else {"name": value})
        else:
            merged[key] = value
    return merged


def _is_kept(group: Mapping[str, Any], given: Any) -> bool:
    """Return whether the settings of a ``group`` in a file are kept when a name or settings are ``given`` for it."""
    name = given.get("name") if isinstance(given, Mapping) else given
    if not isinstance(name, str):
        return isinstance(given, Mapping)
    return group.get("name") == name if ":" in name else name in method_names() and group.get("name") in (None, name)


def apply_override(content: Mapping[str, Any], override: str) -> dict[str, Any]:
    """Return ``content`` with one more setting, given as ``method.lr=0.5``; ``network=lenet`` is short for ``network.name=lenet``.

    Raise CondensationError if ``override`` is not of the form ``name=value``.
    """
    path, sign, text = override.partition("=")
    names = path.strip().split(".")
    if not sign or not all(names) or len(names) > LEVELS:
        hint = "Write settings as name=value, for example method.lr=0.5."
        raise CondensationError(f"{abridged(repr(override))} is not a setting.", hint=hint)
    return set_path(content, path.strip(), _value(text.strip()))


def set_path(content: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return ``content`` with the setting at the dotted ``path`` set to ``value``.

    A name given for a group keeps the group's settings if they have the same name or none; otherwise it replaces them.
    """
    key, _, rest = path.partition(".")
    old = content.get(key)
    if rest:
        inner = {"name": old} if isinstance(old, str) else old
        return {**content, key: set_path(inner if isinstance(inner, Mapping) else {}, rest, value)}
    if isinstance(old, Mapping) and isinstance(value, str) and value != "none" and old.get("name") in (None, value):
        value = {**old, "name": value}
    return {**content, key: value}


def read_settings(path: str | Path, trust: Trust = False) -> dict[str, Any]:
    """Return the content of a TOML or JSON file of settings, such as ``settings.json`` of a run folder.

    Code that it names is imported only with ``trust``. Raise CondensationError if it is missing or cannot be read.
    """
    path = Path(path)
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = read_text(path)
        content = parsed(text, json.loads if kind == "JSON" else tomllib.loads)
    except FileNotFoundError:
        raise CondensationError(f"There is no settings file {path}.", setting="config") from None
    except (OSError, ValueError) as error:
        raise CondensationError(f"{path} cannot be read as {kind}: {error}.", setting="config") from None
    if not isinstance(content, dict):
        raise CondensationError(f"Expected a table of settings in {path}, got {type(content).__name__}.", setting="config")
    content = with_new_names(content)
    inner = content.get("settings")  # settings.json of a run folder also has versions and machine
    settings: dict[str, Any] = with_new_settings(inner if isinstance(inner, dict) else content)
    return from_file(settings, path, trust, contacts_hub=True)  # type: ignore[no-any-return]


def to_toml(content: Mapping[str, Any]) -> str:
    """Return plain settings as TOML; None, which TOML lacks, becomes "none"."""
    import tomli_w

    return tomli_w.dumps(_without_null(content))


def _value(text: str) -> Any:
    """Parse a value as TOML; anything else is a string, so quotes may be omitted."""
    try:
        return parsed(f"value = {text}", tomllib.loads)["value"]
    except ValueError:  # not TOML, a number of thousands of digits, or nested too deeply
        return text


def _without_null(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_null(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_null(value) for value in content]
    return "none" if content is None else content
