"""Dataset condensation with distribution matching (DM; Zhao & Bilen, WACV 2023)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from condensation.augment.base import Augmentation, Transform
from condensation.augment.dsa import DSA
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ClassDraw, ImageSet
from condensation.core.microbatch import Embedding, microbatched, split
from condensation.core.modules import draws_numbers, mixes_images
from condensation.core.rng import Rng
from condensation.matching.kernels import Kernel, Linear
from condensation.matching.mmd import class_mean_weights, linear_mmd
from condensation.matching.pairwise_mmd import pairwise_mmd_loss, slice_of_classes
from condensation.methods.base import Method, State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.initialization import STARTS, Initialization
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, seeded
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh, NetworkSampler

LrSchedule = Literal["constant", "cosine"]
SCHEDULES = get_args(LrSchedule)
# Real images are sampled and augmented in blocks of this many chunks, so that small chunks don't pay for Python.
CHUNKS_PER_BLOCK = 8
# Of some classes, synthetic images (n, c, h, w) and their rows (n,): the sum of their losses.
LossOfClasses = Callable[[slice, Tensor, Tensor], Tensor]


@dataclass(kw_only=True)
class DMState(State):
    """The state of DM, and beside it what is only made anew after a restart: the network and how it is computed."""

    network: Classifier
    embed: Embedding
    chunk: int | None  # real images embedded at a time


@dataclass(frozen=True)
class DM(Method):
    """In each step a newly drawn network embeds real and synthetic images; the distance of their class means is descended.

    The loss is the sum over classes of the squared distance between mean embeddings, real and synthetic images
    augmented alike. One pass over all classes gives the published per-class loop, and with a batch-norm network its
    separate batch-norm branch, to the last digit but rounding. With another kernel it is the squared MMD of the embeddings.
    """

    name: ClassVar[str] = "dm"
    network_setting = "networks.spec"
    lr_setting = "lr"
    steps: int = 20_000  # of one network each
    lr: float = 1.0  # of SGD on pixels; the published one up to 50 images per class, 10 above
    schedule: LrSchedule = "constant"  # of lr: published, or falling to 0 at the last step
    momentum: float = 0.5
    averaging: float = 0.0  # in [0, 1): the result is a running average, see `SyntheticImages`; 0: the last images
    batch_per_class: int = 256  # real images; all of a class that has fewer
    start: Initialization = "real"  # published: random ones; kmeans: those next to centres of clusters
    networks: NetworkSampler = Fresh()
    augmentation: Augmentation | None = DSA()
    kernel: Kernel = Linear()  # published; others need all pairs of embeddings and another lr
    classes_at_a_time: int | None = None  # less memory for synthetic images, the same result; None: all

    @classmethod
    def paper(cls, ipc: int) -> DM:
        """The published settings: those of `DM`, and a larger ``lr`` for more than 50 images per class."""
        return cls(lr=1.0 if ipc <= 50 else 10.0)

    @classmethod
    def fast(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """Minutes on a CPU: many steps of half the width and few real images, whose noise is averaged away.

        Fewer real images and a narrower network change the variance of a gradient, not what it is on average. There are as
        many as synthetic ones, which cost more, and at least 16. Sets of more than 500 images, whose steps take longer, get
        fewer steps. ``lr`` grows with ipc, as the part of an image in the mean of its class falls: by the root up to 10 images,
        in proportion from there on. Grey images (``channels`` 1) stand four times that, and several of a class start
        next to centres of clusters, which gains on Fashion-MNIST and costs nothing on MNIST; CIFAR10 loses by both. Chosen on
        images held out from training.
        """
        steps = min(3_000, max(300, 1_500_000 // max(1, ipc * classes)))
        lr, networks = max(math.sqrt(ipc / 10), ipc / 10), Fresh(ConvNet(width=64))
        start: Initialization = "real"
        if channels == 1:
            lr *= 4
            if ipc > 1:  # one would be the same whatever the seed
                start = "kmeans"
        return cls(steps=steps, lr=lr, averaging=0.998, batch_per_class=max(16, ipc), start=start, networks=networks)

    @classmethod
    def long(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """As `fast`, with ten times the steps: an hour on a CPU."""
        fast = cls.fast(ipc, classes, channels)
        return replace(fast, steps=10 * fast.steps, averaging=0.999)

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1, classes_at_a_time=1)
        need_one_of(self, "start", STARTS)
        need_one_of(self, "schedule", SCHEDULES)
        need_positive(self, "lr")
        need_fraction(self, "momentum", "averaging")

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DMState:
        start = STARTS[self.start](real, ipc, rng.child("start"))
        source = SyntheticImages(replace(start, images=start.images.to(compute.dtype)), self.averaging)
        network = self.networks.network(real.shape, real.num_classes, real.device).to(compute.dtype)
        if self.classes_at_a_time is not None and mixes_images(network):
            raise CondensationError(
                f"method.classes_at_a_time is {self.classes_at_a_time}, "
                "but this network has batch norm, which must see all classes at once.\n"
                "Leave method.classes_at_a_time out, or choose a network with instance norm."
            )
        if self.augmentation is not None:  # find out before the first step that it cannot be used
            self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))(source.images, start.class_index)
        optimizer = torch.optim.SGD(source.parameters(), lr=self.lr, momentum=self.momentum)
        falling = self.schedule == "cosine" and self.steps > 0
        real_images = self.steps * sum(min(self.batch_per_class, count) for count in real.counts.values())
        return DMState(
            source=source,
            optimizers=(optimizer,),
            schedulers=(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps),) if falling else (),
            network=network,
            embed=microbatched(
                network, compute.with_compile_decision(real.shape, real_images + self.steps * len(start)).wrap(network.embed)
            ),
            chunk=compute.chunk_for(network, real.shape),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, DMState)  # what init made
        self.networks.redraw(state.network, rng.child("network"))
        transform: Transform | None = None
        if self.augmentation is not None:
            transform = self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))
        draw = real.draw(self.batch_per_class, rng.child("real"))
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        rows = state.source.template.class_index
        with seeded(state.network, rng.child("dropout")):
            loss_of = self._loss_against(state, real, draw, transform)
            loss = state.source.images.new_zeros(())
            for part in split(len(real.classes), self.classes_at_a_time):
                mine = slice_of_classes(part, rows)
                of_part = loss_of(part, state.source.images[mine], rows[mine])
                of_part.backward()  # type: ignore[no-untyped-call]
                loss += of_part.detach()
        optimizer.step()
        for scheduler in state.schedulers:
            scheduler.step()
        state.source.update_average()
        return loss

    def is_classwise(self, real: ImageSet) -> bool:
        """Whether so: batch norm mixes the images of all classes, and dropout draws once for the whole batch."""
        network = self.networks.network(real.shape, real.num_classes, real.device)
        return not mixes_images(network) and not draws_numbers(network)

    def _loss_against(self, state: DMState, real: ImageSet, draw: ClassDraw, transform: Transform | None) -> LossOfClasses:
        """What gives the loss of synthetic images of some classes against the real images drawn."""
        weight, dtype = self.kernel.mean_factor, state.source.images.dtype
        if weight is None:
            return partial(pairwise_mmd_loss, self.kernel, state.embed, real, draw, transform, state.chunk)
        target = mean_embeddings(state.embed, real, draw, transform, state.chunk, dtype)
        return lambda part, images, rows: weight * matching_loss(state.embed, target, images, rows, transform)


def mean_embeddings(
    embed: Embedding, real: ImageSet, draw: ClassDraw, transform: Transform | None, chunk: int | None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The mean embedding of each class (classes, dims) of the real images drawn, without a graph.

    Images are fetched, augmented and embedded a chunk at a time and only the sums are kept, so memory does not grow
    with their number; None embeds all at once, as batch norm needs.
    """
    counts = draw.class_index.bincount(minlength=len(draw.classes))
    means: Tensor | None = None
    with torch.no_grad():
        for block in split(len(draw.class_index), chunk and CHUNKS_PER_BLOCK * chunk):
            rows = draw.class_index[block]
            images = real.inputs(draw.indices[block]).to(dtype)
            images = transform(images, rows) if transform else images
            shares = class_mean_weights(rows, counts, dtype)
            for piece in split(len(rows), chunk):
                of_piece = shares[:, piece] @ embed(images[piece]).to(dtype)
                means = of_piece if means is None else means.add_(of_piece)
    assert means is not None
    return means


def matching_loss(embed: Embedding, target: Tensor, images: Tensor, rows: Tensor, transform: Transform | None = None) -> Tensor:
    """The loss of synthetic ``images`` (n, c, h, w) of classes ``rows`` (n,) against mean embeddings (classes, dims).

    A class without an image here does not count, so that the losses of groups of classes add up to that of all.
    """
    features = embed(transform(images, rows) if transform else images).to(target.dtype)
    counts = rows.bincount(minlength=len(target))
    distances = linear_mmd(target, class_mean_weights(rows, counts, target.dtype) @ features)
    return distances[counts > 0].sum()
