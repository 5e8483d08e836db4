"""A person's own code by name: ``module:name`` or ``path/to/file.py:name``, found, named again, and its errors told as theirs."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from condensation.core.errors import CondensationError, did_you_mean

FORM = "module:name or path/to/file.py:name"
FROM_FILE = "condensation_own_"  # how the names of modules begin that were read from a file
SHOWN = 12  # names in a message

_files: set[str] = set()  # of the modules that were found, so that errors in them can be told from ours


def import_object(target: str) -> Any:
    """What ``target`` names. Its module is imported, so its code runs: once in a process, as with any import.

    A module is looked for in the current folder first, then where Python looks; a file, from the current folder.

    Raises:
        CondensationError: if there is no such file, module or name, or the module cannot be imported.
    """
    place, _, name = target.rpartition(":")
    if "<" in target:
        raise CondensationError(f"{target} cannot be found again: it has no name of its own.\nGive it one, at the top level of a module.")
    if not place or not name:
        raise CondensationError(f"{target!r} does not say where a person's own code is.\nWrite {FORM}.")
    found: Any = _of_file(place) if place.endswith(".py") else _of_name(place)
    file = getattr(found, "__file__", None)  # what is built in has none
    if file:
        _files.add(os.path.abspath(file))
    for part in name.split("."):
        if not hasattr(found, part):
            raise _no_name(place, name, found)
        found = getattr(found, part)
    return found


def qualified_name(value: Any) -> str:
    """The text from which `import_object` finds ``value``, a function or a class; of an object, its class.

    What has no name of its own (a lambda, a function within a function, a partial) gets a text that `import_object` refuses.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        given = [*map(repr, value.args), *(f"{key}={item!r}" for key, item in value.keywords.items())]
        return f"<{qualified_name(value.func)} with {', '.join(given)}>"
    owner = value if hasattr(value, "__qualname__") else type(value)
    return f"{_place(owner.__module__)}:{owner.__qualname__}"


def short_name(text: str) -> str:
    """The last part of a name, short enough for titles: ``small`` of ``nets.py:small``."""
    return text.rpartition(":")[2]


@contextmanager
def user_errors(what: str) -> Iterator[None]:
    """Tell an error inside a person's own code in a line or two that begin with ``what``; the error itself is its cause.

    Errors that others know to handle pass: ours, and those for want of memory.
    """
    try:
        yield
    except (CondensationError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise
        raise CondensationError("\n".join(filter(None, (f"{what}: {last_line(error)}", where(error))))) from error


def last_line(error: BaseException) -> str:
    """``RuntimeError: what it says``, in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def user_error_message(error: BaseException) -> str | None:
    """An error that came out of code that `import_object` found, for a person: what it says and where; None if it came from elsewhere."""
    line = where(error)
    return f"{last_line(error)}\n{line}" if line else None


def where(error: BaseException) -> str:
    """``nets.py, line 12, in forward: return self.head(images)``, the last line of a person's own that ``error`` passed; or nothing."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{_shown(error.filename)}, line {error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.abspath(frame.filename) in _files]
    if not frames:
        return ""
    last = frames[-1]
    inside = f", in {last.name}" if not last.name.startswith("<") else ""
    return f"{_shown(last.filename)}, line {last.lineno}{inside}: {last.line}"


def _of_file(place: str) -> ModuleType:
    path = os.path.abspath(place)
    if not os.path.isfile(path):
        there = [entry.name for entry in _entries(Path(path).parent) if entry.suffix == ".py"]
        raise CondensationError(f"There is no file {place}.{did_you_mean(Path(path).name, there)}\nIt is looked for from {os.getcwd()}.")
    for module in list(sys.modules.values()):  # it may be the program itself
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == os.path.basename(path) and os.path.abspath(file) == path:
            return module
    name = f"{FROM_FILE}{Path(path).stem}_{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is made
    loader = spec.loader
    try:
        _imported(place, path, lambda: loader.exec_module(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _of_name(place: str) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise CondensationError(f"{place!r} is not the name of a module.\nWrite {FORM}.")

    def load() -> ModuleType:
        importlib.invalidate_caches()  # the file may be a moment old
        return importlib.import_module(place)

    try:
        module: ModuleType = _imported(place, os.path.join(os.getcwd(), ""), load)
        return module
    except ModuleNotFoundError:
        there = [entry.stem for entry in _entries(Path.cwd()) if entry.suffix == ".py" or (entry / "__init__.py").exists()]
        raise CondensationError(
            f"There is no module {place!r}.{did_you_mean(place, there)}\n"
            f"It is looked for in {os.getcwd()} and among the installed packages; of a file elsewhere give the path, path/to/file.py:name."
        ) from None


def _imported(place: str, path: str, load: Callable[[], Any]) -> Any:
    """What ``load`` gives, with the folder of ``path`` among those where Python looks for modules.

    Raises:
        ModuleNotFoundError: if it is the module itself that is missing.
        CondensationError: if its code raises.
    """
    try:
        with _looked_in(os.path.dirname(path)):
            return load()
    except CondensationError:
        raise
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        if missing and f"{place}.".startswith(f"{missing}.") and not place.endswith(".py"):
            raise
        passed = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if os.path.isfile(frame.filename)]
        _files.update([os.path.abspath(file) for file in passed if file not in (__file__, importlib.__file__)][:1])
        raise CondensationError("\n".join(filter(None, (f"{place} cannot be imported: {last_line(error)}", where(error))))) from error


@contextmanager
def _looked_in(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _place(module_name: str) -> str:
    """Where `import_object` finds a module: by its file if it has no name that can be imported."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file and (module_name == "__main__" or module_name.startswith(FROM_FILE)):
        return _shown(file)
    return module_name


def _shown(file: str) -> str:
    """A file as seen from here: without the folders that lead here."""
    path = Path(os.path.abspath(file))
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _no_name(place: str, name: str, module: Any) -> CondensationError:
    names = [key for key, value in vars(module).items() if not key.startswith("_") and not inspect.ismodule(value)]
    own = [key for key in names if getattr(getattr(module, key), "__module__", None) == module.__name__]
    shown = ", ".join((own or names)[:SHOWN]) or "nothing"
    return CondensationError(f"{place} has no {name!r}.{did_you_mean(name, names)}\nIt has: {shown}.")
