"""Check of the digests of packed data."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from condensation.core.progress import OnProgress
from condensation.data.decode.parallel import thread_count
from condensation.data.pack.digests import is_whole, packed_classes
from condensation.data.pack.index import PackIndex, file_digest, read_index
from condensation.data.pack.writer import JOURNAL


@dataclass(frozen=True)
class DamagedClass:
    """Images whose digest does not match the index; without a class, those of the table of names."""

    file: str
    part: str | None = None
    class_name: str | None = None


def verify_pack(folder: Path, on_progress: OnProgress | None = None) -> tuple[PackIndex, list[DamagedClass]]:
    """Return the index of the pack in ``folder``, and what has another content than it says. ``on_progress`` counts classes.

    Raise CondensationError if the index is missing or damaged, or a file is missing or has another size.
    """
    index = read_index(folder)
    classes = list(packed_classes(index))
    damaged = []
    with ThreadPoolExecutor(thread_count()) as pool:
        results: Iterator[bool] = pool.map(is_whole, repeat(folder), repeat(index), [each for _, each in classes])
        for done, ((part, each), whole) in enumerate(zip(classes, results, strict=True), 1):
            if not whole:
                damaged.append(DamagedClass(each.file, part, index.class_names[each.label]))
            if on_progress:
                on_progress(done, len(classes))
    if file_digest(folder / JOURNAL) != index.names:
        damaged.append(DamagedClass(JOURNAL))
    return index, damaged
