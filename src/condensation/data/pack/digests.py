"""Digests of packed images: computed in one pass over the files, and compared with the index."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.fingerprint import ContentDigest
from condensation.core.image_files import ENDING, Block, ImageFiles
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.stored_images import StoredImages, in_blocks
from condensation.data.dataset import Data, FileSummary
from condensation.data.fit_preprocessing import value_counts
from condensation.data.pack.index import AGAIN, Found, PackedClass, PackedPart, PackIndex, file_digest
from condensation.data.pack.writer import JOURNAL, PackedLine

REST = 9.0  # times the seconds that the check of a class took, so that a run keeps nine tenths of the disk and of a processor


def index_of(
    out: Path, data: Data, lines: Sequence[PackedLine], reading: dict[str, Any], state: str, on_checking: OnProgress | None = None
) -> PackIndex:
    """Return the index of the files in ``out``, with the digests of all classes; each image is read once."""
    places = {(line.part, line.label): line for line in lines}
    total, parts, done = len(data.train.classes) + len(data.test.classes), [], 0
    for part, images in (("train", data.train), ("test", data.test)):
        whole = ContentDigest(images.images.shape, str(images.images.dtype), images.class_names)
        histogram = torch.zeros((images.shape[0], 256), dtype=torch.int64)
        classes = []
        for label, count in images.counts.items():
            line = places.get((part, label)) or places["train", label]
            first = line.count - line.held_out if (part, label) not in places else 0
            digest, counts = _about(images, label, whole)
            histogram += counts
            values = counts.sum(0).nonzero()
            offset = line.offset + first * line.image_bytes
            classes.append(PackedClass(label, line.file, offset, count, line.shape[0], digest, int(values.min()), int(values.max())))
            done += 1
            if on_checking:
                on_checking(done, total)
        whole.add(images.labels)
        parts.append(PackedPart(whole.hexdigest(), tuple(map(tuple, histogram.tolist())), tuple(classes)))
    files = {name: (out / name).stat().st_size for name in sorted({line.file for line in lines} | {JOURNAL})}
    return PackIndex(
        name=data.name,
        shape=data.train.shape,
        class_names=data.train.class_names,
        files=files,
        train=parts[0],
        test=parts[1],
        reading=reading,
        note=data.note,
        details=dict(data.details),
        found=_found(data.files),
        names=file_digest(out / JOURNAL),
        state=state,
        warnings=data.warnings,
    )


def _about(images: ImageSet, label: int, whole: ContentDigest) -> tuple[str, torch.Tensor]:
    """Return the fingerprint of a class and its histogram (c, 256), and add its images to the digest ``whole``."""
    first, count = images.starts[label], images.counts[label]
    digest = ContentDigest((count, *images.shape), str(images.images.dtype), images.class_names)
    histogram = torch.zeros((images.shape[0], 256), dtype=torch.int64)
    step = max(1, len(next(in_blocks(images.images))))
    for place in range(first, first + count, step):
        block = images.images[place : min(place + step, first + count)]
        digest.add(block)
        whole.add(block)
        histogram += value_counts(block)
    digest.add(images.labels[first : first + count])
    return digest.hexdigest(), histogram


def _found(files: FileSummary | None) -> Found | None:
    sizes = tuple((*size, count) for size, count in files.sizes.items()) if files else ()
    return Found(sizes, dict(files.modes), dict(files.ignored), files.skipped) if files else None


def check_slowly(folder: Path, index: PackIndex) -> None:
    """Compare all images with their digests, with a rest after each class. Raise CondensationError for the first that has changed."""
    for part, each in packed_classes(index):
        started = time.perf_counter()
        if not is_whole(folder, index, each):
            name = index.class_names[each.label]
            message = f"{folder / each.file} has changed: the digest of class {name!r} ({part}) does not match."
            raise CondensationError(message, hint=AGAIN if index.name else f"Remove {folder}; the images are decoded again.")
        if ENDING.wait(REST * (time.perf_counter() - started)):
            return


def packed_classes(index: PackIndex) -> Iterator[tuple[str, PackedClass]]:
    """Yield part and class of all images."""
    return ((part, each) for part, content in index.parts.items() for each in content.classes)


def is_whole(folder: Path, index: PackIndex, part: PackedClass) -> bool:
    """Return whether the images of a class match their digest."""
    images = StoredImages.of(ImageFiles([Block(str(folder / part.file), part.offset, part.count, part.channels)], index.shape))
    labels = torch.full((part.count,), part.label)
    return ImageSet.of(images, labels, index.class_names).fingerprint() == part.digest
