"""Spectral norm (Miyato et al., 2018): a layer's weight over its largest singular value, which one power iteration follows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn
from torch.nn.utils import parametrize

from condensation.core.rng import Rng

SMALLEST = 1e-12  # a vector shorter than this is not made one of length 1


def largest_singular(matrix: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """The largest singular value of ``matrix`` (m, n) by one power iteration from ``left`` (m,), and the better left vector.

    The vectors count as constants: the gradient of the value is then left * right^T, which is its gradient where they have converged.
    """
    with torch.no_grad():
        right = F.normalize(matrix.T @ left, dim=0, eps=SMALLEST)
        left = F.normalize(matrix @ right, dim=0, eps=SMALLEST)
    return left @ matrix @ right, left


class SpectralNorm(nn.Module):
    """What a weight is replaced by when it is used: itself, over its largest singular value.

    In training mode each use goes on with the power iteration; in evaluation mode each begins with the vector kept, and
    keeps nothing. The first dimension of a weight is its rows.
    """

    left: Tensor

    def __init__(self, left: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", F.normalize(left, dim=0, eps=SMALLEST))

    def forward(self, weight: Tensor) -> Tensor:
        with _in_full(weight.device.type):  # an iteration in bfloat16 does not converge
            value, left = largest_singular(weight.flatten(1), self.left)
        if self.training:
            with torch.no_grad():
                self.left.copy_(left)
        return weight / value


def add_spectral_norm(network: nn.Module, rng: Rng, *kinds: type[nn.Module]) -> None:
    """Put `SpectralNorm` on the weight of every layer of ``network`` that is one of ``kinds``, once it is initialised."""
    for name, layer in list(network.named_modules()):
        if type(layer) in kinds:
            weight = layer.get_parameter("weight")
            left = rng.child(name).normal(tuple(weight.shape[:1])).to(weight)
            parametrize.register_parametrization(layer, "weight", SpectralNorm(left))


def _in_full(device: str) -> AbstractContextManager[None]:
    """Without autocast, where there is any: PyTorch 2.4 knows none on other devices, and refuses to be asked."""
    return torch.autocast(device, enabled=False) if device in ("cpu", "cuda") else nullcontext()
