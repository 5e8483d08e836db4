"""JSON records read into frozen dataclasses, with errors that name the field."""

import copy
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from condensation.core.errors import CondensationError, abridged
from condensation.core.storage import RESTORE, read_json

T = TypeVar("T")

KINDS = {
    **{"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"},
    **{"array": "a list", "object": "an object", "null": "null"},
}
SHOWN = 60  # characters of a wrong value
_ERROR = re.compile(r"(?P<problem>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>\w+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


def read_record(path: Path, kind: type[T]) -> T:
    """Return the content of a JSON file as ``kind``, a dataclass. Raise CondensationError if the file or a field is missing or wrong."""
    return as_record(read_json(path), kind, str(path))


def as_record(content: Any, kind: type[T], origin: str) -> T:
    """Return JSON ``content`` as ``kind``, ignoring other fields. Raise CondensationError, which names ``origin``, for wrong ones."""
    try:
        problem = next((f"{field}: expected a finite number" for field in _not_finite(content)), "")
        if not problem:
            try:
                return msgspec.convert(content, kind, str_keys=True)
            except msgspec.ValidationError as error:
                problem = _in_words(content, kind, error)
    except RecursionError:
        problem = "nested too deeply"
    except UnicodeEncodeError as error:  # JSON can escape half of a character
        problem = f"expected text, got {error.object[error.start : error.end]!r}"
    raise CondensationError(f"{origin}: {problem}.", hint=RESTORE)


def _not_finite(value: Any, field: str = "") -> Iterator[str]:
    """Yield the name of each field that holds NaN or infinity, which JSON does not allow but Python accepts."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{field}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield field


def _in_words(content: Any, kind: type, error: msgspec.ValidationError) -> str:
    """Return the problem in words, with the keys that msgspec abbreviates to ``[...]``: ``sets.dm.mean: expected a number, got "x"``."""
    match = _ERROR.fullmatch(str(error))
    assert match is not None  # every part is optional
    field, value = _place(content, kind, error, match["path"] or "")
    begin, problem = f"{field}: " if field else "", match["problem"]
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{field}.{missing[1]} is missing".lstrip(".")
    if length := re.fullmatch(r"Expected `array` of (.*length \d+), got (\d+)", problem):
        return f"{begin}expected a list of {length[1]}, got {length[2]}"
    expected = re.fullmatch(r"Expected `(.*?)`(.*?)(, got `.*`)?", problem)
    if not expected:
        return begin + problem.replace("Invalid enum value", "unexpected value").replace("Number", "number")
    words = " or ".join(KINDS.get(name, name) for name in expected[1].split(" | ")) + expected[2]
    if match["key"]:
        return f"{begin}expected {words} as the name of each field"
    return f"{begin}expected {words}, got {abridged(json.dumps(value, ensure_ascii=False), SHOWN)}"


def _place(content: Any, kind: type, error: msgspec.ValidationError, path: str) -> tuple[str, Any]:
    """Return the name and the value of the field at fault."""
    root = {"": content}
    parent: Any = root
    key: Any = ""
    field = ""
    for step in _STEP.finditer(path):
        node = parent[key] = copy.copy(parent[key])
        if step["field"] or step["index"]:
            following: Any = step["field"] or int(step["index"])
        else:  # msgspec does not name the key of a dict: find the entry that fails on its own
            for following in node:
                parent[key] = {following: node[following]}
                if _fails(root[""], kind, error):
                    break
            node = parent[key]
        field += f"[{following}]" if step["index"] else f".{following}"
        parent, key = node, following
    return field.lstrip("."), parent[key]


def _fails(content: Any, kind: type, error: msgspec.ValidationError) -> bool:
    try:
        msgspec.convert(content, kind, str_keys=True)
    except msgspec.ValidationError as other:
        return str(other) == str(error)
    return False
