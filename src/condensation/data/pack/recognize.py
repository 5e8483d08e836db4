"""Names of the files of packed data, by which a folder of it is recognized."""

from pathlib import Path

from condensation.core.regular_files import open_regular

INDEX, UNFINISHED = "index.json", "packing.json"  # files of a finished pack, and of one that is being written
KIND = '{"kind": "packed images"'  # begin of both files


def is_pack(path: Path) -> bool:
    """Return whether ``path`` is a folder of packed data, finished or not."""
    return any(_begins_as_pack(path / name) for name in (INDEX, UNFINISHED))


def _begins_as_pack(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(KIND)) == KIND.encode()
    except OSError:
        return False
