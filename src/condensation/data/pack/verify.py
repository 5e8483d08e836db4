"""Check of the digests of packed data."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import torch

from condensation.core.image_files import Block, ImageFiles
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.stored_images import StoredImages
from condensation.data.decode.parallel import thread_count
from condensation.data.pack.index import PackedClass, PackIndex, file_digest, read_index
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
    classes = [(part, each) for part, content in index.parts.items() for each in content.classes]
    damaged = []
    with ThreadPoolExecutor(thread_count()) as pool:
        results: Iterator[bool] = pool.map(_is_whole, repeat(folder), repeat(index), [each for _, each in classes])
        for done, ((part, each), whole) in enumerate(zip(classes, results, strict=True), 1):
            if not whole:
                damaged.append(DamagedClass(each.file, part, index.class_names[each.label]))
            if on_progress:
                on_progress(done, len(classes))
    if file_digest(folder / JOURNAL) != index.names:
        damaged.append(DamagedClass(JOURNAL))
    return index, damaged


def _is_whole(folder: Path, index: PackIndex, part: PackedClass) -> bool:
    images = StoredImages.of(ImageFiles([Block(str(folder / part.file), part.offset, part.count, part.channels)], index.shape))
    labels = torch.full((part.count,), part.label)
    return ImageSet.of(images, labels, index.class_names).fingerprint() == part.digest
