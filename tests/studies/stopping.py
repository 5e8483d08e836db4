"""Stop a study after some calls of a progress callback."""

from collections.abc import Callable
from itertools import count

from condensation import Stopped


def stop_at(call: int) -> Callable[[int, int], None]:
    """Return a progress callback that stops the study at its call number ``call``, counted from 1."""
    calls = count(1)

    def stop(done: int, total: int) -> None:
        if next(calls) == call:
            raise Stopped("enough")

    return stop
