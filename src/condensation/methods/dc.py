"""Dataset condensation with gradient matching (DC; Zhao, Mopuri & Bilen, ICLR 2021), and with Siamese augmentation (ICML 2021)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

import torch
from torch import Tensor
from typing_extensions import Self

from condensation.augment.base import Augmentation, Transform
from condensation.augment.dsa import DSA
from condensation.core.class_plan import ClassPlan
from condensation.core.compute import Compute
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.modules import mixes_images
from condensation.core.rng import ClassDraw, Rng
from condensation.matching.class_gradients import (
    class_mean_gradient,
    frozen_batch_norm,
    group_equal_counts,
    sequential_distances,
    vmapped_distances,
)
from condensation.matching.gradient_distances import DISTANCES, DistanceName
from condensation.matching.pairwise_mmd import slice_of_classes
from condensation.methods.base import Method, State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.dc_plan import DCPlan, group_size, loops_for
from condensation.methods.initialization import INITIALIZATIONS, Initialization, initial_images
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, NetworkSampler, seeded
from condensation.networks.samplers import Fresh
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, train_together

NORM_IMAGES = 16  # real images per class that batch norm sees before each match


@dataclass(kw_only=True)
class DCState(State):
    """State of DC. A resumed run rebuilds the fields below."""

    network: Classifier
    model: SingleModel  # the same network, compiled and in the chosen precision
    loops: tuple[int, int]
    chunk: int | None  # real images processed at a time


@dataclass(frozen=True)
class DC(Method[DCState]):
    """Match the gradients of a network's loss on real and synthetic images of each class.

    Each step draws a network and takes ``outer_loops`` SGD steps on the images to reduce the distance between the gradients, summed
    over classes (Zhao et al., 2021, algorithm 1); between two of them, it trains the network on the synthetic images. The
    published 1,000 steps at 10 images per class contain 450,000 epochs of training, which take days on a CPU.

    >>> from condensation import DC, ConvNet, Fresh, condense, load
    >>> method = DC(steps=1, batch_per_class=8, networks=Fresh(ConvNet(width=8)))
    >>> condense(method, load("digits").train, ipc=1).images.shape
    torch.Size([10, 1, 8, 8])
    """

    name: ClassVar[str] = "dc"
    network_setting = "networks.spec"
    lr_setting = "lr"
    growing_setting = "steps"
    steps: int = 1000
    """Steps; each draws a new network."""
    lr: float = 0.1
    """Learning rate of SGD on pixels; published: 0.01 for MLPs."""
    momentum: float = 0.5
    """Momentum of SGD, in [0, 1)."""
    averaging: float = 0.0
    """Decay of the exponential moving average that is returned, in [0, 1); 0 returns the last images."""
    batch_per_class: int = 256
    """Real images per class and matching step, or all if the class has fewer."""
    start: Initialization = "noise"
    """Initialization: ``noise``, ``real`` images, or those nearest to ``kmeans`` centers."""
    outer_loops: int | None = None
    """Matching steps per network; None chooses by ipc, see `loops_for`."""
    inner_loops: int | None = None
    """Training epochs between two matching steps; None chooses by ipc, see `loops_for`."""
    network_lr: float = 0.01
    """Learning rate of the network between two matching steps, for SGD without momentum."""
    network_batch: int = 256
    """Batch size of the network's training between two matching steps."""
    distance: DistanceName = "ours"
    """Distance between gradients: ``ours`` is the published one."""
    networks: NetworkSampler = Fresh()
    """Distribution of the networks."""
    augmentation: Augmentation | None = None
    """Augmentation of real and synthetic images in matching and of synthetic images in training; None for no augmentation."""
    classes_at_a_time: int | None = None
    """Classes matched together; the result is the same. None for as many as fill a GPU, or 1 on a CPU."""
    form: Form | None = None
    """Form that a network sees of each stored image: ``tiles`` are several small images, enlarged; None: the image itself."""

    @classmethod
    def paper(cls, ipc: int, classes: int = 10) -> Self:
        """Return the published settings for ``ipc`` images of each of ``classes`` classes."""
        outer, inner = cls().loops(dict.fromkeys(range(classes), ipc))
        return cls(outer_loops=outer, inner_loops=inner)

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1, outer_loops=1, inner_loops=1, network_batch=1, classes_at_a_time=1)
        need_one_of(self, "start", INITIALIZATIONS)
        need_one_of(self, "distance", get_args(DistanceName))
        need_positive(self, "lr", "network_lr")
        need_fraction(self, "momentum", "averaging")

    def loops(self, ipc: Mapping[int, int]) -> tuple[int, int]:
        """Return the outer loops and the epochs between them: the settings where given, else `loops_for`."""
        return self._as_set(loops_for(ipc))

    def _as_set(self, by_ipc: tuple[int, int]) -> tuple[int, int]:
        return self.outer_loops or by_ipc[0], self.inner_loops or by_ipc[1]

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> DCPlan:
        network = self.networks.network(real.shape, real.num_classes, "cpu").to(compute.dtype).requires_grad_(True)
        outer, inner = self.loops(ipc)
        per_stored = self.form.count if self.form else 1
        drawn = {label: min(self.batch_per_class, count) for label, count in real.counts.items()}
        matched = {label: drawn[label] + count * per_stored for label, count in ipc.items()}
        total_images = self.steps * (outer * sum(drawn.values()) + (outer - 1) * inner * per_stored * sum(ipc.values()))
        size = group_size(self.classes_at_a_time, network, real.shape, max(ipc.values()) * per_stored, compute)
        labels = list(ipc)
        groups = [tuple(labels[part.start : part.stop]) for part in group_equal_counts(list(ipc.values()), size)]
        plan = DCPlan.of(groups, compute.with_compile_decision(real.shape, total_images), matched)
        together = "with a network that mixes images, such as by batch norm," if mixes_images(network) else ""
        return replace(plan, loops=(outer, inner), exchanges=outer - 1, undivided=together)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DCState:
        return self.init_classes(real, ipc, rng, self.class_plan(real, ipc, compute))

    def init_classes(self, real: ImageSet, ipc: dict[int, int], rng: Rng, plan: ClassPlan) -> DCState:
        assert isinstance(plan, DCPlan)
        compute = plan.compute
        initial = initial_images(self.start, real, ipc, rng.child("start"), self.form)
        source = SyntheticImages(replace(initial, images=initial.images.to(compute.dtype)), self.averaging)
        network = self.networks.network(real.shape, real.num_classes, real.device).to(compute.dtype).requires_grad_(True)
        if self.augmentation is not None:  # raises before the first step if the augmentation does not fit the images
            self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))(source.seen().detach(), source.seen_class_index)
        return DCState(
            source=source,
            optimizers=(torch.optim.SGD(source.parameters(), lr=self.lr, momentum=self.momentum),),
            plan=plan,
            network=network,
            model=SingleModel(network, compute),
            loops=plan.loops,
            chunk=compute.chunk_for(network, real.shape),
        )

    def step(self, state: DCState, real: ImageSet, rng: Rng) -> Tensor:
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
            if loop < outer - 1:  # on all classes: each process trains the same network
                small = state.gathered() if state.gathered else replace(state.source.template, images=state.source.images.detach())
                train_together(state.model, [small.decoded()], recipe, [rng.child("train", loop)])
        state.source.update_average()
        return state.add_up(list(torch.stack(losses, dim=1)))

    def _match(self, state: DCState, real: ImageSet, rng: Rng) -> Tensor:
        """Take one SGD step on the images to reduce the distances summed over classes, and return that of each group (groups,)."""
        assert state.plan is not None
        images, template = state.source.images, state.source.template
        augmentation, seen_per_stored = self.augmentation, template.seen_per_stored
        transform = None if augmentation is None else augmentation.fit(real).per_class(real.classes, rng.child("augment"))
        draw = real.draw(self.batch_per_class, rng.child("real"))
        gradient, losses = torch.zeros_like(images), []
        with frozen_batch_norm(state.network, lambda: real.inputs(real.draw(NORM_IMAGES, rng.child("norm")).indices).to(images.dtype)):
            for group in state.plan.ranges:
                indices = slice_of_classes(group, template.class_index)
                labels = template.labels[indices].repeat_interleave(seen_per_stored).view(len(group), -1)
                with seeded(state.network, rng.child("dropout", real.classes[group.start])):
                    target = _target(state, real, draw, group, transform)
                    synthetic = state.source.seen(indices)
                    if transform:
                        synthetic = transform(synthetic, template.class_index[indices].repeat_interleave(seen_per_stored))
                    synthetic = synthetic.view(*labels.shape, *real.shape)
                    # In float32 and not compiled: torch cannot compile through a backward pass, and a version
                    # with pure functions, which it can compile, was slower and took over a minute to compile.
                    distances = vmapped_distances if len(group) > 1 else sequential_distances
                    loss = distances(DISTANCES[self.distance], target, state.network, synthetic, labels).sum()
                    gradient += torch.autograd.grad(loss, images)[0]
                losses.append(loss.detach())
        images.grad = gradient
        state.optimizers[0].step()
        return torch.stack(losses)


