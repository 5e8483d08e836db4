"""Class means of embeddings, and the losses of synthetic images against them and under a head."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding, even_pieces, split
from condensation.core.rng import ClassDraw
from condensation.matching.mmd import class_mean_weights, linear_mmd

# Real images are fetched and augmented in blocks of this many chunks, so that small chunks add little Python overhead.
CHUNKS_PER_BLOCK = 8


def mean_embeddings(
    embed: Embedding, real: ImageSet, draw: ClassDraw, transform: Transform | None, chunk: int | None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the mean embedding (classes, dims) of the drawn real images of each class, without a graph.

    At most ``chunk`` images are embedded at a time, so memory does not grow with their number; None embeds all, as batch norm requires.
    The images of a single class are divided evenly.
    """
    counts = draw.class_index.bincount(minlength=len(draw.classes))
    pieces = (even_pieces if len(draw.classes) == 1 else split)(len(draw.class_index), chunk)
    means: Tensor | None = None
    with torch.no_grad():
        for first in range(0, len(pieces), CHUNKS_PER_BLOCK):
            inside = pieces[first : first + CHUNKS_PER_BLOCK]
            block = slice(inside[0].start, inside[-1].stop)
            class_index = draw.class_index[block]
            images = real.inputs(draw.indices[block]).to(dtype)
            images = transform(images, class_index) if transform else images
            weights = class_mean_weights(class_index, counts, dtype)
            for piece in inside:
                part = slice(piece.start - block.start, piece.stop - block.start)
                contribution = weights[:, part] @ embed(images[part]).to(dtype)
                means = contribution if means is None else means.add_(contribution)
    assert means is not None
    return means


def matching_loss(target: Tensor, features: Tensor, class_index: Tensor) -> Tensor:
    """Return the loss of ``features`` (n, dims) against mean embeddings (classes, dims), summed over the classes that have images."""
    counts = class_index.bincount(minlength=len(target))
    distances = linear_mmd(target, class_mean_weights(class_index, counts, target.dtype) @ features)
    return distances[counts > 0].sum()


def calibration_loss(logits: Tensor, class_index: Tensor, classes: Sequence[int]) -> Tensor:
    """Return the cross-entropy of ``logits`` (n, labels), averaged over each class, summed over classes.

    It keeps the class of the images recognizable, as in IDM (Zhao et al., CVPR 2023) and DANCE (Zhang et al., IJCAI 2024).
    """
    labels = torch.tensor(classes, device=logits.device)[class_index]
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (losses / class_index.bincount()[class_index]).sum()
