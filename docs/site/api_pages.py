"""Reference: one page per public name, from its docstring, its signature and the docstrings of its fields."""

import ast
import dataclasses
import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from guide_pages import toctree

import condensation
from condensation.cli.views.methods import in_short
from condensation.config.field_docs import field_docs

# Titles of the groups, by the packages of their names, in the order of the page.
GROUPS = {
    "Data": ("data",),
    "Images and labels": ("core.images", "core.soft_labels", "core.form", "core.preprocessing"),
    "Methods": ("methods",),
    "Networks": ("networks", "training.trained", "training.make_pool"),
    "Augmentation": ("augment",),
    "Training and evaluation": ("training", "evaluation"),
    "Sets, generators and pictures": ("artifacts", "report"),
    "Runs": ("runs", "core"),
}
SHORT = 24  # characters of a default in a signature


def pages() -> dict[str, str | Path]:
    """Return a page per public name, and the page that lists them."""
    groups = grouped()
    site: dict[str, str | Path] = {f"api/{name}.md": page(name) for name in condensation.__all__}
    parts = ["# Reference", "Import every name from `condensation`. Other modules are internal and may change."]
    for title, names in groups.items():
        rows = "\n".join(f"| [`{name}`]({name}.md) | {first_line(name)} |" for name in names)
        parts += [f"## {title}", f"| name | description |\n| --- | --- |\n{rows}"]
    site["api/index.md"] = "\n\n".join(parts) + "\n\n" + toctree("Reference", [name for names in groups.values() for name in names])
    return site


def grouped() -> dict[str, list[str]]:
    """Return the public names by group; the longest prefix of the module decides."""
    groups: dict[str, list[str]] = {title: [] for title in GROUPS}
    for name in condensation.__all__:
        module = condensation._HOMES[name].removeprefix("condensation.")
        fitting = [
            (len(prefix), title) for title, prefixes in GROUPS.items() for prefix in prefixes if f"{module}.".startswith(f"{prefix}.")
        ]
        groups[max(fitting)[1]].append(name)
    return groups


def page(name: str) -> str:
    """Return the page of a public name."""
    value = getattr(condensation, name)
    return f"# {name}\n\n```{{eval-rst}}\n{body(name, value)}\n```\n{settings(value)}"


def body(name: str, value: Any) -> str:
    """Return the directive that documents a public name."""
    if inspect.isfunction(value):
        return f".. autofunction:: condensation.{name}"
    if inspect.isclass(value):
        kind: Any = value
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        signature = f"({', '.join(map(argument, fields))})" if dataclasses.is_dataclass(value) else ""
        own = f"\n   :exclude-members: {', '.join(field_docs(kind))}" if fields else ""
        return f".. autoclass:: condensation.{name}{signature}{own}"
    text = documentation(name).replace("\n", "\n   ")
    return f".. py:data:: condensation.{name}\n\n   {text}"


def argument(field: "dataclasses.Field[Any]") -> str:
    """Return a field as an argument of a signature, with its default if that is short."""
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return field.name
    default = repr(field.default)
    return f"{field.name}={default if field.default is not dataclasses.MISSING and len(default) <= SHORT else '...'}"


def settings(value: Any) -> str:
    """Return the table of the fields of a dataclass."""
    if not inspect.isclass(value) or not dataclasses.is_dataclass(value) or not dataclasses.fields(value):
        return ""
    return f"\n## Fields\n\n{table_of_settings(value)}\n"


def table_of_settings(kind: type) -> str:
    """Return the fields of a dataclass with type, default and description, as a table."""
    public = {name: getattr(condensation, name) for name in condensation.__all__}
    types, docs, lines = get_type_hints(kind, localns=public), field_docs(kind), []
    for field in dataclasses.fields(kind):
        if field.name.startswith("_"):
            continue
        written = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        words = [str(word) for word in get_args(types[field.name])] if get_origin(types[field.name]) is Literal else [written]
        default = "`required`" if field.default is field.default_factory is dataclasses.MISSING else shown(field)
        lines.append(f"| `{field.name}` | `{cell(' | '.join(words))}` | {default} | {cell(docs.get(field.name, ''))} |")
    return "\n".join(["| field | type | default | description |", "| --- | --- | --- | --- |", *lines])


def shown(field: "dataclasses.Field[Any]") -> str:
    """Return the default of a field as a cell."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    text = cell(in_short(default))
    return f"`{text}`" if text else "empty"


def cell(text: str) -> str:
    """Return ``text`` as it must be written in a cell of a table; double backticks of docstrings become single ones."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def documentation(name: str) -> str:
    """Return the docstring of a public name; that of a value is the literal under its assignment."""
    value = getattr(condensation, name)
    if inspect.isfunction(value) or inspect.isclass(value):
        return inspect.getdoc(value) or ""
    body = ast.parse(inspect.getsource(import_module(condensation._HOMES[name]))).body
    for node, following in pairwise(body):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets) and isinstance(following, ast.Expr):
            return inspect.cleandoc(ast.literal_eval(following.value))
    return ""


def first_line(name: str) -> str:
    """Return the first sentence of a docstring, as Markdown."""
    return cell(documentation(name).partition("\n\n")[0])
