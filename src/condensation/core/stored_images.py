"""Images that stay in files, as a tensor that reads what is indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from condensation.core import memory

if TYPE_CHECKING:
    from condensation.core.image_files import Block, ImageFiles

BLOCK_BYTES = 2**26  # in memory at a time where all images are needed one after the other
# Larger parts of the images, and those of more than this share of the free memory, stay in their files. Others are read at once.
IN_MEMORY, FREE_SHARE = 2**28, 0.25
GPU_SHARE = 0.5  # of the free memory of a GPU that the images may take; more of them stay in their files
FEWER = "Use fewer classes (data.classes), smaller images (size=...), or a machine with more memory."


class StoredImages(Tensor):
    """Images (n, c, h, w) uint8 that stay in files. An index reads those images; any other operation reads all, if they fit in memory.

    Type, shape and length are known without reading. Only images that were read take memory of the process.
    """

    files: ImageFiles
    _numbers: np.ndarray  # of the images in the files
    _place: torch.device
    value_counts: Tensor | None = None
    """Number of pixels of each value in each channel, (c, 256); None if unknown."""

    @staticmethod
    def of(files: ImageFiles, numbers: np.ndarray | None = None, device: torch.device | str = "cpu") -> StoredImages:
        """Return the images of ``files`` at ``numbers``, by default all; what is read is on ``device``."""
        numbers = np.arange(len(files)) if numbers is None else numbers
        # A tensor without memory, so that an operation that is not handled below is an error, not a wrong result.
        images = torch.empty((len(numbers), *files.shape), dtype=torch.uint8, device="meta").as_subclass(StoredImages)
        images.files, images._numbers, images._place = files, numbers, torch.device(device)
        return images

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _KNOWN:
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        return func(*_whole(args), **_whole(kwargs or {}))

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self._place

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, int):
            return self[range(len(self))[index:][:1]][0]
        if isinstance(index, tuple) or (isinstance(index, Tensor) and index.ndim != 1) or index is None or index is Ellipsis:
            return self.whole()[index]
        return self._read(self._chosen(index))

    def _read(self, numbers: np.ndarray) -> Tensor:
        ahead = self.files.ahead.take(numbers)
        if ahead is None:
            return torch.from_numpy(self.files.gather(numbers)).to(self._place)
        # A copy, since the caller may change it in place. The allocator keeps pinned memory until the copy to a GPU is done.
        return ahead.clone() if self._place.type == "cpu" else ahead.to(self._place, non_blocking=True)

    def part(self, index: Tensor) -> Tensor:
        """Return the images at ``index`` (n,), read at once if they are few; see `IN_MEMORY`."""
        chosen = StoredImages.of(self.files, self._chosen(index), self._place)
        return chosen.placed()

    def placed(self) -> Tensor:
        """Return all images in memory if they are few and the memory is free, within the limits of containers; else in their files."""
        free = memory.free_memory()
        return self[:] if self.numel() <= min(IN_MEMORY, IN_MEMORY if free is None else free * FREE_SHARE) else self

    def whole(self) -> Tensor:
        """Return all images in memory. Raise NotEnoughMemory if they do not fit."""
        memory.require(self.numel(), f"Reading all {len(self):,} images at once", FEWER)
        return self[:]

    def prefetch(self, indices: Callable[[], Tensor]) -> None:
        """Let a thread read the images at ``indices()``, which the next step needs; for a GPU, into pinned memory."""
        self.files.start_check()
        self.files.ahead.start(self.files.gather, lambda: self._chosen(indices()), self.files.shape, pinned=self._place.type == "cuda")

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the images on a device: in its memory if they take at most half of what is free on a GPU, else still in their files."""
        if kwargs or len(args) != 1 or not isinstance(args[0], str | torch.device):
            return self.whole().to(*args, **kwargs)
        device = torch.device(args[0])
        if device.type == "cuda" and self.numel() <= GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            result = torch.empty(self.shape, dtype=torch.uint8, device=device)
            for target, block in zip(in_blocks(result), in_blocks(self), strict=True):
                target.copy_(block)
            return result
        moved = StoredImages.of(self.files, self._numbers, device)
        moved.value_counts = self.value_counts
        return moved

    def cpu(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.to("cpu")

    def contiguous(self, *args: Any, **kwargs: Any) -> Tensor:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _reopened, (self.files.blocks, self.files.shape, self._numbers, str(self._place))

    def __repr__(self) -> str:  # type: ignore[override]
        return f"StoredImages({tuple(self.shape)}, in {Path(self.files.blocks[0].path).parent})"

    def _chosen(self, index: Any) -> np.ndarray:
        """Return the numbers in the files of the images at ``index``: a slice, a range, or integers or booleans (n,)."""
        chosen: np.ndarray = self._numbers[index.cpu().numpy() if isinstance(index, Tensor) else index]
        return chosen


# Operations that need no pixels.
_KNOWN = {
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "ndim", "_version", "requires_grad", "is_leaf", "layout", "grad_fn")),
    *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.nelement, Tensor.element_size, Tensor.is_floating_point, Tensor.is_complex),
    *(Tensor.__len__, Tensor.__hash__, Tensor.as_subclass),
}


def in_blocks(images: Tensor) -> Iterator[Tensor]:
    """Yield ``images`` (n, ...) in order, at most `BLOCK_BYTES` at a time."""
    count = max(1, BLOCK_BYTES * len(images) // max(1, images.numel() * images.element_size()))
    return (images[first : first + count] for first in range(0, len(images), count))


def _whole(values: Any) -> Any:
    """Return the arguments of an operation with stored images read."""
    if isinstance(values, StoredImages):
        return values.whole()
    if isinstance(values, dict):
        return {name: _whole(value) for name, value in values.items()}
    return type(values)(map(_whole, values)) if type(values) in (list, tuple) else values


def _reopened(blocks: Sequence[Block], shape: tuple[int, int, int], numbers: np.ndarray, device: str) -> StoredImages:
    from condensation.core.image_files import ImageFiles

    return StoredImages.of(ImageFiles(blocks, shape), numbers, device)
