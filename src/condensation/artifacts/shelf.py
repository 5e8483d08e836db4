"""Condensed sets included in the package, in ``artifacts/bundled`` with their licences."""

from pathlib import Path

from condensation.core.errors import CondensationError, unknown

SET = "set.safetensors"  # file name in a run folder and on the hub
SHELF = Path(__file__).parent / "bundled"
SUFFIX = ".safetensors"


def bundled_sets() -> dict[str, Path]:
    """Return the files of the bundled sets by name, such as ``fashion-mnist-10``; the number is that of the images per class."""
    files = sorted(SHELF.glob(f"*/*{SUFFIX}"), key=lambda path: (path.parent.name, int(path.stem.rpartition("-")[2])))
    return {path.stem: path for path in files}


def bundled_path(name: str) -> Path:
    """Return the file of the bundled set ``name``. Raise CondensationError with the names of all sets if there is none."""
    files = bundled_sets()
    if name not in files:
        raise unknown("bundled set", name, files)
    return files[name]


def is_set(path: Path) -> bool:
    """Return whether ``path`` is a run folder with a set, a set file, or the name of a bundled set."""
    return (path / SET).is_file() or path.is_file() or (not path.exists() and str(path) in bundled_sets())


def set_path(path: Path) -> Path:
    """Return the file of the set at ``path``, a file or a run folder, or else of the bundled set with that name.

    Raise CondensationError with the names of the bundled sets if there is none.
    """
    files = bundled_sets()
    file = path / SET if path.is_dir() else path if path.exists() else files.get(str(path), path)
    if not file.is_file():
        hint = f"Name a run folder, a set file, or a bundled set: {', '.join(files)}."
        raise CondensationError(f"There is no condensed set at {file}.", hint=hint)
    return file
