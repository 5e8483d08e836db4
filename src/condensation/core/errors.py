"""Errors that the user can correct: message, hint and setting."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

LARGEST = 10**9  # of whole numbers in settings; larger ones are slips, and would never end
LARGEST_FLOAT = 1e36  # of other numbers; optimizers multiply them in float32 by up to 1 / (1 - momentum)


# The package is on no index, so commands that name it would fail, or install something else.
IN_CLONE = "In a clone of the repository, run:"
NEWER = "Install a newer version. In a clone of the repository, run: git pull && pip install ."


class CondensationError(ValueError):
    """Error that the user can correct.

    Args:
        message: Problem and expected value, in one or two sentences.
        hint: Correction in terms of Python parameters, such as ``small_classes="all"``; the command line prints them as options.
        setting: Dotted name of the setting at fault, such as ``method.lr``; empty if there is none.

    >>> from condensation import CondensationError, load
    >>> try:
    ...     load("digits", size=-1)
    ... except CondensationError as error:
    ...     print(error.setting)
    data.size
    """

    def __init__(self, message: str, *, hint: str = "", setting: str = "") -> None:
        super().__init__(f"{message}\n{hint}" if hint else message)
        self.message, self.hint, self.setting = message, hint, setting


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put ``path`` before the message of a `CondensationError` that names neither it nor another file of its folder."""
    try:
        yield
    except CondensationError as error:
        if str(path.parent) not in error.message:
            error.message = f"{path}: {error.message}"
            error.args = (f"{error.message}\n{error.hint}" if error.hint else error.message,)
        raise


class NotEnoughMemory(CondensationError):
    """Error for work that does not fit in the free memory.

    >>> from condensation import ConvNet, NotEnoughMemory, Rng
    >>> try:
    ...     ConvNet(width=10**6).build((3, 32, 32), 10, Rng(0))
    ... except NotEnoughMemory as error:
    ...     print(type(error).__mro__[1].__name__)
    CondensationError
    """


class NoSuchData(CondensationError):
    """Error for a data set whose name or path does not exist."""


class MissingExtra(CondensationError):
    """Error for a missing optional package; the hint is the pip command that installs it.

    >>> from condensation import MissingExtra
    >>> print(MissingExtra("Reading HEIC photographs", "photos").hint)
    In a clone of the repository, run: pip install '.[photos]'
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs packages that are not installed.", hint=f"{IN_CLONE} pip install '.[{extra}]'")


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class NotWritten(CondensationError):
    """Error for a file or folder that could not be written."""

    def __init__(self, path: object, error: OSError, left: str) -> None:
        self.no_room = error.errno in NO_ROOM
        elsewhere = "choose another folder (out=...)."
        hint = f"Make room, or {elsewhere}" if self.no_room else elsewhere.capitalize()
        super().__init__(f"Could not write {path}: {error.strerror or error}. {left}".rstrip(), hint=hint)

    def during_run(self) -> CondensationError:
        """Return this error for an interrupted run, with the hint to resume it."""
        first = "Make room" if self.no_room else "Make the folder writable"
        return CondensationError(self.message, hint=f"{first} and continue with resume=True, or choose another folder (out=...).")


def abridged(text: str, most: int = 100) -> str:
    """Return ``text``, cut after ``most`` characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return `` Did you mean 'cifar10'?`` for the closest known name, or an empty string."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str], *, setting: str = "") -> CondensationError:
    """Return the error for the name of a ``kind`` that does not exist, with the available names."""
    names = list(known)
    message = f"There is no {kind} {abridged(repr(str(name)))}.{did_you_mean(name, names)}"
    return CondensationError(message, hint=f"Available: {', '.join(names)}.", setting=setting)


def require(settings: object, prefix: str, fields: Iterable[str], valid: Callable[[Any], bool], expected: str) -> None:
    """Check ``fields`` of ``settings``. Raise CondensationError with ``prefix.field`` if a value is not ``valid`` or above `LARGEST`."""
    for field in fields:
        value = getattr(settings, field)
        numbers = [number for number in (value if isinstance(value, tuple) else (value,)) if isinstance(number, int | float)]
        limits = (LARGEST if isinstance(number, int) else LARGEST_FLOAT for number in numbers)
        large = next((limit for number, limit in zip(numbers, limits, strict=True) if abs(number) > limit), None)
        if large or not valid(value):
            wanted = f"at most {large:g}" if large else expected
            message = f"{type(settings).__name__}: expected {field} to be {wanted}, got {abridged(repr(value))}."
            raise CondensationError(message, setting=f"{prefix}.{field}".lstrip("."))


def kind_of(value: object) -> str:
    """Return a value of a wrong type for a message: its type, or the value itself where that is short and plain."""
    kind = type(value)
    return f"a {kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else repr(value)[:60]
