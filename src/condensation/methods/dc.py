"""Dataset condensation with gradient matching (DC; Zhao, Mopuri & Bilen, ICLR 2021), and with Siamese augmentation (ICML 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from condensation.augment.base import Augmentation, Transform
from condensation.augment.dsa import DSA
from condensation.core.compute import Compute
from condensation.core.images import ClassDraw, ImageSet
from condensation.core.microbatch import split
from condensation.core.rng import Rng
from condensation.matching.class_gradients import (
    class_mean_gradient,
    frozen_batch_norm,
    group_equal_counts,
    sequential_distances,
    supports_vmap,
    trainable_parameters,
    vmapped_distances,
)
from condensation.matching.gradient_distances import DISTANCES, DistanceName
from condensation.matching.pairwise_mmd import slice_of_classes
from condensation.methods.base import Method, State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.initialization import STARTS, Initialization
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, seeded
from condensation.networks.samplers import Fresh, NetworkSampler
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, train_together

if TYPE_CHECKING:
    from typing_extensions import Self

# Outer loops, and epochs of training between them, by images per class. The last is what the authors advise, not published.
LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10), 100: (100, 2)}
NORM_IMAGES = 16  # real images of each class that batch norm sees before each match
GRADIENT_NUMBERS = 2**27  # held of all classes that are matched at a time on a GPU: half a gigabyte


def loops_for(ipc: Mapping[int, int]) -> tuple[int, int]:
    """Outer loops, and epochs between them, for ``ipc[label]`` images of each class.

    Between the numbers of images in `LOOPS` both are interpolated linearly and rounded; beyond 100 they stay. Where classes
    differ, their mean number counts, since the training goes over the whole set.
    """
    mean = sum(ipc.values()) / len(ipc)
    outer, inner = (round(float(np.interp(mean, list(LOOPS), column))) for column in zip(*LOOPS.values(), strict=True))
    return outer, inner


@dataclass(kw_only=True)
class DCState(State):
    """The state of DC, and beside it what is only made anew after a restart: the network and how it is computed."""

    network: Classifier
    learner: SingleModel  # the same network, in the precision chosen and compiled where that pays
    loops: tuple[int, int]
    groups: list[range]  # places of the classes that are matched at a time; all of a group have as many images
    chunk: int | None  # real images at a time


@dataclass(frozen=True)
class DC(Method):
    """Images that teach a network what real images teach it: the gradients of its loss are matched, class by class.

    A step draws a network and goes through ``outer_loops``: the sum over classes of the distance between the gradients of real and of
    synthetic images is descended once, and between two loops the network is trained on the synthetic images. The
    published 1,000 steps at 10 images a class are 450,000 epochs, as many as judging 450 networks takes: days on a CPU.
    """

    name: ClassVar[str] = "dc"
    network_setting = "networks.spec"
    lr_setting = "lr"
    steps: int = 1000  # of one network each
    lr: float = 0.1  # of SGD on pixels; published: 0.01 where the network is an MLP
    momentum: float = 0.5
    averaging: float = 0.0  # in [0, 1): the result is a running average, see `SyntheticImages`; 0: the last images
    batch_per_class: int = 256  # real images; all of a class that has fewer
    start: Initialization = "noise"
    outer_loops: int | None = None  # matches in a step; None: by ipc, see `loops_for`
    inner_loops: int | None = None  # epochs of training between two of them; None: by ipc
    network_lr: float = 0.01  # of SGD without momentum, between two matches
    network_batch: int = 256
    distance: DistanceName = "ours"
    networks: NetworkSampler = Fresh()
    augmentation: Augmentation | None = None  # of real and synthetic images alike, and in the training between
    classes_at_a_time: int | None = None  # the same result; None: as many as fill a GPU, 1 on a CPU, which one class fills

    @classmethod
    def paper(cls, ipc: int, classes: int = 10) -> Self:
        """The published settings: those by default, and the loops for ``ipc`` images of each of ``classes`` classes."""
        outer, inner = cls().loops(dict.fromkeys(range(classes), ipc))
        return cls(outer_loops=outer, inner_loops=inner)

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1, outer_loops=1, inner_loops=1, network_batch=1, classes_at_a_time=1)
        need_one_of(self, "start", STARTS, ", ")
        need_one_of(self, "distance", get_args(DistanceName), ", ")
        need_positive(self, "lr", "network_lr")
        need_fraction(self, "momentum", "averaging")

    def loops(self, ipc: Mapping[int, int]) -> tuple[int, int]:
        """Outer loops, and epochs between them, for ``ipc[label]`` images of each class: as set, else `loops_for` them."""
        return self._as_set(loops_for(ipc))

    def _as_set(self, by_ipc: tuple[int, int]) -> tuple[int, int]:
        return self.outer_loops or by_ipc[0], self.inner_loops or by_ipc[1]

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DCState:
        start = STARTS[self.start](real, ipc, rng.child("start"))
        source = SyntheticImages(replace(start, images=start.images.to(compute.dtype)), self.averaging)
        network = self.networks.network(real.shape, real.num_classes, real.device).to(compute.dtype).requires_grad_(True)
        if self.augmentation is not None:  # find out before the first step that it cannot be used
            self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))(source.images, start.class_index)
        outer, inner = self.loops(ipc)
        of_real = sum(min(self.batch_per_class, count) for count in real.counts.values())
        seen = self.steps * (outer * of_real + (outer - 1) * inner * len(start))
        return DCState(
            source=source,
            optimizers=(torch.optim.SGD(source.parameters(), lr=self.lr, momentum=self.momentum),),
            network=network,
            learner=SingleModel(network, compute.with_compile_decision(real.shape, seen)),
            loops=(outer, inner),
            groups=group_equal_counts(list(ipc.values()), self._at_a_time(network, real, ipc, compute)),
            chunk=compute.chunk_for(network, real.shape),
        )

    def _at_a_time(self, network: Classifier, real: ImageSet, ipc: dict[int, int], compute: Compute) -> int:
        count = self.classes_at_a_time
        if count is None:
            if torch.device(compute.device).type == "cpu":
                return 1
            numbers = sum(parameter.numel() for parameter in trainable_parameters(network).values())
            count = max(1, min(compute.suitable_chunk(real.shape) // max(ipc.values()), GRADIENT_NUMBERS // numbers))
        return count if count > 1 and supports_vmap(network, real.shape) else 1

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, DCState)  # what init made
        outer, inner = state.loops
        self.networks.redraw(state.network, rng.child("network"))
        recipe = Recipe(
            epochs=inner,
            lr=self.network_lr,
            lr_drop_epoch=inner,  # never
            momentum=0.0,
            weight_decay=0.0,
            batch=self.network_batch,
            augmentation=self.augmentation,
        )
        losses = []
        for loop in range(outer):
            losses.append(self._match(state, real, rng.child("match", loop)))
            if loop < outer - 1:
                small = replace(state.source.template, images=state.source.images.detach())
                train_together(state.learner, [small], recipe, [rng.child("train", loop)])
        state.source.update_average()
        return torch.stack(losses).mean()

    def _match(self, state: DCState, real: ImageSet, rng: Rng) -> Tensor:
        """Descend the distance of all classes once, and return it."""
        images, start = state.source.images, state.source.template
        transform: Transform | None = None
        if self.augmentation is not None:
            transform = self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))
        draw = real.draw(self.batch_per_class, rng.child("real"))
        gradient, total = torch.zeros_like(images), images.new_zeros(())
        with frozen_batch_norm(state.network, lambda: real.inputs(real.draw(NORM_IMAGES, rng.child("norm")).indices).to(images.dtype)):
            for group in state.groups:
                mine = slice_of_classes(group, start.class_index)
                labels = start.labels[mine].view(len(group), -1)
                with seeded(state.network, rng.child("dropout", real.classes[group.start])):
                    target = _target(state, real, draw, group, transform)
                    synthetic = transform(images[mine], start.class_index[mine]) if transform else images[mine]
                    synthetic = synthetic.view(*labels.shape, *real.shape)
                    # In float32 and not compiled: torch cannot compile a graph that goes through a backward pass, and as
                    # pure functions, which it can, it took longer than this, and over a minute to compile.
                    distances = vmapped_distances if len(group) > 1 else sequential_distances
                    loss = distances(DISTANCES[self.distance], target, state.network, synthetic, labels).sum()
                    gradient += torch.autograd.grad(loss, images)[0]
                total += loss.detach()
        images.grad = gradient
        state.optimizers[0].step()
        return total


@dataclass(frozen=True)
class SiameseDC(DC):
    """DC with differentiable Siamese augmentation, known as DSA: it starts from real images, augments when matching and when training.

    At each match, real and synthetic images of a class are transformed alike; in the training of the network each image is
    transformed in its own way (Zhao & Bilen, 2021). It costs what `DC` costs.
    """

    name: ClassVar[str] = "dsa"
    start: Initialization = "real"
    augmentation: Augmentation | None = DSA()

    def loops(self, ipc: Mapping[int, int]) -> tuple[int, int]:
        """As of DC, but 10 loops of 10 epochs for 50 images of each of 100 classes, as published for CIFAR100."""
        is_cifar100 = len(ipc) == 100 and set(ipc.values()) == {50}
        return self._as_set((10, 10)) if is_cifar100 else super().loops(ipc)


def _target(state: DCState, real: ImageSet, draw: ClassDraw, group: range, transform: Transform | None) -> list[Tensor]:
    """The gradient of the real images drawn of the classes at the places ``group``."""

    def logits(images: Tensor) -> Tensor:
        return state.learner.forward_each(images[None])[0]

    def batches(indices: Tensor, place: int) -> Iterator[Tensor]:
        for piece in split(len(indices), state.chunk):
            images = real.inputs(indices[piece]).to(state.source.images.dtype)
            yield transform(images, torch.full((len(images),), place, device=images.device)) if transform else images

    of_class = [draw.indices[draw.class_index == place] for place in group]
    gradients = [
        class_mean_gradient(logits, state.network, batches(indices, place), real.classes[place], len(indices))
        for place, indices in zip(group, of_class, strict=True)
    ]
    return [torch.stack(of_parameter) for of_parameter in zip(*gradients, strict=True)]
