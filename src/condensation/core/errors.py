"""What a person is told when something cannot be done: what was asked, what exists, what to do."""

from __future__ import annotations

import errno
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


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class NotWritten(CondensationError):
    """A file or a folder could not be written; what is advised follows from the cause."""

    def __init__(self, path: object, error: OSError, left: str) -> None:
        self.said = f"Could not write {path}: {error.strerror or error}. {left}".rstrip()
        self.no_room = error.errno in NO_ROOM
        elsewhere = "choose another place with --out."
        super().__init__(f"{self.said}\n{f'Make room, or {elsewhere}' if self.no_room else elsewhere.capitalize()}")

    def of_a_run(self) -> CondensationError:
        """The same where a run has begun, which can go on."""
        first = "Make room" if self.no_room else "See that it can be written"
        return CondensationError(f"{self.said}\n{first} and go on with --resume, or choose another folder with --out.")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`` Did you mean 'cifar10'?``, or nothing if no known name is like it."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> CondensationError:
    """The error for a name that does not exist: ``unknown data set 'cifar1'; did you mean 'cifar10'? ...``."""
    names = list(known)
    return CondensationError(f"There is no {kind} {str(name)!r}.{did_you_mean(name, names)}\nThere is: {', '.join(names)}.")
