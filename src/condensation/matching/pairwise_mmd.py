"""The MMD of classes by a kernel that needs all pairs of features."""

from __future__ import annotations

import torch
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.images import ClassDraw, ImageSet
from condensation.core.microbatch import Embedding, split
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
    images: Tensor,
    rows: Tensor,
) -> Tensor:
    """The squared MMD, summed over ``classes``, between the embeddings of the real images drawn and of synthetic ``images``.

    Synthetic images (n, c, h, w) are of the rows (n,) of the draw. The real ones are embedded ``chunk`` at a time without a
    graph, and their embeddings kept: memory grows with the images drawn of ``classes``. Lengths are those of the real
    embeddings, class by class, see `Scale`.
    """
    mine = slice_of_classes(classes, draw.class_index)
    of_draw, indices = draw.class_index[mine], draw.indices[mine]
    pieces = []
    with torch.no_grad():
        for piece in split(len(of_draw), chunk):
            seen = real.inputs(indices[piece]).to(images.dtype)
            pieces.append(embed(transform(seen, of_draw[piece]) if transform else seen).to(images.dtype))
    features = embed(transform(images, rows) if transform else images).to(images.dtype)
    of_class = zip(split_by_class(torch.cat(pieces), of_draw, classes), split_by_class(features, rows, classes), strict=True)
    return torch.stack([squared_mmd(kernel, one, other, Scale.from_features(one)) for one, other in of_class]).sum()


def slice_of_classes(classes: slice | range, rows: Tensor) -> slice:
    """Where the images of ``classes`` lie among those of the ascending ``rows`` (n,)."""
    return slice(int((rows < classes.start).sum()), int((rows < classes.stop).sum()))


def split_by_class(features: Tensor, rows: Tensor, classes: slice) -> tuple[Tensor, ...]:
    """``features`` (n, dims) of the ascending ``rows`` (n,), apart for each of ``classes``."""
    return torch.split(features, rows.bincount(minlength=classes.stop)[classes].tolist())