@dataclass(frozen=True)
class SiameseDC(DC):
    """DC with Siamese augmentation (DSA; Zhao & Bilen, ICML 2021): one transform per class in matching, one per image in training.

    >>> from condensation import SiameseDC, condense, load
    >>> condense(SiameseDC(steps=1, batch_per_class=8), load("digits").train, ipc=1).images.shape
    torch.Size([10, 1, 8, 8])
    """

    name: ClassVar[str] = "dsa"
    start: Initialization = "real"
    """Initialization: ``real`` images, those nearest to ``kmeans`` centers, or ``noise``."""
    augmentation: Augmentation | None = DSA()
    """Augmentation of real and synthetic images in matching and of synthetic images in training; None for no augmentation."""

    def loops(self, ipc: Mapping[int, int]) -> tuple[int, int]:
        """Return the loops of DC, except for 50 images of each of 100 classes: 10 and 10, as published for CIFAR-100."""
        is_cifar100 = len(ipc) == 100 and set(ipc.values()) == {50}
        return self._as_set((10, 10)) if is_cifar100 else super().loops(ipc)


def _target(state: DCState, real: ImageSet, draw: ClassDraw, group: range, transform: Transform | None) -> list[Tensor]:
    """Return the gradient of the drawn real images for the classes of ``group``, one stacked tensor per parameter."""

    def logits(images: Tensor) -> Tensor:
        return state.model.forward_each(images[None])[0]

    def batches(indices: Tensor, row: int) -> Iterator[Tensor]:
        for part in split(len(indices), state.chunk):
            images = real.inputs(indices[part]).to(state.source.images.dtype)
            yield transform(images, torch.full((len(images),), row, device=images.device)) if transform else images

    gradients = []
    for row in group:
        indices = draw.indices[draw.class_index == row]
        gradients.append(class_mean_gradient(logits, state.network, batches(indices, row), real.classes[row], len(indices)))
    return [torch.stack(parameter) for parameter in zip(*gradients, strict=True)]
