"""User code: imported by ``module:name`` or ``path/to/file.py:name``, with errors that show the line at fault."""

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

from condensation.core.errors import CondensationError, abridged, did_you_mean
from condensation.core.plain import FROM_FILE, relative_path
from condensation.core.text import listed
from condensation.core.trust import require_trusted_code

FORM = "module:name or path/to/file.py:name"
SHOWN = 12  # names in a message

_user_files: set[str] = set()  # files of imported modules, to recognize errors in user code


def import_object(target: str, setting: str = "") -> Any:
    """Return the object called ``target``, importing its module once per process, as Python does.

    Modules are found in the current folder first, then on Python's path; files are relative to the current folder. Raise CondensationError
    if there is no such file, module or name, the module cannot be imported, or the name comes from a file that is not trusted.
    """
    require_trusted_code(target, setting)
    source, _, name = target.rpartition(":")
    if "<" in target:
        hint = "Define it with a name at the top level of a module."
        raise CondensationError(f"{target} cannot be imported by name: it is a lambda, a nested function or a partial.", hint=hint)
    if not source or not name:
        raise CondensationError(f"{target!r} does not name an object in a module or file.", hint=f"Write {FORM}.")
    value: Any = _import_file(source) if source.endswith(".py") else _import_module(source)
    file = getattr(value, "__file__", None)  # built-in modules have none
    if file:
        _user_files.add(os.path.abspath(file))
    for part in name.split("."):
        if not hasattr(value, part):
            raise _unknown_name(source, name, value)
        value = getattr(value, part)
    return value


def short_name(text: str) -> str:
    """Return the last part of a name: ``small`` for ``nets.py:small``."""
    return text.rpartition(":")[2]


@contextmanager
def user_errors(problem: str) -> Iterator[None]:
    """Raise errors of user code, but for want of memory, as `CondensationError` with ``problem`` and the line at fault."""
    try:
        yield
    except (CondensationError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise
        raise CondensationError(f"{problem}: {last_line(error)}", hint=line_at_fault(error)) from error


def last_line(error: BaseException) -> str:
    """Return the type and the message of ``error`` in one line, as at the end of a traceback."""
    return abridged(" ".join(f"{type(error).__name__}: {error}".split()), 300)


def user_error_message(error: BaseException) -> str | None:
    """Return the message of an error raised in user code and the line at fault; None if it was raised elsewhere."""
    line = line_at_fault(error)
    return f"{last_line(error)}\n{line}" if line else None


def line_at_fault(error: BaseException) -> str:
    """Return the innermost line of the user's code: ``nets.py, line 12, in forward: return self.head(images)``; "" if there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{relative_path(error.filename)}, line {error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.abspath(frame.filename) in _user_files]
    if not frames:
        return ""
    last = frames[-1]
    inside = f", in {last.name}" if not last.name.startswith("<") else ""
    return f"{relative_path(last.filename)}, line {last.lineno}{inside}: {last.line}"


def _import_file(source: str) -> ModuleType:
    path = os.path.abspath(source)
    if not os.path.isfile(path):
        names = [entry.name for entry in _entries(Path(path).parent) if entry.suffix == ".py"]
        message = f"There is no file {source}.{did_you_mean(Path(path).name, names)}"
        raise CondensationError(message, hint=f"The path is relative to {os.getcwd()}.")
    for module in list(sys.modules.values()):  # it may be the running program itself
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == os.path.basename(path) and os.path.abspath(file) == path:
            return module
    name = f"{FROM_FILE}{Path(path).stem}_{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module while it is imported
    loader = spec.loader
    try:
        _load(source, path, lambda: loader.exec_module(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(source: str) -> ModuleType:
    if not all(part.isidentifier() for part in source.split(".")):
        raise CondensationError(f"{source!r} is not the name of a module.", hint=f"Write {FORM}.")
    importlib.invalidate_caches()  # the file may be new
    try:
        module: ModuleType = _load(source, os.path.join(os.getcwd(), ""), lambda: importlib.import_module(source))
        return module
    except ModuleNotFoundError:
        names = [entry.stem for entry in _entries(Path.cwd()) if entry.suffix == ".py" or (entry / "__init__.py").exists()]
        hint = f"Searched {os.getcwd()} and the installed packages. For a file elsewhere, write path/to/file.py:name."
        raise CondensationError(f"There is no module {source!r}.{did_you_mean(source, names)}", hint=hint) from None


def _load(source: str, path: str, load: Callable[[], Any]) -> Any:
    """Call ``load`` with the folder of ``path`` importable. Raise ModuleNotFoundError for its module, else CondensationError."""
    folder = os.path.dirname(path)
    sys.path.insert(0, folder)
    try:
        return load()
    except CondensationError:
        raise
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        if missing and f"{source}.".startswith(f"{missing}.") and not source.endswith(".py"):
            raise
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if os.path.isfile(frame.filename)]
        _user_files.update([os.path.abspath(file) for file in files if file not in (__file__, importlib.__file__)][:1])
        raise CondensationError(f"{source} cannot be imported: {last_line(error)}", hint=line_at_fault(error)) from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _unknown_name(source: str, name: str, module: Any) -> CondensationError:
    names = [key for key, value in vars(module).items() if not key.startswith("_") and not inspect.ismodule(value)]
    defined = [key for key in names if getattr(getattr(module, key), "__module__", None) == module.__name__]
    hint = f"It has: {listed(defined or names, SHOWN) or 'nothing'}."
    return CondensationError(f"{source} has no {name!r}.{did_you_mean(name, names)}", hint=hint)
