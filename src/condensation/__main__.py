"""The command ``condense``, also as ``python -m condensation``; Ctrl-C ends it in one line from its first moment to its last."""

import os
import sys
from pathlib import Path

# Python has put the current folder first on its path, where a file such as numpy.py would replace a library.
if os.path.abspath(sys.path[0]) == os.getcwd() and Path.cwd() not in Path(__file__).resolve().parents:
    del sys.path[0]

import signal
from types import FrameType
from typing import NoReturn

IMPORTING = "<frozen importlib"  # begin of the file names of frames that import a module


def main() -> None:
    """Run the command."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # such as a job in the background, which ignores Ctrl-C
        return _command()
    signal.signal(signal.SIGINT, _interrupt)
    try:
        _command()
    finally:
        signal.signal(signal.SIGINT, _end)


def _command() -> None:
    from condensation.cli.main import main as command

    command()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt; end at once during an import, where other packages turn it into errors of their own."""
    while frame:
        if frame.f_code.co_filename.startswith(IMPORTING):
            _end()
        frame = frame.f_back
    raise KeyboardInterrupt


def _end(*_: object) -> NoReturn:
    print("condense: Stopped.", file=sys.stderr, flush=True)
    os._exit(130)


if __name__ == "__main__":
    main()
