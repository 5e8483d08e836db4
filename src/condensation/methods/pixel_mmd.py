"""Pixel MMD: distribution matching without a network (Zhao & Bilen, WACV 2023, supplement)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.images import ClassDraw, ImageSet
from condensation.core.rng import Rng
from condensation.matching.kernels import Kernel, Linear, Scale
from condensation.matching.mmd import class_mean_weights, linear_mmd, squared_mmd
from condensation.matching.pairwise_mmd import split_by_class
from condensation.methods.base import Method, State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.dm import mean_embeddings
from condensation.methods.initialization import STARTS, Initialization
from condensation.methods.synthetic import SyntheticImages


@dataclass(kw_only=True)
class PixelMatching(State):
    """The state of pixel MMD, and beside it what is only made anew after a restart."""

    means: Tensor  # (classes, dims) of all real images


@dataclass(frozen=True)
class PixelMMD(Method):
    """Images whose pixels, not their embeddings, match the real ones of their class: the MMD of pixels is descended.

    The paper gives neither rate, nor steps, nor what sets the kernels' lengths; these are ours. ``lr`` is relative: the step of an
    image is lr times the gradient, times the images of its class, over the kernel's `curvature`. So one value suits all kernels
    and any ipc, and 0.5 takes the linear kernel to its optimum, at which the mean image of a class is that of the real ones, in one
    step. Where means decide, they are those of all real images; other kernels see `batch_per_class` of them in a step.
    """

    name: ClassVar[str] = "pixel-mmd"
    lr_setting = "lr"
    steps: int = 500
    lr: float = 0.5
    momentum: float = 0.0
    averaging: float = 0.98  # in [0, 1): the result is a running average, see `SyntheticImages`; it takes the noise of batches away
    batch_per_class: int = 256  # real images; all of a class that has fewer
    start: Initialization = "real"
    kernel: Kernel = Linear()

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1)
        need_one_of(self, "start", STARTS)
        need_positive(self, "lr")
        need_fraction(self, "momentum", "averaging")

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> PixelMatching:
        start = STARTS[self.start](real, ipc, rng.child("start"))
        source = SyntheticImages(replace(start, images=start.images.to(compute.dtype)), self.averaging)
        every = ClassDraw(torch.arange(len(real), device=real.device), real.class_index, real.classes)
        return PixelMatching(
            source=source,
            optimizers=(torch.optim.SGD(source.parameters(), lr=self.lr, momentum=self.momentum),),
            means=mean_embeddings(flat, real, every, None, compute.suitable_chunk(real.shape), compute.dtype),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, PixelMatching)  # what init made
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        weight = self.kernel.mean_factor
        distances, rates = self._by_pairs(state, real, rng.child("real")) if weight is None else self._by_means(state, weight)
        (rates * distances).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        state.source.update_average()
        return distances.detach().sum()

    def is_classwise(self, real: ImageSet) -> bool:
        return True

    def _by_means(self, state: PixelMatching, weight: float) -> tuple[Tensor, Tensor]:
        """Squared MMD of each class (classes,) by the mean of all its real images, and by what its gradient is multiplied."""
        images, rows = state.source.images, state.source.template.class_index
        counts = rows.bincount(minlength=len(state.means))
        distances = linear_mmd(state.means, class_mean_weights(rows, counts, images.dtype) @ flat(images))
        return weight * distances, counts / weight

    def _by_pairs(self, state: PixelMatching, real: ImageSet, rng: Rng) -> tuple[Tensor, Tensor]:
        """As `_by_means`, by all pairs with some of the real images; lengths are theirs, class by class, see `Scale`."""
        images, rows, classes = state.source.images, state.source.template.class_index, slice(0, len(real.classes))
        draw = real.draw(self.batch_per_class, rng)
        of_real = split_by_class(flat(real.inputs(draw.indices).to(images.dtype)), draw.class_index, classes)
        scales = [Scale.from_features(one) for one in of_real]
        pairs = zip(of_real, split_by_class(flat(images), rows, classes), scales, strict=True)
        distances = torch.stack([squared_mmd(self.kernel, one, other, scale) for one, other, scale in pairs])
        return distances, rows.bincount() / torch.stack([self.kernel.curvature(scale) for scale in scales])


def flat(images: Tensor) -> Tensor:
    """The identity as an embedding: images (n, c, h, w) as features (n, dims)."""
    return images.flatten(1)
