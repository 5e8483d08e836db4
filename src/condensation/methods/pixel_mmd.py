"""Pixel MMD: distribution matching without a network (Zhao & Bilen, WACV 2023, supplement)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.rng import ClassDraw, Rng
from condensation.matching.class_means import mean_embeddings
from condensation.matching.kernels import Kernel, Linear, Scale
from condensation.matching.mmd import class_mean_weights, linear_mmd, squared_mmd
from condensation.matching.pairwise_mmd import split_by_class
from condensation.methods.base import Method, State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.initialization import INITIALIZATIONS, Initialization, initial_images
from condensation.methods.synthetic import SyntheticImages


@dataclass(kw_only=True)
class PixelMMDState(State):
    """State of pixel MMD. A resumed run recomputes the means."""

    means: Tensor  # (classes, dims) of all real images


@dataclass(frozen=True)
class PixelMMD(Method[PixelMMDState]):
    """Minimize the squared MMD between the pixels of real and synthetic images of each class.

    The paper states neither the learning rate, nor the steps, nor the bandwidths; the defaults are this library's. An image is
    updated by lr * gradient * (images of its class) / (`curvature` of the kernel), divided by the `gain` of the form, so one ``lr``
    suits all kernels, any ipc and all forms. With lr 0.5 and the linear kernel, one step reaches the optimum, where the class means agree.

    >>> from condensation import PixelMMD, condense, load
    >>> small = condense(PixelMMD(steps=1), load("digits").train, ipc=1)  # the mean image of each class
    >>> small.images.shape
    torch.Size([10, 1, 8, 8])
    """

    name: ClassVar[str] = "pixel-mmd"
    lr_setting = "lr"
    growing_setting = "steps"
    steps: int = 500
    """Optimization steps."""
    lr: float = 0.5
    """Learning rate of SGD on pixels, relative to the curvature of the kernel."""
    momentum: float = 0.0
    """Momentum of SGD, in [0, 1)."""
    averaging: float = 0.98
    """Decay of the exponential moving average that is returned, in [0, 1); it removes the noise of the batches."""
    batch_per_class: int = 256
    """Real images per class and step for kernels that compare pairs; the linear kernel uses the means of all real images."""
    start: Initialization = "real"
    """Initialization: ``real`` images, those nearest to ``kmeans`` centers, or ``noise``."""
    kernel: Kernel = Linear()
    """Kernel of the MMD."""
    form: Form | None = None
    """Form that is compared of each stored image: ``tiles`` are several small images, enlarged; None: the image itself."""

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1)
        need_one_of(self, "start", INITIALIZATIONS)
        need_positive(self, "lr")
        need_fraction(self, "momentum", "averaging")

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> PixelMMDState:
        initial = initial_images(self.start, real, ipc, rng.child("start"), self.form)
        source = SyntheticImages(replace(initial, images=initial.images.to(compute.dtype)), self.averaging)
        everything = ClassDraw(torch.arange(len(real), device=real.device), real.class_index, real.classes)
        return PixelMMDState(
            source=source,
            optimizers=(torch.optim.SGD(source.parameters(), lr=self.lr / (self.form.gain if self.form else 1), momentum=self.momentum),),
            means=mean_embeddings(flat, real, everything, None, compute.suitable_chunk(real.shape), compute.dtype),
        )

    def step(self, state: PixelMMDState, real: ImageSet, rng: Rng) -> Tensor:
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        weight = self.kernel.mean_factor
        distances, rates = self._from_pairs(state, real, rng.child("real")) if weight is None else self._from_means(state, weight)
        (rates * distances).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        state.source.update_average()
        return distances.detach().sum()

    def is_classwise(self, real: ImageSet) -> bool:
        return True

    def _from_means(self, state: PixelMMDState, weight: float) -> tuple[Tensor, Tensor]:
        """Return the squared MMD of each class (classes,) from the means of all real images, and the factor of its gradient."""
        images, class_index = state.source.seen(), state.source.seen_class_index
        counts = class_index.bincount(minlength=len(state.means))
        distances = linear_mmd(state.means, class_mean_weights(class_index, counts, images.dtype) @ flat(images))
        return weight * distances, counts / weight

    def _from_pairs(self, state: PixelMMDState, real: ImageSet, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return the same as `_from_means`, from all pairs with a batch of real images, which also sets the scale of each class."""
        images, class_index, classes = state.source.seen(), state.source.seen_class_index, slice(0, len(real.classes))
        draw = real.draw(self.batch_per_class, rng)
        real_classes = split_by_class(flat(real.inputs(draw.indices).to(images.dtype)), draw.class_index, classes)
        scales = [Scale.from_features(pixels) for pixels in real_classes]
        triples = zip(real_classes, split_by_class(flat(images), class_index, classes), scales, strict=True)
        distances = torch.stack([squared_mmd(self.kernel, *triple) for triple in triples])
        return distances, class_index.bincount() / torch.stack([self.kernel.curvature(scale) for scale in scales])


def flat(images: Tensor) -> Tensor:
    """Return images (n, c, h, w) as features (n, dims): the identity as an embedding."""
    return images.flatten(1)
