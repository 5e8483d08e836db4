"""Docstrings of settings: the literals under the fields of a dataclass."""

import ast
import inspect
from dataclasses import fields
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any


@cache
def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return the docstring of each field of the dataclass ``kind`` that has one, in the order of the fields.

    A field that a subclass repeats without a docstring keeps that of its base class.
    """
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        docs |= _literals(base)
    return {field.name: docs[field.name] for field in fields(kind) if field.name in docs}


def _literals(kind: type) -> dict[str, str]:
    """Return the string literals under annotated names in the body of a class; none if its source is not available."""
    try:
        (definition,) = ast.parse(dedent(inspect.getsource(kind))).body
    except (OSError, SyntaxError, TypeError):  # built-in, typed at a prompt, or generated
        return {}
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    docs = {}
    for field, following in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(following, ast.Expr):
            text = following.value.value if isinstance(following.value, ast.Constant) else None
            if isinstance(text, str):
                docs[field.target.id] = inspect.cleandoc(text)
    return docs
