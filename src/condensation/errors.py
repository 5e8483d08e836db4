"""What a person is told when something cannot be done: what was asked, what exists, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CondensationError(ValueError):
    """A mistake that the person can mend; the command line prints it without a traceback and exits with 2."""


class NotEnoughMemory(CondensationError):
    """The data would not fit in the memory that is free."""


class NoSuchData(CondensationError):
    """There are no data of that name, or nothing at that path."""


class MissingExtra(CondensationError):
    """An optional package is needed; the message names the pip command that brings it."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs packages that are not installed.\nInstall them with: pip install 'condensation[{extra}]'")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`` Did you mean 'cifar10'?``, or nothing if no known name is like it."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> CondensationError:
    """The error for a name that does not exist: ``unknown data set 'cifar1'; did you mean 'cifar10'? ...``."""
    names = list(known)
    return CondensationError(f"There is no {kind} {str(name)!r}.{did_you_mean(name, names)}\nThere is: {', '.join(names)}.")
