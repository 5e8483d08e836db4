"""Names, types and ranges of settings, read from the source, so that a mistake is refused before torch is imported."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from condensation.config.ranges import require_in_range
from condensation.core.errors import CondensationError, abridged, did_you_mean

ROOT = Path(__file__).parents[1]
# Groups whose settings depend on the name that selects a value; the complete check follows later.
FAMILIES = {"NetworkSpec", "NetworkSampler", "Augmentation", "Kernel", "NTK", "Form", "Autoencoder"}
WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_NAME = re.compile(r'    name: ClassVar\[str\] = "([a-z0-9-]+)"')


class Home(NamedTuple):
    """A class of settings and its module, inside this package."""

    module: str
    name: str


RUN = Home("runs.settings", "RunSettings")


def require_known(content: Mapping[str, Any], home: Home = RUN, where: str = "", default_method: str = "dm") -> None:
    """Raise CondensationError for a name in plain settings ``content`` that no setting has, and for values of a wrong type or range.

    The settings are those of ``home``; names of methods may lead groups too. What is selected by a name is not checked.
    """
    known = _fields(home)
    for key, value in content.items():
        setting = f"{where}.{key}" if where else key
        if key in known:
            _check_value(value, known[key], home, setting, default_method)
        elif key in _method_homes() and not where:
            _check_group(value, _method_homes()[key], setting)
        elif not (_is_used(key) or (isinstance(value, Mapping) and home != RUN and not where)):  # the label of a method in a study
            raise unknown_setting(home.name, key, list(known), setting)
    if node := _classes(home.module).get(home.name):
        numbers = {key: value for key, value in content.items() if isinstance(value, int | float) and not isinstance(value, bool)}
        require_in_range({key: float(value) if known.get(key) == "float" else value for key, value in numbers.items()}, home.name, node)


def method_names() -> tuple[str, ...]:
    """Return the names of the methods."""
    return tuple(_method_homes())


def unknown_setting(kind: str, key: str, known: list[str], setting: str, meant: str = "", more: str = "") -> CondensationError:
    """Return the error for the setting ``key`` that the class ``kind`` lacks."""
    hint = (f"It has {', '.join(known)}." if known else "It has none.") + more
    return CondensationError(f"{kind} has no setting {key!r}.{meant or did_you_mean(key, known)}", hint=hint, setting=setting)


def wrong_type(setting: str, value: Any, expected: str) -> CondensationError:
    """Return the error for a ``value`` of another type than ``expected``."""
    return CondensationError(f"{setting} is {abridged(repr(value))}; it must be {expected}.", setting=setting)


def _check_value(value: Any, annotation: str, home: Home, setting: str, default_method: str) -> None:
    if annotation in WORDS:
        if isinstance(value, str) or (isinstance(value, bool) and annotation != "bool"):
            raise wrong_type(setting, value, WORDS[annotation])
    elif annotation.startswith("Method") or setting == "method":
        name = value.get("name", default_method) if isinstance(value, Mapping) else None
        if name in _method_homes():
            _check_group({key: item for key, item in value.items() if key != "name"}, _method_homes()[name], setting)
    elif setting == "data":
        _check_group(value, Home("data.settings", "DataSettings"), setting)
    elif annotation not in FAMILIES and (inner := _imported(home.module).get(annotation)):
        _check_group({key: item for key, item in value.items() if key != "name"} if isinstance(value, Mapping) else value, inner, setting)


def _check_group(value: Any, home: Home, setting: str) -> None:
    if isinstance(value, Mapping):
        require_known(value, home, setting)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))


def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}


@cache
def _imported(module: str) -> dict[str, Home]:
    """Return the home of each name that a module imports from this package."""
    lines = [node for node in _tree(module).body if isinstance(node, ast.ImportFrom) and str(node.module).startswith("condensation.")]
    return {alias.asname or alias.name: Home(str(node.module).partition(".")[2], alias.name) for node in lines for alias in node.names}


@cache
def _fields(home: Home) -> dict[str, str]:
    """Return the annotation of each field of a dataclass, those of its bases first."""
    classes = _classes(home.module)
    if home.name not in classes:
        return {}
    node, fields = classes[home.name], dict[str, str]()
    for base in node.bases:
        name = ast.unparse(base).partition("[")[0]
        inherited = Home(home.module, name) if name in classes else _imported(home.module).get(name)
        fields |= _fields(inherited) if inherited else {}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            annotation = ast.unparse(line.annotation)
            if not annotation.startswith("ClassVar"):
                fields[line.target.id] = annotation
    return fields


@cache
def _method_homes() -> dict[str, Home]:
    """Return the class of each method by its name."""
    homes: dict[str, Home] = {}
    for path in sorted((ROOT / "methods").glob("*.py")):
        if not _NAME.search(path.read_text(encoding="utf-8")):
            continue
        module = f"methods.{path.stem}"
        for node in _tree(module).body:
            if isinstance(node, ast.ClassDef):
                names = (_NAME.match("    " + ast.unparse(line).replace("'", '"')) for line in node.body)
                homes |= {match[1]: Home(module, node.name) for match in names if match}
    return homes


def _is_used(key: str) -> bool:
    """Return whether a class of this package has a field ``key``; the complete error then tells where."""
    line = re.compile(rf"^    {re.escape(key)}: ", re.MULTILINE)
    return any(line.search(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py"))
