"""Memory of kernel matrices."""

import torch

from condensation.core.images import Shape
from condensation.core.memory import readable, require
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.gram import BLOCK_BYTES


def require_room(kernel: NTK, shape: Shape, pairs: int, device: torch.device, what: str, advice: str) -> None:
    """Check that there is memory for kernel matrices of ``pairs`` pairs of images of ``shape`` in all.

    Raises:
        NotEnoughMemory: if there is not; the message begins with ``what``, and ``advice`` is the hint.
    """
    pair_bytes = kernel.pair_bytes(shape)
    block = max(pair_bytes, min(pairs * pair_bytes, BLOCK_BYTES[device.type]))
    # A block of pairs, as much again for variances, and float64 matrices with their gradients and two factorizations.
    needed = 2 * block + 4 * 8 * pairs
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    work = f"{what} with {type(kernel).__name__} on images of {shape[1]}x{shape[2]} ({readable(pair_bytes)} per pair)"
    require(needed, work, advice, free)
