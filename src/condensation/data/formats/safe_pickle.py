"""Reading of CIFAR's pickle files with a restricted unpickler.

Loading a pickle runs it as a program. `SafeUnpickler` resolves no name: the few constructors of NumPy's integer arrays get
stand-ins that only collect data, and every other name is an error. A file could still make `pickle` exhaust memory or the C
stack, by false sizes, large memo indices or nested tuples as dictionary keys. `_check_operations` therefore rejects these
first, and all operations that such files do not need.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from condensation.core.errors import CondensationError
from condensation.data.formats.archive import naming_damage

INTEGERS = re.compile(r"[iu][1248]")
# A data file needs about ten tuples and five calls. Hashing nested tuples takes time 2^depth, and C stack proportional to the depth;
# each call may copy the whole file.
MOST = {"tuples": 24, "calls": 8}
COUNTED = {**dict.fromkeys(("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), "tuples"), **dict.fromkeys(("REDUCE", "BUILD"), "calls")}
MOST_OPERATIONS = 2_000_000  # the largest file, with 50,000 names and two labels for each, needs a tenth of them
OPERATIONS = frozenset(
    "PROTO FRAME STOP NONE NEWTRUE NEWFALSE MARK INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 PUT BINPUT "
    "LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE EMPTY_LIST EMPTY_DICT EMPTY_TUPLE LIST DICT TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND "
    "APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD".split()
)


class Forbidden(Exception):
    """Error for a file that requests anything but arrays and plain values."""


@dataclass(frozen=True)
class Constructor:
    """Stand-in for a class or function that a pickle names."""

    name: str
    make: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Forbidden("the state of an object")


@dataclass
class IntegerType:
    """Stand-in for a NumPy integer type."""

    code: str
    order: str = "="

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", "<", ">", "="):
            raise ValueError("an array has no byte order")
        self.order = state[1]


@dataclass
class IntegerArray:
    """Stand-in for a NumPy array of integers; its values arrive in `__setstate__` or `fill`."""

    values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_column, raw = state
        self.fill(raw, dtype, shape, "F" if by_column else "C")

    def fill(self, raw: Any, dtype: Any, shape: Any, order: str) -> None:
        if not isinstance(dtype, IntegerType) or not isinstance(raw, str | bytes | bytearray):
            raise ValueError("an array has no integer type, or no bytes")
        content = raw.encode("latin-1") if isinstance(raw, str) else raw
        if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError("an array has no shape")
        element = np.dtype(dtype.order + dtype.code)
        expected = math.prod(shape) * element.itemsize
        if len(content) != expected:
            raise ValueError(f"an array of shape {shape} needs {expected} bytes, and has {len(content)}")
        self.values = np.frombuffer(content, element).reshape(shape, order="F" if order == "F" else "C")


def read_pickle(content: bytes, origin: str) -> dict[str, Any]:
    """Return the dictionary in ``content``, of plain values and integer arrays; run nothing. Raise CondensationError for other files."""
    with naming_damage(origin):
        try:
            _check_operations(content)
            result = SafeUnpickler(io.BytesIO(content), encoding="latin-1").load()
        except Forbidden as request:
            hint = "It is not the published file: download the data set again from a source that you trust."
            raise CondensationError(f"{origin} requests {request}, which could run code. Nothing was run.", hint=hint) from None
        if not isinstance(result, dict):
            raise ValueError("expected a dictionary")
        return {_text(key): value.values if isinstance(value, IntegerArray) else value for key, value in result.items()}


class SafeUnpickler(pickle.Unpickler):
    """Unpickler that resolves names in `CONSTRUCTORS` only."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for ``module.name``; it is never imported."""
        full = f"{module}.{name}"
        if full not in CONSTRUCTORS:
            raise Forbidden(repr(full[:100]))
        return CONSTRUCTORS[full]


def _check_operations(content: bytes) -> None:
    """Check that all operations are allowed, all data present, memo indices and integers small, and tuples and calls few."""
    seen = dict.fromkeys(MOST, 0)
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        name = operation.name
        if name not in OPERATIONS:
            raise Forbidden(f"the operation {name}")
        if count > MOST_OPERATIONS:
            raise ValueError(f"expected at most {MOST_OPERATIONS:,} values")
        if name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise ValueError("a memo index is too large")
        if isinstance(argument, int) and abs(argument) >> 64:  # such keys of a dictionary can all have the same hash
            raise ValueError("an integer is too large")
        if kind := COUNTED.get(name):
            seen[kind] += 1
            if seen[kind] > MOST[kind]:
                raise ValueError(f"expected at most {MOST[kind]} {kind}")


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise ValueError("a name is not a string")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _forbidden(*arguments: Any) -> Any:
    raise Forbidden("numpy.ndarray of non-integers")


def _reconstruct(kind: Any, *arguments: Any) -> IntegerArray:
    return IntegerArray() if kind is NDARRAY else _forbidden()


def _frombuffer(*arguments: Any) -> IntegerArray:
    array = IntegerArray()
    array.fill(*arguments)
    return array


def _dtype(code: Any, *arguments: Any) -> IntegerType:
    if not INTEGERS.fullmatch(_text(code)):
        raise Forbidden("numpy.dtype of non-integers")
    return IntegerType(_text(code))


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Forbidden("_codecs.encode of non-bytes")
    return text.encode("latin-1")


# The constructors of arrays in NumPy before and since 2.0; Python 3 writes bytes for Python 2 as calls of `_codecs.encode`.
NDARRAY = Constructor("numpy.ndarray", _forbidden)
CONSTRUCTORS = {NDARRAY.name: NDARRAY} | {
    name: Constructor(name, make)
    for name, make in (
        ("numpy.dtype", _dtype),
        ("numpy.core.multiarray._reconstruct", _reconstruct),
        ("numpy._core.multiarray._reconstruct", _reconstruct),
        ("numpy.core.numeric._frombuffer", _frombuffer),
        ("numpy._core.numeric._frombuffer", _frombuffer),
        ("_codecs.encode", _encode),
    )
}
