"""Spectral norm (Miyato et al., ICLR 2018): a layer's weight divided by its largest singular value, estimated by power iteration."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn
from torch.nn.utils import parametrize

from condensation.core.rng import Rng

EPSILON = 1e-12  # smallest norm by which a vector is divided


def largest_singular(matrix: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest singular value of ``matrix`` (m, n) after one power iteration from ``left`` (m,), and the new left vector."""
    with torch.no_grad():  # the gradient of the value is left * right^T, which is exact at convergence
        right = F.normalize(matrix.T @ left, dim=0, eps=EPSILON)
        left = F.normalize(matrix @ right, dim=0, eps=EPSILON)
    return left @ matrix @ right, left


class SpectralNorm(nn.Module):
    """Division of a weight (outputs, inputs) by its largest singular value; the power iteration continues in training mode only."""

    left: Tensor

    def __init__(self, left: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", F.normalize(left, dim=0, eps=EPSILON))

    def forward(self, weight: Tensor) -> Tensor:
        # The iteration does not converge in bfloat16. Weights without values have no autocast.
        with nullcontext() if weight.is_meta else torch.autocast(weight.device.type, enabled=False):
            value, left = largest_singular(weight.flatten(1), self.left)
        if self.training:
            with torch.no_grad():
                self.left.copy_(left)
        return weight / value


def add_spectral_norm(network: nn.Module, rng: Rng, *kinds: type[nn.Module]) -> None:
    """Parametrize the weight of each layer of ``network`` that is one of ``kinds`` with `SpectralNorm`, after initialization."""
    for name, layer in list(network.named_modules()):
        if type(layer) in kinds:
            weight = layer.get_parameter("weight")
            left = weight.flatten(1)[:, 0] if weight.is_meta else rng.child(name).normal(tuple(weight.shape[:1])).to(weight)
            parametrize.register_parametrization(layer, "weight", SpectralNorm(left))
