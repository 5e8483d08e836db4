"""Reading of packed data: the index alone, and images when they are needed."""

from functools import partial
from pathlib import Path

import torch

from condensation.core.errors import CondensationError
from condensation.core.image_files import Block, ImageFiles
from condensation.core.stored_images import StoredImages
from condensation.data.dataset import FileSummary, Packed, RawData, RawSplit, ReadOptions, format_shape
from condensation.data.pack.digests import check_slowly
from condensation.data.pack.index import PackedPart, PackIndex, read_index, reading_of


def read_pack(folder: Path, options: ReadOptions) -> RawData:
    """Return the images of the pack in ``folder``, which stay in their files unless they are few. Only the index is read."""
    index = read_index(folder)
    _check_options(folder, index, options)
    return data_of(folder, index)


def data_of(folder: Path, index: PackIndex) -> RawData:
    """Return the images that ``index`` describes. Those that stay in their files are checked slowly by a thread during a run."""
    splits, fingerprints = [], []
    for part, origin in zip(index.parts.values(), index.origins, strict=True):
        stored, labels = _stored_part(folder, part, index.shape)
        stored.files.check_in_background(partial(check_slowly, folder, index))
        names = index.class_names if index.named else None
        splits.append(RawSplit(stored.placed(), labels, names, origin or str(folder)))
        known: dict[tuple[int, ...], str] = {(each.label,): each.digest for each in part.classes}
        fingerprints.append({**known, tuple(each.label for each in part.classes): part.fingerprint})
    files = None
    if index.found:
        sizes = {(height, width): count for height, width, count in index.found.sizes}
        files = FileSummary(sizes, index.found.modes, index.found.skipped, index.found.ignored)
    packed = Packed(index.name, index.class_names, index.details, tuple(fingerprints), index.warnings)
    return RawData(splits[0], splits[1], index.note, files, packed=packed)


def _stored_part(folder: Path, part: PackedPart, shape: tuple[int, int, int]) -> tuple[StoredImages, torch.Tensor]:
    """Return the images of a part, which stay in their files, and their labels."""
    blocks = [Block(str(folder / each.file), each.offset, each.count, each.channels) for each in part.classes]
    images = StoredImages.of(ImageFiles(blocks, shape))
    images.value_counts = torch.tensor(part.histogram)
    labels, counts = torch.tensor([[each.label, each.count] for each in part.classes]).T
    return images, labels.repeat_interleave(counts)


def _check_options(folder: Path, index: PackIndex, options: ReadOptions) -> None:
    """Raise CondensationError if ``options`` ask for other images than those that were packed."""
    if options.shape not in (None, index.shape[1:]):
        message = f"The images in {folder} were packed with {format_shape(index.shape[1:])} pixels, not {format_shape(options.shape)}."
        raise CondensationError(message, hint="Leave out the size, or pack the images again with it.", setting="data.size")
    usual = reading_of(ReadOptions())
    for name, value in reading_of(options).items():
        if name != "size" and value not in (usual[name], index.reading.get(name)):
            message = f"data.{name} was decided when the images in {folder} were packed."
            raise CondensationError(message, hint="Leave it out, or pack the images again with it.", setting=f"data.{name}")
