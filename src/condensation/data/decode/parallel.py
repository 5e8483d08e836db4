"""Parallel decoding of many images into one array."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np
import torch

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.processors import usable_processors
from condensation.core.text import joined
from condensation.data.dataset import FileSummary, MixedSizes, NoImages, RawData, RawSplit, ReadOptions, SkippedImage
from condensation.data.decode.decode import DecodedImage, OwnPicture, UnreadableImage, decode_file, strict_pillow
from condensation.data.own_output import OWN
from condensation.data.pixel_range import DEEPEST, PixelRange, fitting_range, range_note

BLOCK = 16  # images per task of a thread
AHEAD = 4  # blocks per thread that are queued or decoded
Outcome = DecodedImage | SkippedImage | None  # None for a picture that this program drew


@dataclass(frozen=True, eq=False)
class PendingImage:
    """An image that is not read yet."""

    name: str
    label: int
    read: Callable[[ReadOptions], DecodedImage]  # raises `UnreadableImage` or `OwnPicture`


@dataclass(frozen=True, eq=False)
class PendingImages:
    """The images of a split, not read yet."""

    items: Iterable[PendingImage]  # may be iterated again
    count: int
    origin: str  # for messages
    class_names: tuple[str, ...] | None = None  # None if labels are plain numbers
    labels: Sequence[int] = ()  # of the items, if they are known before


@dataclass(frozen=True, eq=False)
class PendingData:
    """The images of both splits, not read yet."""

    train: PendingImages
    test: PendingImages | None
    note: str
    ignored: Mapping[str, int]  # reason: number of files that are not images
    listing: Iterable[object]  # values that identify the state of all files


@dataclass
class DeepImages:
    """Images of a split with integers of more than 8 bits, whose range is known after all images are read."""

    items: dict[int, PendingImage] = field(default_factory=dict)  # by their index in the split
    peak: int = 0


def file_image(path: str, name: str, label: int) -> PendingImage:
    """Return the pending image of the file at ``path``."""
    return PendingImage(name, label, partial(decode_file, path))


def read_splits(train: PendingImages, test: PendingImages | None, options: ReadOptions, note: str = "") -> RawData:
    """Return both splits, in colour if any image is. Raise CondensationError if one cannot be read or sizes differ."""
    total = train.count + (test.count if test else 0)
    first, files, deep = read_split(train, offset_progress(options, 0, total))
    if test is None:
        return RawData(first, None, joined(note, _fit_range([(first, deep)], options)), files)
    second, test_files, test_deep = read_split(test, offset_progress(options, train.count, total))
    note = joined(note, _fit_range([(first, deep), (second, test_deep)], options))
    channels = max(first.images.shape[1], second.images.shape[1])
    first, second = (replace(split, images=split.images.expand(-1, channels, -1, -1)) for split in (first, second))
    return RawData(first, second, note, files + test_files)


def _fit_range(parts: Sequence[tuple[RawSplit, DeepImages]], options: ReadOptions) -> str:
    """Scale all deep images from the range of their largest value, and return a sentence about it."""
    count = sum(len(deep.items) for _, deep in parts)
    if not count:
        return ""
    pixel_range = fitting_range(max(deep.peak for _, deep in parts))
    if pixel_range != DEEPEST:  # they were scaled from `DEEPEST`, so they are decoded again
        options = replace(options, pixel_range=pixel_range)
        for split, deep in parts:
            for index, (item, image) in zip(deep.items, decode_in_parallel(deep.items.values(), options), strict=True):
                if not isinstance(image, DecodedImage):
                    raise CondensationError(f"{item.name} changed while the images were read.", hint="Try again.")
                split.images.numpy()[index] = image.pixels
    return deep_note(count, pixel_range)


def deep_note(count: int, pixel_range: PixelRange) -> str:
    """Return a sentence about the range of ``count`` images with integers of more than 8 bits."""
    return range_note(f"{count:,} images" if count > 1 else "Pixels of one image", pixel_range)


def read_split(
    pending: PendingImages, options: ReadOptions, decoded: Iterable[tuple[PendingImage, Outcome]] | None = None
) -> tuple[RawSplit, FileSummary, DeepImages]:
    """Return one split, in colour if any of its images is; ``decoded`` are its items with their images if they are decoded elsewhere."""
    array: np.ndarray | None = None
    labels: list[int] = []
    names: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    skipped: list[SkippedImage] = []
    own, deep = 0, DeepImages()
    if options.shape:  # before the first images are decoded, which may be large themselves
        _require_memory(pending, (1, *options.shape))
    for done, (item, image) in enumerate(decode_in_parallel(pending.items, options) if decoded is None else decoded, 1):
        if options.on_progress:
            options.on_progress(done, pending.count)
        if image is None:
            own += 1
            continue
        if isinstance(image, SkippedImage):
            if not options.skip_bad:
                raise image.error()
            skipped.append(image)
            continue
        if array is None:
            _require_memory(pending, image.pixels.shape)
            array = np.empty((pending.count, *image.pixels.shape), dtype=np.uint8)
        elif image.pixels.shape[1:] != array.shape[2:]:
            (first_height, first_width), (height, width) = array.shape[2:], image.pixels.shape[1:]
            first = f"{names[0]} has {first_width} x {first_height} pixels"
            hint = "Set a common size, such as size=64; `condense data show` lists the sizes."
            raise MixedSizes(f"The images differ in size: {first}, {item.name} has {width} x {height}.", hint=hint, setting="data.size")
        if len(image.pixels) > array.shape[1]:
            _require_memory(pending, image.pixels.shape)
            array = np.repeat(array, 3, axis=1)
        array[len(names)] = image.pixels
        if image.peak is not None:
            deep.items[len(names)], deep.peak = item, max(deep.peak, image.peak)
        names.append(item.name)
        labels.append(item.label)
        sizes[image.shape] += 1
        modes[image.mode] += 1
    if array is None:
        if skipped and not own and options.skip_bad:
            raise NoImages(f"No image of {pending.origin} can be read. The first: {skipped[0].name} {skipped[0].why}.")
        raise skipped[0].error() if skipped else NoImages(f"{pending.origin} has no images.")
    files = FileSummary(dict(sizes), dict(modes), tuple(skipped), {OWN: own} if own else {})
    images = torch.from_numpy(array[: len(names)])
    return RawSplit(images, torch.tensor(labels), pending.class_names, pending.origin, tuple(names)), files, deep


def thread_count() -> int:
    """Return the number of reading threads: one per usable processor, since Pillow decodes without the GIL."""
    return usable_processors()


def offset_progress(options: ReadOptions, offset: int, total: int) -> ReadOptions:
    """Return ``options`` for a part of the images, before which ``offset`` of ``total`` were read."""
    on_progress = options.on_progress
    return replace(options, on_progress=lambda done, _: on_progress(offset + done, total)) if on_progress else options


def decode_in_parallel(items: Iterable[PendingImage], options: ReadOptions) -> Generator[tuple[PendingImage, Outcome]]:
    """Yield every item with its image, in order, with a bounded number of images in memory."""
    waiting: deque[Future[list[tuple[PendingImage, Outcome]]]] = deque()
    source, threads = iter(items), thread_count()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="images")
    with strict_pillow(options.max_pixels):
        try:
            while block := list(islice(source, BLOCK)):
                waiting.append(pool.submit(_decode_block, block, options))
                if len(waiting) >= AHEAD * threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _decode_block(block: list[PendingImage], options: ReadOptions) -> list[tuple[PendingImage, Outcome]]:
    results: list[tuple[PendingImage, Outcome]] = []
    for item in block:
        try:
            results.append((item, item.read(options)))
        except UnreadableImage as problem:
            results.append((item, SkippedImage(item.name, str(problem), problem.setting)))
        except OwnPicture:
            results.append((item, None))
    return results


def require_memory_by_class(pending: PendingImages, largest: int, shape: tuple[int, ...]) -> None:
    """Check, before the first image is decoded, that the ``largest`` class fits beside the images that threads decode ahead."""
    ahead = min(pending.count, BLOCK * AHEAD * thread_count())
    _require(pending, (2 * largest + ahead) * int(np.prod(shape)), "Set size=... to a smaller size.")


def _require_memory(pending: PendingImages, shape: tuple[int, ...]) -> None:
    # Two copies: as read, and sorted into an image set.
    hint = "Set size=... to a smaller size, or pack the images: `condense data pack`."
    _require(pending, 2 * pending.count * int(np.prod(shape)), hint)


def _require(pending: PendingImages, needed: int, hint: str) -> None:
    memory.require(needed, f"Reading {pending.count:,} images from {pending.origin}", hint)
