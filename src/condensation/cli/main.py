"""The command ``condense``: each subcommand is a line or two of the Python API, with the same names."""

from __future__ import annotations

import logging
import sys
from typing import Any, NoReturn

import typer

from condensation.cli.app import app
from condensation.cli.commands import continual, data, export, nas, pools, ridge, run, sample, show, table, teach  # noqa: F401  (each adds its subcommands)
from condensation.cli.errors import for_command_line
from condensation.core.errors import CondensationError

# The error for wrong options, which typer does not name; in its newer versions it is no longer click's.
UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command; a person's mistake ends in a line or two and exit code 2, never in a traceback."""
    handler = logging.StreamHandler()
    handler.addFilter(Once())
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[handler])
    try:
        # Without arguments there is nothing to do but explain.
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except CondensationError as error:
        _fail(for_command_line(error), 2)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "condense"
        _fail(f"{error.format_message()}\nSee: {command} --help", 2)
    except OSError as error:
        _fail(
            f"{error.filename or 'A file'}: {error.strerror or error}.\nSee that it can be read and written, then try again.",
            2,
        )
    except typer.Abort:
        _fail("Stopped.", 130)
    except MemoryError:
        _fail("Not enough memory.\nUse fewer images (ipc, batch_per_class) or smaller ones (data.size).", 2)
    except KeyboardInterrupt:
        _fail("Stopped.", 130)
    except RuntimeError as error:
        said = str(error).lower()
        if isinstance(error, NotImplementedError) and "mps" in said:
            _fail("Torch cannot do all of this on mps.\nUse --device cpu, or set PYTORCH_ENABLE_MPS_FALLBACK=1.", 2)
        if "out of memory" not in said and "can't allocate memory" not in said:
            _fail_in_own_code(error)
            raise
        _fail("Not enough memory on the device.\nUse a smaller compute.chunk, fewer images (ipc), or --device cpu.", 2)
    except Exception as error:
        _fail_in_own_code(error)
        raise
    if code == 130:
        _fail("Stopped.", 130)
    sys.exit(code if isinstance(code, int) else 0)


class Once(logging.Filter):
    """Lets each message through once: what is warned of may be met at every part of the work."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self._said
        self._said.add(message)
        return new


def _fail_in_own_code(error: Exception) -> None:
    """End here if ``error`` came out of a module that the person named: it is theirs to mend, and our own lines are of no use to them."""
    from condensation.core.user_code import user_error_message

    said = user_error_message(error)
    if said:
        _fail(said, 2)


def _fail(message: str, code: int) -> NoReturn:
    print(f"condense: {message}", file=sys.stderr)
    sys.exit(code)


__all__ = ["app", "main"]
