"""The command ``condense`` in a forked process.

The slow imports happen once, in `warm`. Each call then costs only its own work, so that thousands of commands fit in an hour.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns import watch

GIB = 1 << 30
ADDRESSES = 8 * GIB  # address space of a command
SECONDS = 120.0
SENT = (signal.SIGINT, signal.SIGTERM)
KNOWN_HANDLERS = (signal.SIGTERM, signal.SIGXFSZ, signal.SIGPIPE)


def warm(home: Path) -> None:
    """Import all that commands need, with one thread and without the user's data and caches. Compute nothing, so that forks are safe."""
    hidden = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CACHE_HOME": home / "cache", "HF_HOME": home / "hf"}
    os.environ |= {name: str(path) for name, path in hidden.items()}
    os.environ |= {"CONDENSATION_CACHE": "none", "COLUMNS": "200", "MPLBACKEND": "agg", "TOKENIZERS_PARALLELISM": "false"}
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ.pop("CONDENSATION_DATA", None)
    import torch

    torch.set_num_threads(1)
    import condensation

    for module in pkgutil.walk_packages(condensation.__path__, "condensation."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("PIL.Image", "matplotlib.figure", "rich.progress", "torch._dynamo", "scipy.io", "requests"):
        importlib.import_module(name)
    with contextlib.suppress(ImportError):
        import datasets

        datasets.disable_progress_bars()
    sys.modules["PIL.Image"].init()


@dataclass(frozen=True)
class Result:
    """End of a command."""

    code: int  # exit code, or minus the number of the signal that ended it
    out: str
    err: str
    seconds: float
    memory: int  # MiB at the peak
    timed_out: bool
    operations: int  # on files in the watched folder; 0 if the process was killed
    events: list[str]  # connections, other processes, and files written outside the watched folder


@dataclass
class Command:
    """A command that runs in a forked process of its own session."""

    arguments: list[str]
    folder: Path  # current folder, and the only one where it may write
    environment: dict[str, str] = field(default_factory=dict)
    before: Callable[[], Any] = lambda: None  # called in the new process
    kill_at: int = 0  # SIGKILL before this file operation, counted from 1

    def start(self) -> "Command":
        self.outputs = [tempfile.TemporaryFile() for _ in range(3)]  # stdout, stderr, what `watch` saw
        self.started = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SENT)  # until `main` begins
        self.process = os.fork()
        if not self.process:
            self._run()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT)
        return self

    def _run(self) -> None:
        code = 1
        seen = watch.Watch(self.folder, self.kill_at)
        try:
            os.setsid()
            for number in KNOWN_HANDLERS:
                signal.signal(number, signal.SIG_IGN if number != signal.SIGTERM else signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number in (1, 2):
                os.dup2(self.outputs[number - 1].fileno(), number)
            os.chdir(self.folder)
            os.environ |= {"TMPDIR": str(self.folder), **self.environment}
            tempfile.tempdir = None
            encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
            sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding)
            sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), encoding, errors="backslashreplace", line_buffering=True)
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
            sys.argv = ["condense", *self.arguments]
            from condensation.cli.main import main

            self.before()
            seen.begin()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT)
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except KeyboardInterrupt as error:
            # Before and after `main`, a signal is Python's to report.
            inside = any("/condensation/" in frame.filename for frame in traceback.extract_tb(error.__traceback__))
            if inside:
                traceback.print_exc()
            code = 1 if inside else 130
        except BaseException:
            traceback.print_exc()
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, SENT)
            seen.end()
            try:
                sys.stdout.flush()
            except (OSError, ValueError):
                code = code or 120
            os.write(self.outputs[2].fileno(), json.dumps([seen.operations, seen.events]).encode())
            os._exit(code)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)

    def result(self, seconds: float = SECONDS) -> Result:
        """Wait for the end of the command, and stop it after ``seconds``."""
        timed_out = False
        while True:
            process, status, usage = os.wait4(self.process, os.WNOHANG)
            if process:
                break
            if time.monotonic() - self.started > seconds:
                timed_out = True
                os.killpg(self.process, signal.SIGKILL)
            time.sleep(0.002)
        texts = []
        for output in self.outputs:
            output.seek(0)
            texts.append(output.read().decode("utf-8", "replace"))
            output.close()
        operations, events = json.loads(texts[2] or "[0, []]")
        passed = time.monotonic() - self.started
        return Result(os.waitstatus_to_exitcode(status), *texts[:2], passed, usage.ru_maxrss // 1024, timed_out, operations, events)

    def alive(self) -> list[str]:
        """Return the processes of the command that still run."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, group = status.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process and state != "Z":
                    found.append(status.parent.name)
        return found


def apart(function: Callable[..., Any], *arguments: Any) -> None:
    """Call ``function`` in a forked process, so that this one computes nothing and stays safe to fork."""
    process = os.fork()
    if not process:
        code = 1
        try:
            function(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"{getattr(function, '__name__', function)} failed")
