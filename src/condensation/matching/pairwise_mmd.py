"""Matching loss for kernels that need all pairs of features."""

import torch
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding, even_pieces
from condensation.core.rng import ClassDraw
from condensation.matching.kernels import Kernel, Scale
from condensation.matching.mmd import squared_mmd


def pairwise_mmd_loss(
    kernel: Kernel,
    embed: Embedding,
    real: ImageSet,
    draw: ClassDraw,
    transform: Transform | None,
    chunk: int | None,
    classes: slice,
    synthetic: Tensor,
    class_index: Tensor,
) -> Tensor:
    """Return the squared MMD between embeddings of real images and of ``synthetic`` ones (n, dims), summed over ``classes``.

    The synthetic images have the class indices ``class_index`` (n,), in ascending order. Real images of ``draw`` are
    embedded ``chunk`` at a time without gradient; their embeddings are kept and determine the kernel's `Scale` for each class.
    """
    part = slice_of_classes(classes, draw.class_index)
    labels, indices = draw.class_index[part], draw.indices[part]
    embeddings = []
    with torch.no_grad():
        for piece in even_pieces(len(labels), chunk):
            inputs = real.inputs(indices[piece]).to(synthetic.dtype)
            embeddings.append(embed(transform(inputs, labels[piece]) if transform else inputs).to(synthetic.dtype))
    pairs = zip(split_by_class(torch.cat(embeddings), labels, classes), split_by_class(synthetic, class_index, classes), strict=True)
    return torch.stack([squared_mmd(kernel, features, other, Scale.from_features(features)) for features, other in pairs]).sum()


def slice_of_classes(classes: slice | range, class_index: Tensor) -> slice:
    """Return the slice of the images of ``classes`` among images with ascending ``class_index`` (n,)."""
    return slice(int((class_index < classes.start).sum()), int((class_index < classes.stop).sum()))


def split_by_class(features: Tensor, class_index: Tensor, classes: slice) -> tuple[Tensor, ...]:
    """Split ``features`` (n, dims) with ascending ``class_index`` (n,) into those of each of ``classes``."""
    return torch.split(features, class_index.bincount(minlength=classes.stop)[classes].tolist())
