"""Progress on standard error and a clean end after Ctrl-C, for every command that works for long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from condensation.methods.loop import Stopped
from condensation.report.progress import Reporter, StopOnSignal, StoppableReporter, reporter
from condensation.report.tables import plain_console

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


@contextmanager
def stoppable(*, quiet: bool, message: Callable[[Stopped], str] = lambda stopped: "") -> Iterator[Reporter]:
    """Yield a reporter that stops the work after Ctrl-C; then print the message and exit with code 130."""
    errors = plain_console(stderr=True)
    with StopOnSignal() as stop, reporter(errors, quiet) as shown:
        try:
            yield StoppableReporter(shown, stop)
        except Stopped as stopped:
            if text := message(stopped):
                errors.print(text)
            raise SystemExit(INTERRUPTED) from None
