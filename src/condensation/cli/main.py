"""The command ``condense``: each subcommand is a line or two of the Python API, with the same names."""

import logging
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import typer

from condensation.cli.app import PANELS, app
from condensation.cli.errors import for_command_line, in_option_names
from condensation.core.errors import CondensationError
from condensation.core.lock import is_silent
from condensation.core.memory import is_out_of_memory
from condensation.core.processors import processor_quota, usable_processors
from condensation.core.text import in_line, shown

for _name in (name for names in PANELS.values() for name in names):
    import_module(f"condensation.cli.commands.{'import_' if _name == 'import' else _name}")  # adds the subcommand to `app`

NO_MEMORY = (
    "Not enough memory.\nUse a smaller compute.chunk, smaller batches (method.batch_per_class, evaluation.recipe.batch), "
    "fewer images (ipc), smaller ones (data.size), or another device (compute.device)."
)
CLOSED = 1  # exit code if standard output was closed, that of `rich` and `click`
# The base of errors in options, whose module differs between versions of typer.
UsageError: Any = typer.BadParameter.__base__
LONGEST = 1000  # characters of a line of an error, which may show a name or a value of any length


def main() -> None:
    """Run the command; user errors print a short message and exit with code 2, without a traceback."""
    _prepare_streams()
    _limit_threads()
    handler = logging.StreamHandler()
    handler.addFilter(OnceFilter())
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[handler])
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except CondensationError as error:
        if is_silent(error):
            sys.exit(2)
        _fail(for_command_line(error))
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "condense"
        _fail(f"{error.format_message()}\nSee: {command} --help")
    except BrokenPipeError:
        code = CLOSED
    except OSError as error:
        if is_out_of_memory(error):
            _fail(NO_MEMORY)
        _fail(f"{error.filename or 'A file'}: {error.strerror or error}.\nMake it readable and writable, then try again.")
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        _fail_for_known_reason(error)
        raise
    if code == 130:
        _fail("Stopped.", 130)
    sys.exit(_flushed(code if isinstance(code, int) else 0))


def _prepare_streams() -> None:
    """Replace characters that the encoding of a stream lacks, so that no finished work is lost; open a closed stream to write nowhere."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def _limit_threads() -> None:
    """Give PyTorch, which is imported later, no more threads than the quota of a container allows, unless the user has set a number."""
    if processor_quota() is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_processors()))


def _flushed(code: int) -> int:
    """Write what is left for standard output, and return the exit code: `CLOSED` if nobody reads it, as in ``| head -1``."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes again when it ends
        if not isinstance(error, BrokenPipeError):
            _fail(f"Could not write to standard output: {error.strerror}.")
        return CLOSED
    return code


class OnceFilter(logging.Filter):
    """Filter that passes each message only once."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = in_line(in_option_names(record.getMessage())), ()
        new = record.msg not in self._messages
        self._messages.add(record.msg)
        return new


def _fail_for_known_reason(error: Exception) -> None:
    """Exit with a short message if torch lacks memory or an operation, or if the error comes from user code."""
    text = str(error).lower()
    if isinstance(error, NotImplementedError) and "mps" in text:
        _fail("PyTorch lacks an operation on mps.\nUse --device cpu, or set PYTORCH_ENABLE_MPS_FALLBACK=1.")
    if is_out_of_memory(error):
        _fail(NO_MEMORY)
    from condensation.core.user_code import user_error_message

    if message := user_error_message(error):
        _fail(message)


def _fail(message: str, code: int = 2) -> NoReturn:
    lines = (line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 4 :]}" for line in shown(message).split("\n"))
    print("condense: " + "\n".join(lines), file=sys.stderr)
    sys.exit(code)
