"""Pixel MMD: distribution matching without a network (Zhao & Bilen, WACV 2023, supplement)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.class_plan import ClassPlan, class_offsets, draw_of_group, group_classes
from condensation.core.compute import Compute
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.rng import ClassDraw, Rng
from condensation.matching.class_means import CHUNKS_PER_BLOCK, mean_embeddings
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

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> ClassPlan:
        groups = group_classes(real.counts, CHUNKS_PER_BLOCK * compute.group_size(real.shape))
        seen = self.form.count if self.form else 1
        drawn = {label: 0 if self.kernel.mean_factor else min(self.batch_per_class, count) for label, count in real.counts.items()}
        return ClassPlan.of(groups, compute, {label: drawn[label] + ipc[label] * seen for label in ipc})

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> PixelMMDState:
        return self.init_classes(real, ipc, rng, self.class_plan(real, ipc, compute))

    def init_classes(self, real: ImageSet, ipc: dict[int, int], rng: Rng, plan: ClassPlan) -> PixelMMDState:
        initial = initial_images(self.start, real, ipc, rng.child("start"), self.form)
        source = SyntheticImages(replace(initial, images=initial.images.to(plan.compute.dtype)), self.averaging)
        everything = ClassDraw(torch.arange(len(real), device=real.device), real.class_index, real.classes)
        drawn = class_offsets(real.class_index, len(real.classes))
        chunk, dtype = plan.compute.suitable_chunk(real.shape), plan.compute.dtype
        means = [mean_embeddings(flat, real, draw_of_group(everything, group, drawn), None, chunk, dtype) for group in plan.ranges]
        return PixelMMDState(
            source=source,
            optimizers=(torch.optim.SGD(source.parameters(), lr=self.lr / (self.form.gain if self.form else 1), momentum=self.momentum),),
            plan=plan,
            means=torch.cat(means),
        )

    def step(self, state: PixelMMDState, real: ImageSet, rng: Rng) -> Tensor:
        assert state.plan is not None
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        weight, source, losses = self.kernel.mean_factor, state.source, []
        draw = None if weight else real.draw(self.batch_per_class, rng.child("real"))
        stored = class_offsets(source.template.class_index, len(real.classes))
        drawn = class_offsets(draw.class_index, len(real.classes)) if draw else []
        for group in state.plan.ranges:
            indices = slice(stored[group.start], stored[group.stop])
            rows = (source.template.class_index[indices] - group.start).repeat_interleave(source.template.seen_per_stored)
            with source.part(indices) as pixels:
                images = source.decode(pixels)
                if draw is None:
                    assert weight is not None
                    distances, rates = self._from_means(state.means[group.start : group.stop], images, rows, weight)
                else:
                    distances, rates = self._from_pairs(real, draw_of_group(draw, group, drawn), images, rows)
                (rates * distances).sum().backward()  # type: ignore[no-untyped-call]
            losses.append(distances.detach().sum())
        optimizer.step()
        source.update_average()
        return state.add_up(losses)

    def is_classwise(self, real: ImageSet) -> bool:
        return True

    def _from_means(self, means: Tensor, images: Tensor, rows: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        """Return the squared MMD of each class (classes,) from the means of all real images, and the factor of its gradient."""
        counts = rows.bincount(minlength=len(means))
        distances = linear_mmd(means, class_mean_weights(rows, counts, images.dtype) @ flat(images))
        return weight * distances, counts / weight

    def _from_pairs(self, real: ImageSet, draw: ClassDraw, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `_from_means`, from all pairs with a batch of real images, which also sets the scale of each class."""
        classes = slice(0, len(draw.classes))
        real_classes = split_by_class(flat(real.inputs(draw.indices).to(images.dtype)), draw.class_index, classes)
        scales = [Scale.from_features(pixels) for pixels in real_classes]
        triples = zip(real_classes, split_by_class(flat(images), rows, classes), scales, strict=True)
        distances = torch.stack([squared_mmd(self.kernel, *triple) for triple in triples])
        return distances, rows.bincount() / torch.stack([self.kernel.curvature(scale) for scale in scales])


def flat(images: Tensor) -> Tensor:
    """Return images (n, c, h, w) as features (n, dims): the identity as an embedding."""
    return images.flatten(1)
