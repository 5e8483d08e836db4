"""Log file of a run: warnings, and what was done when."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from condensation.runs.files import MESSAGES, SETTINGS


class RunLog(logging.Handler):
    """Handler that appends to the log in ``folder`` once the run has claimed it; before, and if it is refused, nothing is written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
        self._folder, self._waiting = folder, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append(self.format(record))
        if (self._folder / SETTINGS).exists():
            with suppress(OSError), (self._folder / MESSAGES).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write("".join(line.replace("\n", " ") + "\n" for line in self._waiting))
            self._waiting.clear()


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Keep what this package logs in a file of the run in ``folder``."""
    package, handler = logging.getLogger("condensation"), RunLog(folder)
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    except Exception as error:
        package.info("Ended with %s: %s", type(error).__name__, " ".join(str(error).split()))
        raise
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
