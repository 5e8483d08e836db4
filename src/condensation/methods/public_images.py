"""Public images for the centre of private embeddings: smooth noise, or those of a public data set."""

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.data.load import load

COUNT = 256  # images whose mean embedding is the centre


def public_images(center: str, real: ImageSet, rng: Rng) -> Tensor:
    """Return public images as inputs of a network, (256, c, h, w), of the shape and with the preprocessing of ``real``.

    Only the shape of ``real`` is used. Raise CondensationError if the data set ``center`` cannot be read or has other channels.
    """
    if center == "noise":
        return real.preprocessing(smooth_noise(COUNT, real.shape, rng).to(real.device))
    data = load(center, size=real.shape[1:], preprocessing="none").train
    if data.shape != real.shape:
        message = f"The public images of {center} have {data.shape[0]} channels, the others {real.shape[0]}."
        raise CondensationError(message, setting="method.privacy.center")
    chosen = torch.from_numpy(rng.choice(len(data), min(COUNT, len(data)))).sort().values
    return real.preprocessing(data.inputs(chosen).to(real.device))


def smooth_noise(count: int, shape: tuple[int, int, int], rng: Rng) -> Tensor:
    """Return random pictures in [0, 1], (count, c, h, w), of noise at all scales, which have edges and shades as photographs do."""
    channels, height, width = shape
    total, side = torch.zeros(count, channels, height, width), 1
    while side <= min(height, width):
        noise = rng.child(side).normal((count, channels, side, side))
        total = total + F.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
        side *= 2
    return torch.sigmoid(total)
