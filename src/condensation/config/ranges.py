"""Ranges of settings, read from the checks in the source, so that a number outside is refused before torch is imported."""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from condensation.core.errors import require

_NAMES = {"isinstance": isinstance, "int": int}  # that the conditions of checks use


class Check(NamedTuple):
    """A condition on a setting, as `condensation.core.errors.require` takes it."""

    prefix: str
    field: str
    valid: Callable[[Any], bool]
    expected: str


def require_in_range(numbers: Mapping[str, float], kind: str, node: ast.ClassDef) -> None:
    """Raise CondensationError if the class ``kind``, defined by ``node``, does not accept one of the ``numbers`` as a setting.

    Only checks whose condition depends on the value alone are made; the class itself makes all of them.
    """
    stand_in = type(kind, (), dict(numbers))()
    for check in _checks(node):
        if check.field in numbers:
            require(stand_in, check.prefix, (check.field,), check.valid, check.expected)


def _checks(node: ast.ClassDef) -> Iterator[Check]:
    methods = (line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == "__post_init__")
    calls = (line.value for method in methods for line in method.body if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call))
    for call in calls:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        texts = [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]
        if name == "require" and len(texts) == 2 and isinstance(call.args[2], ast.Tuple):
            valid = eval(compile(ast.Expression(call.args[3]), __file__, "eval"), {"__builtins__": _NAMES})  # our own source
            yield from (Check(texts[0], ast.literal_eval(field), valid, texts[1]) for field in call.args[2].elts)
        elif name == "need_at_least":
            for least in call.keywords:
                smallest = ast.literal_eval(least.value)
                yield Check("method", str(least.arg), partial(operator.le, smallest), f"at least {smallest}")
        elif name == "need_positive":
            yield from (Check("method", field, lambda value: value > 0, "above 0") for field in texts)
        elif name == "need_fraction":
            yield from (Check("method", field, lambda value: 0 <= value < 1, "in [0, 1)") for field in texts)
