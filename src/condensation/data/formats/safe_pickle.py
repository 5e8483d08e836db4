"""What the pickle files of CIFAR hold, read without unpickling them.

A pickle is a program: whoever loads one runs it. Here the standard library's `pickletools` splits it into its operations,
and of those only the ones are followed that make plain containers and arrays of whole numbers. No name in the file is looked
up and nothing is called, so that a file can ask for whatever it likes.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from condensation.core.errors import CondensationError

# What arrays are pickled by, under the names of numpy before and since 2.0; the last is how Python 3 writes bytes for Python 2.
NDARRAY, DTYPE = "numpy.ndarray", "numpy.dtype"
RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
ENCODE = "_codecs.encode"
KNOWN = {NDARRAY, DTYPE, ENCODE, *RECONSTRUCT, *FROM_BUFFER}

WHOLE_NUMBERS = re.compile(r"[iu][1248]")


@dataclass(frozen=True)
class Global:
    """A name that the file wants to call."""

    name: str


@dataclass
class ElementType:
    """A numpy type of whole numbers."""

    code: str
    order: str = "="

    def build(self, state: Any) -> None:
        if state[1] not in ("|", "<", ">", "="):
            raise ValueError(f"{state[1]!r} is no byte order")
        self.order = state[1]

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass
class Array:
    """An array, once its content has come."""

    values: np.ndarray | None = None

    def build(self, state: Any) -> None:
        _, shape, kind, by_column, raw = state
        self.fill(raw, kind, shape, "F" if by_column else "C")

    def fill(self, raw: Any, kind: Any, shape: Any, order: str) -> None:
        if not isinstance(kind, ElementType) or not isinstance(raw, str | bytes | bytearray):
            raise ValueError("an array has no type of whole numbers, or no bytes")
        content = raw.encode("latin-1") if isinstance(raw, str) else raw
        if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError("an array has no shape")
        expected = math.prod(shape) * kind.numpy().itemsize
        if len(content) != expected:
            raise ValueError(f"an array of shape {shape} needs {expected} bytes, and has {len(content)}")
        self.values = np.frombuffer(content, kind.numpy()).reshape(shape, order="F" if order == "F" else "C")


def read_pickle(content: bytes, origin: str) -> dict[str, Any]:
    """The dictionary that ``content`` holds: lists, tuples, strings, numbers and numpy arrays of whole numbers by their names.

    Raises:
        CondensationError: if it asks for anything else, or is cut off or damaged; the message calls it ``origin``.
    """
    machine = Machine()
    try:
        for operation, argument, _ in pickletools.genops(content):
            if operation.name not in OPERATIONS:
                raise Forbidden(f"the operation {operation.name}")
            OPERATIONS[operation.name](machine, argument)
        (result,) = machine.stack
        if not isinstance(result, dict):
            raise ValueError("it holds no dictionary")
        return {_text(key): value.values if isinstance(value, Array) else value for key, value in result.items()}
    except Forbidden as what:
        raise CondensationError(
            f"{origin} asks for {what}, which could run code; only arrays and plain values are read, and nothing was run.\n"
            "It is not the file that its authors gave out: get the data set again, from where you trust it."
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as problem:
        raise CondensationError(f"{origin} is cut off or damaged: {problem}.\nGet the data set again.") from problem


class Forbidden(Exception):
    """Something that has no place among arrays and plain values."""


class Machine:
    """The stack and the memo that the operations of a pickle work on."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lay on the stack at each mark
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[Any]:
        values = self.stack
        self.stack = self.below.pop()
        return values

    def last(self, count: int) -> tuple[Any, ...]:
        return tuple(self.pop() for _ in range(count))[::-1]

    def keep(self, number: Any) -> None:
        self.memo[int(number)] = self.stack[-1]

    def add(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("a value is to be added to something that is no list")
        target.extend(values)

    def put(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        # Only plain keys: to hash a tuple that is nested deeply enough ends the program.
        if not isinstance(target, dict) or len(pairs) % 2 or not all(isinstance(key, str | bytes) for key in pairs[::2]):
            raise ValueError("something else than names and their values is to be put into a dictionary")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def dictionary(self) -> None:
        pairs = self.to_mark()
        self.push({})
        self.put(pairs)

    def name(self, module: Any, name: Any) -> None:
        full = f"{_text(module)}.{_text(name)}"
        if full not in KNOWN:
            raise Forbidden(repr(full[:100]))
        self.push(Global(full))

    def call(self) -> None:
        what, arguments = self.last(2)
        if not isinstance(what, Global) or not isinstance(arguments, tuple):
            raise ValueError("something is called that is no function")
        if what.name in RECONSTRUCT and arguments[0] == Global(NDARRAY):
            self.push(Array())
        elif what.name == DTYPE and WHOLE_NUMBERS.fullmatch(_text(arguments[0])):
            self.push(ElementType(_text(arguments[0])))
        elif what.name in FROM_BUFFER:
            array = Array()
            array.fill(*arguments)
            self.push(array)
        elif what.name == ENCODE and arguments[1:] in (("latin1",), ("latin-1",)):
            self.push(arguments[0].encode("latin-1"))
        else:
            raise Forbidden(f"{what.name} of something else than whole numbers")

    def build(self) -> None:
        state = self.pop()
        if not isinstance(self.stack[-1], Array | ElementType) or not isinstance(state, tuple):
            raise Forbidden("the state of an object")
        self.stack[-1].build(state)


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise ValueError("a name is no text")
    return value.decode("latin-1") if isinstance(value, bytes) else value


Operation = Callable[[Machine, Any], None]
LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
).split()
OPERATIONS: dict[str, Operation] = {
    **{name: lambda machine, argument: None for name in ("PROTO", "FRAME", "STOP")},
    **{name: Machine.push for name in LITERALS},
    **{name: Machine.keep for name in ("PUT", "BINPUT", "LONG_BINPUT")},
    **{name: lambda machine, number: machine.push(machine.memo[int(number)]) for name in ("GET", "BINGET", "LONG_BINGET")},
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.mark(),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "LIST": lambda machine, _: machine.push(machine.to_mark()),
    "DICT": lambda machine, _: machine.dictionary(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.last(3)),
    "APPEND": lambda machine, _: machine.add([machine.pop()]),
    "APPENDS": lambda machine, _: machine.add(machine.to_mark()),
    "SETITEM": lambda machine, _: machine.put(list(machine.last(2))),
    "SETITEMS": lambda machine, _: machine.put(machine.to_mark()),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}
