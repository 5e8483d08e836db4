"""The memory that kernel matrices take."""

from __future__ import annotations

import torch

from condensation.core.images import Shape
from condensation.core.memory import readable, require
from condensation.ntk.base import NTK
from condensation.ntk.gram import BLOCK_BYTES


def require_room(kernel: NTK, shape: Shape, pairs: int, device: torch.device, what: str, advice: str) -> None:
    """Find out beforehand whether ``what`` has room for kernel matrices of so many ``pairs`` of images of ``shape``.

    Raises:
        NotEnoughMemory: if not; it ends with ``advice``.
    """
    of_pair = kernel.pair_bytes(shape)
    block = max(of_pair, min(pairs * of_pair, BLOCK_BYTES[device.type]))
    # A block of pairs, as much for variances, and the matrices: themselves, their gradients, and what is solved with.
    needed = 2 * block + 4 * 8 * pairs
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    about = f"{what} with {type(kernel).__name__} on images of {shape[1]}x{shape[2]}, {readable(of_pair)} a pair of them,"
    require(needed, about, advice, free)
